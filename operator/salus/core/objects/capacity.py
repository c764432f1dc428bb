"""What the namespace has room for: PodDisruptionBudgets over a target's pods, and what quotas leave for more of them.

Reads Kubernetes' objects into values; whether there is enough is for the guards to say.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from salus.core.objects.selectors import selector_from, selects
from salus.model.scalars import Body, quote
from salus.model.values.objects import Disruption, Headroom, Quota

_QUANTITY = re.compile(r"^([+-]?[0-9]+(?:\.[0-9]*)?|[+-]?\.[0-9]+)(?:([eE][+-]?[0-9]{1,3})|([KMGTPE]i|[numkMGTPE]))?$")
_LONGEST_QUANTITY = 64
"""Characters; with an exponent of three digits at most, no number of it fills the memory when it is written out."""
_DECIMAL_SUFFIXES = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_SUFFIXES = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_ALIASES = {"cpu": "requests.cpu", "memory": "requests.memory", "count/pods": "pods"}
_OF_OTHER_PODS = {"Terminating", "BestEffort"}
"""Scopes of quotas that do not count what a workload with requests runs for ever."""


def quantity(text: object) -> Decimal:
    """`100m`, `1.5Gi`, `2e3` → Decimal. Raises ValueError for what is no quantity of Kubernetes."""
    match = _QUANTITY.match(str(text))
    if match is None or len(match[0]) > _LONGEST_QUANTITY:
        raise ValueError(f"expected a quantity such as 100m or 1Gi, got {quote(text)}")
    number, exponent, suffix = match.groups()
    if exponent:
        return Decimal(number + exponent)
    if suffix in _BINARY_SUFFIXES:
        return Decimal(number) * Decimal(1024 ** _BINARY_SUFFIXES[suffix])
    return Decimal(number).scaleb(_DECIMAL_SUFFIXES.get(suffix, 0))


def disruptions_from(bodies: Iterable[Body], template: Body) -> tuple[Disruption, ...]:
    """The PodDisruptionBudgets that select pods of this template. Raises ValueError for one that nobody can read."""
    labels = (template.get("metadata") or {}).get("labels") or {}
    return tuple(_disruption(body) for body in bodies if selects(selector_from(body["spec"].get("selector")), labels))


def headroom_from(quotas: Iterable[Body], limit_ranges: Sequence[Body], template: Body) -> Headroom:
    """What quotas leave free, and what a pod of this template takes. Raises ValueError for what nobody can read."""
    counted = tuple(_quota(body) for body in quotas if not _OF_OTHER_PODS & set(body["spec"].get("scopes") or ()))
    return Headroom(counted, _pod(template.get("spec") or {}, _defaults(limit_ranges)))


def shortfall(headroom: Headroom, more: int) -> str | None:
    """Why so many more pods would not fit; None when they would."""
    for quota in headroom.quotas:
        for name, free in quota.free.items():
            if name == "pods" and free < more:
                return f"ResourceQuota/{quota.name} leaves room for {_plain(free)} pods, {more} more are wanted"
            if name.startswith(("requests.", "limits.")) and name not in headroom.pod:
                return f"ResourceQuota/{quota.name} counts {name}, and the pods do not say theirs"
            wanted = headroom.pod.get(name, Decimal(0)) * more
            if name != "pods" and wanted > free:
                left = f"ResourceQuota/{quota.name} leaves {_plain(free)} of {name}"
                return f"{left}, {more} more pods want {_plain(wanted)}"
    return None


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _disruption(body: Body) -> Disruption:
    status, metadata = body.get("status") or {}, body["metadata"]
    current = status.get("observedGeneration", 0) >= metadata.get("generation", 0)
    return Disruption(metadata["name"], status.get("disruptionsAllowed") if current else None)


def _quota(body: Body) -> Quota:
    """Only what a new pod uses; a quota that its controller has not counted yet cannot be judged by."""
    name, status = body["metadata"]["name"], body.get("status") or {}
    hard, used = status.get("hard"), status.get("used") or {}
    if hard is None and body["spec"].get("hard"):
        raise ValueError(f"ResourceQuota/{name} is not counted yet")
    free: dict[str, Decimal] = {}
    for written, bound in (hard or {}).items():
        resource = _ALIASES.get(written, written)
        if resource in {"pods", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"}:
            left = quantity(bound) - quantity(used.get(written, "0"))
            free[resource] = min(left, free.get(resource, left))
    return Quota(name, free)


def _defaults(limit_ranges: Sequence[Body]) -> dict[str, str]:
    """What a LimitRange adds to a container that says nothing; by the names that quotas use."""
    found: dict[str, str] = {}
    for body in limit_ranges:
        for item in body["spec"].get("limits") or ():
            if item.get("type") == "Container":
                found.update({f"limits.{key}": value for key, value in (item.get("default") or {}).items()})
                found.update({f"requests.{key}": value for key, value in (item.get("defaultRequest") or {}).items()})
    return found


def _pod(spec: Body, defaults: Mapping[str, str]) -> dict[str, Decimal]:
    """Containers and sidecars together, or the largest init container where that is more, and the overhead."""
    init = spec.get("initContainers") or ()
    staying = [*(spec.get("containers") or ()), *(c for c in init if c.get("restartPolicy") == "Always")]
    passing = [c for c in init if c.get("restartPolicy") != "Always"]
    pod: dict[str, Decimal] = {}
    for name in ("requests.cpu", "requests.memory", "limits.cpu", "limits.memory"):
        together = [_of_container(container, name, defaults) for container in staying]
        if None in together:
            continue
        alone = [_of_container(container, name, defaults) or Decimal(0) for container in passing]
        overhead = (spec.get("overhead") or {}).get(name.partition(".")[2], "0")
        pod[name] = max(sum(filter(None, together), Decimal(0)), *alone, Decimal(0)) + quantity(overhead)
    return pod


def _of_container(container: Body, name: str, defaults: Mapping[str, str]) -> Decimal | None:
    """A request that is not written is the limit that is, before any default."""
    sort, _, resource = name.partition(".")
    written = container.get("resources") or {}
    own = (written.get(sort) or {}).get(resource)
    if own is None and sort == "requests":
        own = (written.get("limits") or {}).get(resource)
    found = own if own is not None else defaults.get(name)
    return None if found is None else quantity(found)
