"""`salus report period` as a document: how all went in some days, and what speaks for letting Salus act."""

from typing import Annotated, Literal

from pydantic import Field

from salus.cli.reports.document import Document
from salus.cli.reports.history import Counted, Gap
from salus.model.scalars import Duration, Resource, Time

_Many = Field(default=())


class Spread(Resource):
    """How long something took, over some incidents."""

    count: int
    """Of how many it is known."""
    p50: Duration
    p90: Duration


class IncidentLine(Resource):
    """One incident at a glance."""

    name: str
    namespace: str
    target: str
    policy: str
    opened_at: Time
    lasted: Duration
    """Until it was healthy to stay so, or until now."""
    phase: str
    resolution: str = ""
    seen: str = ""
    """What was unhealthy."""


class ComparedLine(Resource):
    """One rehearsal, and what people then did."""

    record: str
    at: Time
    target: str
    rehearsed: str
    """`Rollback to fe9ea46d52`."""
    then: str
    """Same, Other, Nothing or Unknown."""
    did: str = ""
    """What they did, where that itself is known."""
    by: str = ""
    after: Duration | None = None
    ended_after: Duration | None = None
    """When the incident was over, counted from the rehearsal; none: it is not."""


class PolicyCompared(Resource):
    """The rehearsals of one policy."""

    namespace: str
    policy: str
    mode: str
    """As it is now; empty: it is gone."""
    rehearsals: int
    same: int
    other: int
    nothing: int
    unknown: int
    ready: bool
    """It observes, and what it would have done is what people did."""
    why: str
    items: Annotated[tuple[ComparedLine, ...], _Many]
    items_left_out: int = 0
    """Older ones."""


class PeriodReport(Document):
    """How all went from `begins` to `ends`."""

    kind: Literal["PeriodReport"] = "PeriodReport"
    namespace: str = ""
    """Empty: all."""
    begins: Time
    ends: Time
    policies: int = 0
    workloads: int = 0
    modes: Annotated[tuple[Counted, ...], _Many]
    incidents: int = 0
    resolved: int = 0
    escalated: int = 0
    """Of which people were told."""
    still_open: int = 0
    detect: Spread | None = None
    act: Spread | None = None
    recover: Spread | None = None
    acts: int = 0
    outcomes: Annotated[tuple[Counted, ...], _Many]
    undone: int = 0
    asked: int = 0
    answers: Annotated[tuple[Counted, ...], _Many]
    rehearsed: int = 0
    advised: int = 0
    refused: int = 0
    refusals: Annotated[tuple[Counted, ...], _Many]
    """By reason, the most frequent first."""
    most: Annotated[tuple[Counted, ...], _Many]
    """The workloads with the most incidents."""
    items: Annotated[tuple[IncidentLine, ...], _Many]
    """The incidents, newest first."""
    items_left_out: int = 0
    compared: Annotated[tuple[PolicyCompared, ...], _Many]
    gaps: Annotated[tuple[Gap, ...], _Many]
