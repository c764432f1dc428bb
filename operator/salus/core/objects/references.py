"""What a pod template refers to, and whether that is there: a template whose ConfigMap was pruned starts no pod.

Of each kind that Salus may look at, the names that exist are read; what it may not look at is said, and holds nothing
back. What is in an object is never asked for.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from salus.core.objects.parts import Part, part, parts
from salus.model.scalars import first_few
from salus.model.values.surroundings import Existing

CONFIG_MAP, SECRET, CLAIM = "ConfigMap", "Secret", "PersistentVolumeClaim"
ACCOUNT, PRIORITY = "ServiceAccount", "PriorityClass"
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_NAMED = 5
"""References that a sentence names; one more is counted."""


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """An object that a template names."""

    kind: str
    name: str
    optional: bool = False
    """The pods start without it."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def references_of(template: Part) -> frozenset[Reference]:
    """Everything that the template names, whatever stands in it."""
    spec = part(template, "spec")
    return frozenset(reference for reference in _references(spec) if reference.name)


def needed(template: Part) -> frozenset[Reference]:
    """What the template's pods do not start without. The account `default` is in every namespace."""
    default = Reference(ACCOUNT, "default")
    return frozenset(one for one in references_of(template) if not one.optional and one != default)


def gone(template: Part, existing: Existing) -> tuple[Reference, ...]:
    """What the template needs and is not there."""
    found = ((one, existing.get(one.kind)) for one in needed(template))
    return tuple(sorted(one for one, there in found if there is not None and one.name not in there))


def not_looked_at(template: Part, existing: Existing) -> tuple[Reference, ...]:
    """What the template needs of which nobody could see whether it is there."""
    return tuple(sorted(one for one in needed(template) if one.kind in existing and existing[one.kind] is None))


def listed(references: Iterable[Reference]) -> str:
    """A few of them, as a person would name them."""
    return first_few([f"{one.kind} {one.name[:128]}" for one in references], _NAMED)


def _references(spec: Part) -> Iterator[Reference]:
    for volume in parts(spec, "volumes"):
        yield from _of_volume(volume)
    for container in (one for field in _CONTAINERS for one in parts(spec, field)):
        for source in parts(container, "envFrom"):
            yield from _one(CONFIG_MAP, source, "configMapRef")
            yield from _one(SECRET, source, "secretRef")
        for variable in parts(container, "env"):
            yield from _one(CONFIG_MAP, part(variable, "valueFrom"), "configMapKeyRef")
            yield from _one(SECRET, part(variable, "valueFrom"), "secretKeyRef")
    yield Reference(ACCOUNT, _text(spec, "serviceAccountName") or _text(spec, "serviceAccount"))
    yield Reference(PRIORITY, _text(spec, "priorityClassName"))


def _of_volume(volume: Part) -> Iterator[Reference]:
    yield from _one(CONFIG_MAP, volume, "configMap")
    yield from _one(SECRET, volume, "secret", "secretName")
    yield from _one(CLAIM, volume, "persistentVolumeClaim", "claimName")
    yield from _one(SECRET, part(volume, "csi"), "nodePublishSecretRef")
    for source in parts(part(volume, "projected"), "sources"):
        yield from _one(CONFIG_MAP, source, "configMap")
        yield from _one(SECRET, source, "secret")


def _one(kind: str, holder: Part, field: str, key: str = "name") -> Iterator[Reference]:
    if field in holder:
        named = part(holder, field)
        yield Reference(kind, _text(named, key), named.get("optional") is True)


def _text(holder: Part, key: str) -> str:
    value = holder.get(key)
    return value if isinstance(value, str) else ""
