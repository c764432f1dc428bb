"""What `salus get` derives from objects, or from what Salus brings along, as documents."""

from typing import Annotated, Literal

from pydantic import Field

from salus.cli.marks import State
from salus.cli.reports.document import Document
from salus.cli.reports.metrics import AskedPrometheus
from salus.model.scalars import Resource, Time

_Many = Field(default=())


class ReleaseLine(Resource):
    """One release of a workload."""

    release: str
    """As records name it, cut to ten characters."""
    images: tuple[str, ...] = ()
    began: Time | None = None
    healthy_at: Time | None = None
    """When it was proven healthy last."""
    state: State | None = None
    stands: str = ""
    """`live`, `good: a rollback goes here`, `quarantined by …`."""


class ReleaseList(Document):
    """The releases of one workload, newest first."""

    kind: Literal["ReleaseList"] = "ReleaseList"
    workload: str
    namespace: str
    items: Annotated[tuple[ReleaseLine, ...], _Many]


class ParameterLine(Resource):
    """What a policy may say of a preset, or has to."""

    name: str
    type: str
    means: str
    default: str | None = None


class VariantLine(Resource):
    """A preset in one vocabulary."""

    name: str
    told_by: str
    needs: tuple[str, ...]
    may_lack: tuple[str, ...] = ()
    """What it reads besides, and can do without."""
    parameters: tuple[ParameterLine, ...] = ()
    queries: dict[str, str]
    """By kind of workload."""
    lacks: dict[str, tuple[str, ...]] | None = None
    """By kind of workload, what of its needs the source does not have; None: nobody has asked."""

    def kinds_of(self) -> dict[str, list[str]]:
        """Each query once, with the kinds of workload that it is for."""
        found: dict[str, list[str]] = {}
        for kind, query in self.queries.items():
            found.setdefault(query, []).append(kind)
        return found


class PresetLine(Resource):
    """One preset."""

    name: str
    summary: str
    unit: str
    kinds: tuple[str, ...]
    bound: str | None = None
    hold: str
    helps: tuple[str, ...]
    clears_after: str = ""
    """How long after an action its answer still speaks of before, where its ranges look further back."""
    docs: str
    doubts: str = ""
    variants: tuple[VariantLine, ...]


class PresetList(Document):
    """The checks that Salus brings along."""

    kind: Literal["PresetList"] = "PresetList"
    prometheus: AskedPrometheus | None = None
    """None: nobody has asked which of them it can answer."""
    items: Annotated[tuple[PresetLine, ...], _Many]


class ReasonLine(Resource):
    """One reason in one word."""

    name: str
    group: str
    means: str
    then: str = ""
    do: str = ""
    of: str = ""


class ReasonList(Document):
    """Every word that a record or a status may give as its reason."""

    kind: Literal["ReasonList"] = "ReasonList"
    items: Annotated[tuple[ReasonLine, ...], _Many]
