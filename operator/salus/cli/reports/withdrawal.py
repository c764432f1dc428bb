"""`salus withdraw` as a document: a kept release, and the word that it must not come back."""

from typing import Annotated, Literal

from pydantic import Field

from salus.cli.reports.document import Document
from salus.model.scalars import Time


class Withdrawal(Document):
    """One kept release; withdrawn, where `by` says by whom."""

    kind: Literal["Withdrawal"] = "Withdrawal"
    name: str
    namespace: str
    release: str
    target: str
    """`Deployment/checkout`."""
    images: Annotated[tuple[str, ...], Field(default=())]
    healthy_at: Time | None = None
    proven_by: str = ""
    quarantined_by: str = ""
    taken_over: str = ""
    """The ControllerRevision of an older Salus that it was made of."""
    by: str = ""
    reason: str = ""
    withdrawn_at: Time | None = None
