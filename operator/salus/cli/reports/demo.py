"""`salus demo` as a document."""

from typing import Annotated, Literal

from pydantic import Field

from salus.cli.marks import State
from salus.cli.reports.document import Document
from salus.model.scalars import Duration, Resource, Time

_Many = Field(default=())


class DemoLine(Resource):
    """One line of the story."""

    after: Duration
    """Since the beginning."""
    state: State | None = None
    text: str
    is_turn: bool = False
    """Something that was done to the shop, and not by Salus."""


class DemoPoint(Resource):
    """What the checks said at a tick."""

    at: Time
    values: dict[str, float]


class DemoFault(Resource):
    """How one fault went."""

    name: str
    expected: str
    became: str
    """`healed`, `refused` or `rehearsed`; else what happened instead."""
    failed: int
    """Requests of callers that got no good answer."""
    failed_without: int
    """The same, had nobody done anything for as long."""


class DemoReport(Document):
    """The whole demo, as it was played."""

    kind: Literal["DemoReport"] = "DemoReport"
    began: Time
    lines: Annotated[tuple[DemoLine, ...], _Many]
    points: Annotated[tuple[DemoPoint, ...], _Many]
    faults: Annotated[tuple[DemoFault, ...], _Many]
