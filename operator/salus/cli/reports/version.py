"""`salus version` as a document."""

from typing import Annotated, Literal

from pydantic import Field

from salus.cli.marks import State
from salus.cli.reports.document import Document
from salus.model.scalars import Resource

_Many = Field(default=())


class ProgramLine(Resource):
    """This program."""

    version: str
    commit: str = ""
    """Empty: it was not built from a commit."""


class OperatorLine(Resource):
    """One operator in the cluster."""

    namespace: str
    name: str
    version: str
    """As its labels say; empty: they do not."""
    image: str
    state: State
    message: str = ""


class CrdsLine(Resource):
    """The CRDs, beside what this program knows; fields as `kubectl explain` names them."""

    state: State
    message: str
    lacking: Annotated[tuple[str, ...], _Many]
    """This program knows them, and the CRDs do not have them."""
    not_known: Annotated[tuple[str, ...], _Many]
    """The CRDs have them, and this program does not know them."""


class VersionReport(Document):
    """What there is, and whether it fits."""

    kind: Literal["VersionReport"] = "VersionReport"
    program: ProgramLine
    operators: Annotated[tuple[OperatorLine, ...], _Many]
    crds: CrdsLine | None = None
    """None: no cluster was asked."""
    fits: Literal["Yes", "No", "Unknown", "NotAsked"] = "NotAsked"
