"""`salus report inc/NAME` as a document: one incident, for those who were there and for those who were not.

Text, Markdown and pages are made from it alone.
"""

from typing import Annotated, Literal

from pydantic import Field

from salus.cli.marks import State
from salus.cli.reports.course import Course
from salus.cli.reports.document import Document
from salus.cli.reports.explanation import GuardLine
from salus.cli.reports.history import HistoryLine
from salus.model.scalars import Duration, Resource, Time

_Many = Field(default=())


class EvidenceLine(Resource):
    """What a check said when it was first acted upon."""

    check: str
    value: str = ""
    bound: str = ""
    since: Time | None = None
    query: str = ""
    """As it was asked, cut."""


class BlameLine(Resource):
    """What changed just before the breach."""

    kind: str
    confidence: str
    message: str
    began: Time | None = None


class AttemptLine(Resource):
    """One decision about a remedy, and what came of it."""

    record: str
    at: Time
    decision: str
    doing: str
    """`Rollback to fe9ea46d52`."""
    remedy: str = ""
    reason: str = ""
    message: str = ""
    state: State | None = None
    objection: GuardLine | None = None
    """The guard that held it back; none: no guard did."""
    not_asked: int = 0
    """Guards that come after that one."""
    patch: Annotated[tuple[str, ...], _Many]
    """Operations, one a line."""
    images: str = ""
    """What differs, where other images come with it."""
    replicas: str = ""
    identity: str = ""
    """The account that wrote."""
    answered: str = ""
    """`Approved by ada (ticket CHG-7)`."""
    applied_at: Time | None = None
    completed_at: Time | None = None
    outcome: str = ""
    note: str = ""
    times: int = 1


class ToldLine(Resource):
    """A message to people."""

    at: Time
    message: str
    sinks: Annotated[tuple[str, ...], _Many]
    """That have taken it; none: Kubernetes' Events alone."""
    record: str = ""


class Step(Resource):
    """Something to do afterwards."""

    command: str
    """On two lines, as a shell takes them, where it is long."""
    what: str


class IncidentReport(Document):
    """One incident from just before it until just after."""

    kind: Literal["IncidentReport"] = "IncidentReport"
    name: str
    namespace: str
    target: str
    """`deploy/checkout`."""
    policy: str
    severity: str
    summary: str
    """In one paragraph: what, for how long, what was done, whether it helped, what is open."""
    phase: str
    resolution: str = ""
    message: str = ""
    opened_at: Time
    """When the breach began."""
    detected_at: Time | None = None
    first_action_at: Time | None = None
    healthy_at: Time | None = None
    """Since when it was healthy to stay so."""
    resolved_at: Time | None = None
    detect: Duration | None = None
    """From the breach on, as are the next two."""
    act: Duration | None = None
    recover: Duration | None = None
    relapses: int = 0
    blame: BlameLine | None = None
    evidence: Annotated[tuple[EvidenceLine, ...], _Many]
    attempts: Annotated[tuple[AttemptLine, ...], _Many]
    told: Annotated[tuple[ToldLine, ...], _Many]
    people: Annotated[tuple[HistoryLine, ...], _Many]
    """What others did, from an hour before on."""
    timeline: Annotated[tuple[HistoryLine, ...], _Many]
    """All of it, that too."""
    courses: Annotated[tuple[Course, ...], _Many]
    """Its checks around that time, by the policy as it is now."""
    no_courses: str = ""
    """Why nobody knows what they said; empty: it is known, or nobody asked."""
    next_steps: Annotated[tuple[Step, ...], _Many]
    """For the post-mortem."""
    notes: Annotated[tuple[str, ...], _Many]
    """What is not known, and why."""
