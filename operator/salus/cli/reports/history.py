"""`salus history` as a document: what happened to workloads, one line each, and who did it."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from salus.cli.marks import State
from salus.cli.reports.document import Document
from salus.model.scalars import Resource, Time

_Many = Field(default=())


class What(StrEnum):
    """What a line is about; `--only` takes these words."""

    RELEASE = "release"
    CONFIG = "config"
    RESTART = "restart"
    SCALE = "scale"
    EDIT = "edit"
    """Of a policy, an autoscaler, or a ConfigMap that the pods use."""
    INCIDENT = "incident"
    ASKS = "asks"
    ANSWER = "answer"
    ACT = "act"
    UNDO = "undo"
    REHEARSE = "rehearse"
    ADVISE = "advise"
    REFUSE = "refuse"
    TELL = "tell"
    WITHDRAW = "withdraw"
    EVENT = "event"


class HistoryLine(Resource):
    """One thing that happened."""

    at: Time
    namespace: str
    target: str
    """`deploy/checkout`."""
    what: What
    detail: str
    by: str = ""
    """A person, a program as the API server knows it, `policy NAME`, or `salus`; empty: nobody remembers."""
    outcome: str = ""
    state: State | None = None
    record: str = ""
    """`inc/NAME` or `chev/NAME`, where it is on record; `salus explain` takes it."""
    reason: str = ""
    """Of a record, in one word."""


class Counted(Resource):
    """A word, and how often."""

    word: str
    count: int


class Gap(Resource):
    """Records that were there, as the numbers of the others tell, and are no more."""

    namespace: str
    target: str
    kind: str
    """ChangeEvent or Incident."""
    count: int
    before: Time
    """When the record after them was made."""


class History(Document):
    """What happened, oldest first."""

    kind: Literal["History"] = "History"
    namespace: str = ""
    """Empty: all."""
    about: str = ""
    """What was asked for; empty: all that there is."""
    begins: Time | None = None
    """None: as far back as anything is known."""
    ends: Time | None = None
    items: Annotated[tuple[HistoryLine, ...], _Many]
    refusals_left_out: Annotated[tuple[Counted, ...], _Many]
    gaps: Annotated[tuple[Gap, ...], _Many]
