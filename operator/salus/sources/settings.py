"""What is set for a metric source, besides where it is."""

from dataclasses import dataclass
from typing import ClassVar

from salus.endpoints.settings import EndpointSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings(EndpointSettings):
    """One Prometheus-compatible server; its URL is the part before `/api/v1/…`.

    Raises ValueError for what cannot be used.
    """

    KIND: ClassVar = "source"

    tenant_header: str = ""
    """Header that carries the policy's namespace, such as X-Scope-OrgID; empty: none."""
    enforce_namespace: bool = False
    """Whether every selector of a query is bound to the policy's namespace."""

    def __post_init__(self) -> None:
        EndpointSettings.__post_init__(self)  # `super()` does not know a class that was made anew for its slots
        if not self.tenant_header.isprintable():
            raise ValueError(f"{self.title}: tenantHeader holds a character that cannot be printed")

    def tenancy(self, namespace: str) -> dict[str, str]:
        """The header of a request on behalf of `namespace`, if there is one."""
        return {self.tenant_header: namespace} if self.tenant_header and namespace else {}
