"""`salus init` as a document: what is proposed, what is left out, and where each number comes from."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from salus.cli.reports.document import Document
from salus.cli.reports.metrics import AskedPrometheus
from salus.model.scalars import Duration, Resource, Time

_Many = Field(default=())


class ProposedFor(Resource):
    """The workload."""

    kind: str
    name: str
    namespace: str
    replicas: int = 0
    autoscaler: str = ""
    """`HorizontalPodAutoscaler/checkout, 3 to 12`; empty: there is none."""
    holder: str = ""
    """Who holds its desired state: `Argo CD (app shop)`."""


class PastIncident(Resource):
    """A stretch that was not learned from."""

    start: Time
    end: Time
    checks: Annotated[tuple[str, ...], _Many]
    worst: float = 0
    is_named: bool = False
    """A person said so."""


class Returning(Resource):
    """What comes back, beyond the bound that would hold without it."""

    worst: float
    bound: float
    """The one that would hold."""
    weekday: int | None = None
    """0: Monday; None: on several."""
    at: Time
    """One of the times."""
    times: int = 1


class Seen(Resource):
    """A number of the past, and when it was."""

    value: float
    at: Time


class ProposedCheck(Resource):
    """One check, with what its numbers come from."""

    name: str
    preset: str
    variant: str = ""
    """Empty: the preset has one only."""
    parameters: Mapping[str, str] = {}
    told_by: str = ""
    """Whose series these are."""
    metric: str = ""
    """The first that it reads."""
    tied_by: str = ""
    """The label by which its series are the workload's."""
    unit: str = ""
    kind: str = ""
    """How its bound is learned."""
    unhealthy: str
    """`above 0.01`."""
    healthy: str = ""
    """`below 0.005`; empty: as soon as it is not beyond the bound."""
    hold: Duration
    """`for`."""
    own_bound: str = ""
    """The preset's; empty: it has none."""
    own_hold: Duration
    range: Duration | None = None
    volume: int | None = None
    """Fewer requests in the range are Quiet."""
    sure: str
    why: Annotated[tuple[str, ...], _Many]
    """What is short of `yes`."""
    usual: float | None = None
    recurring: Seen | None = None
    """The worst that came back."""
    once: Seen | None = None
    """The worst of all."""
    longest: Duration
    """The longest time beyond the bound that mended itself."""
    quiet: float = 0
    """Share of the time with too little to judge."""
    since: Time | None = None
    """Learned from here on, if a release has changed the level for good."""
    beyond_since: Time | None = None
    """It is beyond its bound now."""
    returning: Annotated[tuple[Returning, ...], _Many]
    also: Annotated[tuple[str, ...], _Many]
    """Other vocabularies in which it could be asked."""
    doubts: Annotated[tuple[str, ...], _Many]
    helps: Annotated[tuple[str, ...], _Many]


class LeftOutCheck(Resource):
    """A question that is not asked, and why."""

    name: str
    preset: str
    variant: str = ""
    reason: str
    message: str


class ProposedRemedy(Resource):
    """A rung of the ladder."""

    name: str
    action: str
    checks: Annotated[tuple[str, ...], _Many]
    """None: any."""
    fields: Mapping[str, str] = {}
    is_comment: bool = False
    """It stands in the file to be thought about, and is not done."""
    because: str = ""


class ExplainedHalfHour(Resource):
    """One half hour of the past of a check."""

    start: Time
    worth: float | None = None
    fate: str


class Explained(Resource):
    """The past of one check."""

    check: str
    bound: float
    half_hours: Annotated[tuple[ExplainedHalfHour, ...], _Many]


class RehearsedBreach(Resource):
    """A time that something was beyond its bound for long enough, and what would have come of it."""

    at: Time
    because: str
    """`error-ratio 0.31 > 0.01`."""
    lasted: Duration
    did: Annotated[tuple[str, ...], _Many]
    then: str
    """What the past shows after that."""
    then_at: Time | None = None


class Rehearsal(Resource):
    """The policy over the past that it was learned from, as if in mode Enforce: `salus replay` has all of it."""

    begins: Time
    ends: Time
    every: Duration
    breaches: Annotated[tuple[RehearsedBreach, ...], _Many]
    more: int = 0
    acts: int = 0
    escalations: int = 0
    alarms: int = 0
    """Acts on what soon ended by itself."""
    unknown: Annotated[tuple[str, ...], _Many]
    """What cannot be known of it, one sentence each."""


class InitProposal(Document):
    """A first policy for one workload."""

    kind: Literal["InitProposal"] = "InitProposal"
    name: str
    """Of the policy."""
    made_by: str = ""
    """`salus init 0.4.0`."""
    person: str = ""
    prometheus: AskedPrometheus
    workload: ProposedFor
    series: int = 0
    """Of its pods."""
    metrics: Annotated[tuple[str, ...], _Many]
    """Names that tell of what the service does; none: it is not scraped."""
    by_address: Annotated[tuple[str, ...], _Many]
    """Names that are tied to its pods by their addresses alone."""
    vocabularies: Annotated[tuple[str, ...], _Many]
    none_of: Annotated[tuple[str, ...], _Many]
    window: Duration
    """That was asked for."""
    learned: Duration
    """How much of it there is."""
    step: Duration
    """Between two points of the past."""
    requests: int = 0
    """That this took."""
    mode: str = "Observe"
    source: str = ""
    """Of the operator's; empty: its default."""
    checks: Annotated[tuple[ProposedCheck, ...], _Many]
    left_out: Annotated[tuple[LeftOutCheck, ...], _Many]
    incidents: Annotated[tuple[PastIncident, ...], _Many]
    remedies: Annotated[tuple[ProposedRemedy, ...], _Many]
    verify_timeout: Duration | None = None
    """None: the default suffices."""
    warnings: Annotated[tuple[str, ...], _Many]
    alerts: Annotated[tuple[str, ...], _Many]
    """That the team has for these pods."""
    policy: str = ""
    """The file."""
    file: str = ""
    """Where it is written to; empty: nowhere."""
    written: bool = False
    rehearsal: Rehearsal | None = None
    """None: there is hardly any past, or nobody wanted it."""
    explained: Explained | None = None


class InitProposals(Document):
    """First policies for the workloads of a namespace."""

    kind: Literal["InitProposals"] = "InitProposals"
    items: Annotated[tuple[InitProposal, ...], _Many]
    failed: Annotated[tuple[str, ...], _Many]
    """For which workloads there is none, and why."""
