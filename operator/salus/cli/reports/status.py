"""`salus status` as a document."""

from typing import Annotated, Literal

from pydantic import Field

from salus.cli.marks import State
from salus.cli.reports.course import Course
from salus.cli.reports.document import Document
from salus.model.scalars import Duration, Resource, Time

_Many = Field(default=())


class Happening(Resource):
    """What is going on with a policy just now, in words."""

    state: State | None = None
    """None: nothing that needs a mark."""
    text: str = ""


class PolicyLine(Resource):
    """One policy at a glance."""

    namespace: str
    name: str
    target: str
    """`deploy/checkout`, or `12 by tier=backend`."""
    health: str
    """Healthy, Unhealthy, Unknown or Quiet; empty: not judged yet."""
    mode: str
    since: Time | None = None
    """Since when it is so."""
    now: Happening = Happening()


class CheckLine(Resource):
    """One check, on the worst target."""

    name: str
    verdict: str
    value: str = ""
    bound: str = ""
    """As the policy says it; empty: that of its preset."""
    hold: Duration | None = None
    since: Time | None = None
    message: str = ""
    course: Course | None = None
    """What it said in the last half hour; none: nobody was asked, or it was not answered."""


class RungLine(Resource):
    """One remedy, and how it stands in the open incident."""

    name: str
    action: str
    now: Happening = Happening()


class PolicyDetail(Resource):
    """One policy in full."""

    line: PolicyLine
    generation: int
    judged_generation: int
    interval: Duration
    source: str
    targets: str = ""
    """How many there are, and how they are."""
    release: str = ""
    replicas: str = ""
    rolling: str = ""
    """How far the rollout of the newest generation is; empty: it is over, or not to be seen."""
    incident: str = ""
    phase: str = ""
    message: str = ""
    """How the incident stands."""
    checks: Annotated[tuple[CheckLine, ...], _Many]
    recent_left_out: str = ""
    """Why nobody knows what they said in the last half hour."""
    ladder: Annotated[tuple[RungLine, ...], _Many]
    limits: str = ""
    blame: str = ""
    last: str = ""
    held: str = ""
    """Why nothing is done, where something would be."""
    problem: str = ""
    """Why the policy cannot be used, or not fully."""


class StatusReport(Document):
    """How the policies that were asked about stand."""

    kind: Literal["StatusReport"] = "StatusReport"
    namespace: str = ""
    """Empty: all."""
    total: int = 0
    healthy: int = 0
    unhealthy: int = 0
    unknown: int = 0
    quiet: int = 0
    questions: int = 0
    """Changes that wait for a person."""
    policies: Annotated[tuple[PolicyLine, ...], _Many]
    details: Annotated[tuple[PolicyDetail, ...], _Many]
    """Of a policy that was asked about by its name."""
