"""`salus replay` as a document: what policies would have done in a past, and what that past shows of it.

Text, Markdown, CSV, pages and the console are made from it alone.
"""

from typing import Annotated, Literal

from pydantic import Field

from salus.cli.marks import State
from salus.cli.reports.document import Document
from salus.cli.reports.metrics import AskedPrometheus
from salus.model.scalars import Duration, Resource, Time

_Many = Field(default=())


class ReplayedPolicy(Resource):
    """A policy as it was replayed."""

    namespace: str
    name: str
    source: str = ""
    """The file, where it is from one."""
    generation: int = 0
    """0: it is not from a cluster."""
    digest: str
    """SHA-256 of its spec, so that two reports can be told to be of the same."""
    targets: Annotated[tuple[str, ...], _Many]
    """`Deployment/checkout`."""
    mode: str
    """As if it were of this one."""
    interval: Duration


class WouldHave(Resource):
    """One decision of the replay."""

    at: Time
    decision: str
    """Act, DryRun, AwaitApproval, Advise or Refuse."""
    action: str
    doing: str
    """`Rollback to fe9ea46d52`."""
    reason: str
    message: str = ""
    images: str = ""
    replicas: str = ""
    patch: Annotated[tuple[str, ...], _Many]
    """Operations, one a line."""
    state: State | None = None
    times: int = 1
    is_act: bool = False
    """It would have changed the workload, at once or after a person's word; in mode Observe it is rehearsed."""
    is_call: bool = False
    """People would have been told."""
    outcome: str = ""
    """Recovered, NotRecovered, …, where the past shows the same deed; `Inconclusive` else."""
    is_alarm: bool = False
    """It would have been done on what ended by itself within `verify.timeout`."""


class Course(Resource):
    """What was answered, in stretches of equal length."""

    begins: Time
    every: Duration
    lows: Annotated[tuple[float | None, ...], _Many]
    """The least of each stretch; None: there was no sample."""
    highs: Annotated[tuple[float | None, ...], _Many]


class Breach(Resource):
    """One time that something was beyond its bound: an incident, or too short for that."""

    number: int
    namespace: str
    policy: str
    target: str
    began: Time
    ended: Time | None = None
    """None: it lasts until the end of the replay, or beyond."""
    lasted: Duration
    check: str
    value: str = ""
    """Its worst."""
    bound: str
    is_incident: bool = True
    why_nothing: str = ""
    """Why nothing would have been done."""
    would_have: Annotated[tuple[WouldHave, ...], _Many]
    then: str
    """What the past shows after that."""
    then_at: Time | None = None
    by_itself: bool = False
    """It ended, and nobody is known to have done anything."""
    course: Course | None = None
    """What the check was told around it."""


class Stretch(Resource):
    """A stretch of time in which a check was Unknown, Quiet, Pending or Unhealthy."""

    begins: Time
    ends: Time
    what: str


class ReplayedCheck(Resource):
    """One check of one target over the whole time."""

    namespace: str
    policy: str
    target: str
    check: str
    query: str
    volume_query: str = ""
    bound: str
    above: float | None = None
    below: float | None = None
    healthy: float | None = None
    """The bound that has to be passed to be healthy again."""
    hold: Duration
    """Its `for`."""
    highest: str = ""
    lowest: str = ""
    course: Course
    stretches: Annotated[tuple[Stretch, ...], _Many]
    stretches_left_out: int = 0

    @property
    def limit(self) -> float | None:
        """The number of the bound, on whichever side it is."""
        return self.above if self.above is not None else self.below


class Turn(Resource):
    """A release or a scaling, as the past shows it."""

    at: Time
    namespace: str
    target: str
    what: str
    """release or scale."""
    detail: str


class Gap(Resource):
    """When a check was Unknown, and why."""

    begins: Time
    ends: Time
    namespace: str
    policy: str
    target: str
    check: str
    why: str


class Cell(Resource):
    """A sweep's replay with one bound and one `for`."""

    bound: str
    hold: Duration
    acts: int
    by_itself: int
    """Of them on what ended by itself."""


class Sweep(Resource):
    """One check with other bounds and other values of `for`; all else as the policy says."""

    namespace: str
    policy: str
    check: str
    bounds: Annotated[tuple[str, ...], _Many]
    holds: Annotated[tuple[Duration, ...], _Many]
    bound: str
    """As the policy says."""
    hold: Duration
    cells: Annotated[tuple[Cell, ...], _Many]
    """Row by row."""


class Difference(Resource):
    """A decision that one of two policies would have made, and the other not."""

    at: Time
    namespace: str
    policy: str
    target: str
    here: str = ""
    """By the policy that is replayed; empty: it would not."""
    there: str = ""
    """By the one that it is compared with."""
    then: str = ""


class Comparison(Resource):
    """What differs from another version of the same policies."""

    against: str
    """`live`, or the file."""
    acts: int
    """Of those that it is compared with, as are the next two."""
    escalations: int
    alarms: int
    missed: int
    """Breaches that would have been acted upon there and not here, and did not soon end by themselves."""
    differences: Annotated[tuple[Difference, ...], _Many]
    only_here: Annotated[tuple[str, ...], _Many]
    """Policies that the other side does not have."""


class ReplayReport(Document):
    """What would have been done from `begins` to `ends`."""

    kind: Literal["ReplayReport"] = "ReplayReport"
    begins: Time
    ends: Time
    asked_for: Duration
    """How long it was meant to be; the source may keep less."""
    prometheus: AskedPrometheus | None = None
    policies: Annotated[tuple[ReplayedPolicy, ...], _Many]
    breaches: Annotated[tuple[Breach, ...], _Many]
    """By the time at which they began."""
    breaches_left_out: int = 0
    checks: Annotated[tuple[ReplayedCheck, ...], _Many]
    turns: Annotated[tuple[Turn, ...], _Many]
    turns_left_out: int = 0
    acts: int = 0
    """That would have been done, rehearsed or asked for; telling people is none."""
    escalations: int = 0
    """How often people would have been told."""
    alarms: int = 0
    """Acts on what ended by itself within `verify.timeout`."""
    in_breach: Duration
    after_first_act: Duration
    """Of that, what came after the first act on it: so much at most could have been saved."""
    gaps: Annotated[tuple[Gap, ...], _Many]
    gaps_left_out: int = 0
    unknown: Annotated[tuple[str, ...], _Many]
    """What cannot be known of this past, or was not looked at, one sentence each."""
    assumed: Annotated[tuple[str, ...], _Many]
    """What every replay takes for granted."""
    sweeps: Annotated[tuple[Sweep, ...], _Many]
    comparison: Comparison | None = None
    partial: str = ""
    """Why it is not whole; empty: it is."""
