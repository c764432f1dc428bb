"""What lies around a target, and may be to blame."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

Existing = Mapping[str, frozenset[str] | None]
"""By kind, the names that there are; None where Salus may not look. Of a kind that is missing, nobody has asked."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of the target, as far as it tells how its release fares."""

    name: str
    release: str
    """Hash of its template; empty where the workload's history does not know it."""
    node: str
    made_at: datetime
    failing: str = ""
    """Why it is of no use, in a phrase; empty for a pod that is ready, is going, or may still be starting."""


@dataclass(frozen=True, slots=True)
class NodeTrouble:
    """That a node is not as it should be."""

    node: str
    what: str
    """`NotReady`, `Cordoned`, or the name of a pressure condition."""
    since: datetime | None
    """None where the node does not tell."""


@dataclass(frozen=True, slots=True)
class Edit:
    """That someone changed an object beside the workload: which one, who and when, never what is in it."""

    kind: str
    name: str
    manager: str
    at: datetime
    used: bool = True
    """Whether the workload is known to use it."""


@dataclass(frozen=True, slots=True)
class UnhealthyBefore:
    """A check that was unhealthy already when the release began that one would suspect."""

    check: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What lies around a target that is unhealthy, and may be to blame; read only when somebody asks who is."""

    pods: tuple[Pod, ...] = ()
    troubles: tuple[NodeTrouble, ...] = ()
    """Of the nodes that host the pods."""
    edits: tuple[Edit, ...] = ()
    unhealthy_before: tuple[UnhealthyBefore, ...] = ()
    unknown: tuple[str, ...] = ()
    """What could not be read, each with the reason."""
