"""What somebody other than Salus did to a workload, as far as Kubernetes remembers it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class DeedKind(StrEnum):
    """What was done."""

    RELEASE = "Release"
    CONFIGURATION = "Configuration"
    """The same release, with another configuration."""
    RESTART = "Restart"
    SCALE = "Scale"


@dataclass(frozen=True, slots=True)
class Deed:
    """One of them."""

    kind: DeedKind
    at: datetime
    """When; or the earliest time that it may have been, where `by_then` says the latest."""
    by: str = ""
    """The program that wrote it, as the API server knows it, or `hpa/NAME`; empty: nobody remembers."""
    release: str = ""
    """The one that ran from then on."""
    images: tuple[str, ...] = ()
    came_back: bool = False
    """A release that the workload had had before."""
    replicas: int | None = None
    """From then on; None: nobody remembers."""
    before: int | None = None
    """Replicas before."""
    by_then: datetime | None = None
    """When it was done at the latest, where nobody remembers when."""
