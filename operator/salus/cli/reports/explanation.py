"""`salus explain` as a document: why something is done, or is not."""

from typing import Annotated, Literal

from pydantic import Field

from salus.cli.marks import State
from salus.cli.reports.document import Document
from salus.model.scalars import Resource

_Many = Field(default=())


class Fact(Resource):
    """What is known, under its label."""

    label: str
    text: str


class GuardLine(Resource):
    """One guard, as far as it was asked."""

    reason: str
    state: State
    message: str = ""


class Explanation(Document):
    """The answer to "why?", from status and records alone."""

    kind: Literal["Explanation"] = "Explanation"
    about: str
    question: str
    answer: str
    """In one or two sentences."""
    facts: Annotated[tuple[Fact, ...], _Many]
    guards: Annotated[tuple[GuardLine, ...], _Many]
    not_asked: int = 0
    """Guards that come after the one that objects."""
    do: Annotated[tuple[str, ...], _Many]
    """Commands, or sentences, for the person who asks."""
    basis: str = "Known from status and records alone."
