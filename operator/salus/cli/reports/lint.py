"""`salus lint` as a document."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from salus.cli.reports.document import Document
from salus.cli.reports.metrics import AskedPrometheus
from salus.model.scalars import Duration, Resource

_Many = Field(default=())


class Level(StrEnum):
    """How much a finding matters, the most first."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """Error 0, warning 1, info 2."""
        return list(Level).index(self)


class LintFinding(Resource):
    """One thing that a rule has found."""

    code: str
    level: Level
    line: int = 0
    """Of the file, from 1; 0: the policy is in the cluster."""
    column: int = 0
    policy: str = ""
    """NAMESPACE/NAME, as far as they are written."""
    path: str = ""
    """`spec.checks[0].query`."""
    check: str = ""
    message: str


class LintedFile(Resource):
    """A file, or a policy of the cluster."""

    name: str
    findings: Annotated[tuple[LintFinding, ...], _Many]


class LintReport(Document):
    """What is odd about policies."""

    kind: Literal["LintReport"] = "LintReport"
    prometheus: AskedPrometheus | None = None
    """None: offline."""
    since: Duration | None = None
    """How far back was looked."""
    policies: int = 0
    in_files: bool = True
    errors: int = 0
    warnings: int = 0
    notes: int = 0
    ignored: int = 0
    """Findings that an exception, or --ignore, left out."""
    files: Annotated[tuple[LintedFile, ...], _Many]
    unreadable: Annotated[tuple[str, ...], _Many]
    unasked: Annotated[tuple[str, ...], _Many]
    """What was not asked, and why."""
    partial: str = ""
    """Why it is not whole; empty: it is."""
