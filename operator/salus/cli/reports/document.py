"""What all derived documents have in common."""

from typing import Annotated, Literal, Self

import orjson
from pydantic import Field

from salus.model.scalars import Resource, Time

CLI_VERSION: Literal["cli.salus.dev/v1alpha1"] = "cli.salus.dev/v1alpha1"


class NotLookedAt(Resource):
    """Something that was left out, and the right without which it cannot be seen."""

    what: str
    lacks: str
    """`list controllerrevisions.apps in shop`."""


class Document(Resource):
    """Base of every derived document; a subclass gives `kind` its own name as a Literal with a default."""

    api_version: Literal["cli.salus.dev/v1alpha1"] = CLI_VERSION
    kind: str
    cluster: str = ""
    """The context of the kubeconfig; empty where no cluster was asked."""
    at: Time
    not_looked_at: Annotated[tuple[NotLookedAt, ...], Field(default=())]

    def to_json(self) -> bytes:
        """As `-o json` prints it, with two blanks a level."""
        said = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return orjson.dumps(said, option=orjson.OPT_INDENT_2)

    @classmethod
    def from_json(cls, raw: bytes) -> Self:
        """The same document. Raises ValidationError for another one."""
        return cls.parse(orjson.loads(raw))
