"""`salus approve` and `deny` as documents: what people are asked, and what they answered."""

from typing import Annotated, Literal

from pydantic import Field

from salus.cli.marks import State
from salus.cli.reports.document import Document
from salus.cli.reports.incident import EvidenceLine
from salus.model.scalars import Resource, Time

_Many = Field(default=())


class Question(Resource):
    """A change that waits for a person."""

    namespace: str
    name: str
    policy: str
    target: str
    """`Deployment/checkout`."""
    generation: str = ""
    """Of the workload that was looked at."""
    action: str
    doing: str
    """In a few words: `Rollback to fe9ea46d52`."""
    message: str
    release: str = ""
    """The live one, and for how long."""
    back_to: str = ""
    """The one that would come back, and when it was last known healthy."""
    patch: Annotated[tuple[str, ...], _Many]
    """Operations, one a line."""
    images: str = ""
    replicas: str = ""
    because: Annotated[tuple[EvidenceLine, ...], _Many]
    identity: str = ""
    """The account that would write; empty: Salus' own."""
    asked_at: Time
    expires_at: Time | None = None
    otherwise: str = ""
    """What Salus does when nobody answers."""


class Questions(Document):
    """The open questions, the most urgent first; or one of them."""

    kind: Literal["Questions"] = "Questions"
    namespace: str = ""
    """Empty: all."""
    about: str = ""
    """The one that was asked for."""
    items: Annotated[tuple[Question, ...], _Many]


class Happened(Resource):
    """One thing that came of an answer."""

    at: Time | None = None
    text: str
    state: State | None = None


class Answer(Document):
    """What a person has put on record, and what came of it as far as was waited for."""

    kind: Literal["Answer"] = "Answer"
    question: Question
    decision: str
    by: str
    ticket: str = ""
    reason: str = ""
    answered_at: Time
    happened: Annotated[tuple[Happened, ...], _Many]
    outcome: str = ""
    """Empty: nobody waited for it, or it has not come."""
