"""What is set for a metric source, besides where it is."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlsplit, urlunsplit

from salus.endpoints.settings import EndpointSettings, NotTheBase, check_url
from salus.model.values.configuration import Binding

_ASKED = "query|query_range|query_exemplars|series|labels?|rules|alerts|targets|metadata|status|write|push|receive|read"
_PAGES = "(classic/)?graph|alerts|targets"
_BEYOND = re.compile(
    rf"(/api/v1(/({_ASKED})(/.*)?)?|(?<=/api/prom)/push|/({_PAGES})|/vmui(/.*)?|/-/(ready|healthy))/*$"
)
"""Of what people paste: the API itself, what is written to, what a browser shows, and probes. A path through the API
server's proxy has an `/api/v1/` of its own, further to the left."""


def check_source_url(text: str) -> str:
    """The URL of a source as it was given. Raises NotTheBase where it goes on, ValueError for what is none."""
    check_url(text)
    if wrong := next((words for words, is_there in _NOT_THE_BASE if is_there(text)), None):
        raise NotTheBase(f"the URL of a source is the part before /api/v1/…, {wrong}")
    return text


def base_of(text: str) -> str:
    """What was meant by a URL that goes on where Salus does."""
    parts = urlsplit(text)
    return urlunsplit((parts.scheme, parts.netloc, _BEYOND.sub("", parts.path), "", ""))


_NOT_THE_BASE: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("without a path of the API or of a page below it", lambda text: bool(_BEYOND.search(urlsplit(text).path))),
    ("without a fragment (#…)", lambda text: "#" in text),
    (
        "without a query string (?…), which is not sent; labels go into matchLabels, tenants and keys into headers",
        lambda text: "?" in text,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings(EndpointSettings):
    """One Prometheus-compatible server; its URL is the part before `/api/v1/…`.

    Raises ValueError for what cannot be used.
    """

    KIND: ClassVar = "source"

    method: str = "POST"
    """How it is asked: POST, or GET where a proxy lets nothing else pass."""
    tenant_header: str = ""
    """Header that carries the policy's namespace, such as X-Scope-OrgID; empty: none."""
    binding: Binding = field(default_factory=Binding)
    """What every selector of a query is bound to."""

    def __post_init__(self) -> None:
        EndpointSettings.__post_init__(self)  # `super()` does not know a class that was made anew for its slots
        if not self.tenant_header.isprintable():
            raise ValueError(f"{self.title}: tenantHeader holds a character that cannot be printed")

    @staticmethod
    def check(url: str) -> None:
        """Raises ValueError for a URL that cannot be used, or goes on where Salus does."""
        check_source_url(url)

    def tenancy(self, namespace: str) -> dict[str, str]:
        """The header of a request on behalf of `namespace`, if there is one."""
        return {self.tenant_header: namespace} if self.tenant_header and namespace else {}
