"""What people call things: `NAME` is a HealthPolicy, `TYPE/NAME` as kubectl writes it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from salus.cli.contract import CannotBeAsked
from salus.model.meta import WorkloadKind
from salus.ports import (
    CHANGE_EVENTS,
    DAEMON_SETS,
    DEPLOYMENTS,
    HEALTH_POLICIES,
    INCIDENTS,
    KEPT_RELEASES,
    STATEFUL_SETS,
    WORKLOADS,
    Resource,
)

_SHORT: Mapping[str, tuple[str, Resource]] = {
    "deploy": ("deployment", DEPLOYMENTS),
    "sts": ("statefulset", STATEFUL_SETS),
    "ds": ("daemonset", DAEMON_SETS),
    "hp": ("healthpolicy", HEALTH_POLICIES),
    "inc": ("incident", INCIDENTS),
    "chev": ("changeevent", CHANGE_EVENTS),
    "kept": ("keptrelease", KEPT_RELEASES),
}
_TYPES: Mapping[str, Resource] = {
    name: resource for short, (one, resource) in _SHORT.items() for name in (short, one, resource.plural)
}


@dataclass(frozen=True, slots=True)
class Named:
    """One object, as a person named it."""

    resource: Resource
    name: str

    @property
    def workload(self) -> WorkloadKind | None:
        """The kind of workload, if it is one: then every policy that has it as its target is meant."""
        return next((kind for kind, resource in WORKLOADS.items() if resource == self.resource), None)

    def __str__(self) -> str:
        return f"{short_of(self.resource)}/{self.name}"


def named(text: str, default: Resource = HEALTH_POLICIES, allowed: Iterable[Resource] = _TYPES.values()) -> Named:
    """What a person means. Raises CannotBeAsked, with the types that there are."""
    kind, slash, name = text.partition("/")
    if not slash:
        return Named(default, text)
    resource, served = _TYPES.get(kind.lower()), list(dict.fromkeys(allowed))
    if resource not in served or not name:
        known = ", ".join(f"{short_of(one)}/NAME" for one in served)
        raise CannotBeAsked(f'"{text}" names nothing', [("expected", f"NAME, or one of {known}")])
    return Named(resource, name)


def short_of(resource: Resource) -> str:
    """As tables and commands write a kind: `deploy`."""
    return next((short for short, (_, one) in _SHORT.items() if one == resource), resource.plural)


def resembling(name: str, there: Iterable[str]) -> list[str]:
    """Up to three names that somebody may have meant."""
    return get_close_matches(name, sorted(there), n=3, cutoff=0.6)
