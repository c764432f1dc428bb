"""What accounts may do."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Permission:
    """A verb on a kind of object, as RBAC grants it."""

    verb: str
    group: str
    """Empty for the core group."""
    resource: str
    """In the plural."""
    subresource: str = ""

    def __str__(self) -> str:
        """As `patch deployments.apps`."""
        kind = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f"{self.verb} {kind}.{self.group}" if self.group else f"{self.verb} {kind}"


@dataclass(frozen=True, slots=True)
class Permissions:
    """Whether the account of a policy may do what the policy's remedies do."""

    lacks: str = ""
    """ServiceAccountMissing or NotPermitted; empty: nothing is lacking."""
    message: str = ""
    """What is lacking, and the commands that would help."""
