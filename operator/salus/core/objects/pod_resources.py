"""What a pod asks for once it is let in: as admission fills it in, and as the scheduler and quotas sum it.

`PodRequests` and `PodLimits` of k8s.io/component-helpers, the defaults of the API server and the LimitRanger, and the
quality of service are told again here; `tests/contract/test_arithmetic.py` holds them to the real API server.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from salus.model.scalars import Body, quote

_QUANTITY = re.compile(r"^([+-]?[0-9]+(?:\.[0-9]*)?|[+-]?\.[0-9]+)(?:([eE][+-]?[0-9]{1,3})|([KMGTPE]i|[numkMGTPE]))?$")
_LONGEST_QUANTITY = 64
"""Characters; with an exponent of three digits at most, no number of it fills the memory when it is written out."""
_DECIMAL_SUFFIXES = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_SUFFIXES = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_COMPUTE = ("cpu", "memory")
HUGE_PAGES = "hugepages-"

Amounts = Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Asked:
    """Requests and limits, of a container or of a pod, by resource."""

    name: str
    requests: Amounts
    limits: Amounts
    stays: bool = True
    """It runs as long as the pod does: no init container, or one that is a sidecar."""


@dataclass(frozen=True, slots=True)
class PodResources:
    """What a pod asks for, as a whole and by container."""

    pod: Asked
    """Without the overhead: as the LimitRanger sums."""
    overhead: Amounts
    containers: tuple[Asked, ...]
    as_a_pod: bool = False
    """It says something for all containers together (`spec.resources`)."""

    @property
    def requests(self) -> Amounts:
        """As the scheduler and quotas count."""
        return _sum(self.pod.requests, self.overhead)

    @property
    def limits(self) -> Amounts:
        """The same; an overhead is added to what is limited, and limits nothing itself."""
        limited = {name: amount for name, amount in self.overhead.items() if self.pod.limits.get(name)}
        return _sum(self.pod.limits, limited)

    @property
    def best_effort(self) -> bool:
        """Whether nothing of processor and memory is asked for, so that the pod is the first to go."""
        asked = (self.pod,) if self.as_a_pod else self.containers
        return not any(
            amounts.get(name) for one in asked for amounts in (one.requests, one.limits) for name in _COMPUTE
        )


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


def plain(number: Decimal) -> str:
    """A number as people write it."""
    return f"{number.normalize():f}"


def resources_of(spec: Body, limit_ranges: Sequence[Body]) -> PodResources:
    """What a pod of this spec asks for in a namespace with these LimitRanges. Raises ValueError for odd quantities."""
    defaults = _defaults(limit_ranges)
    containers = (
        *(_container(one, defaults, stays=True) for one in spec.get("containers") or ()),
        *(_container(one, defaults, stays=_is_sidecar(one)) for one in spec.get("initContainers") or ()),
    )
    running = len(spec.get("containers") or ())
    requests = _together(containers[:running], containers[running:], "requests")
    limits = _together(containers[:running], containers[running:], "limits")
    written = spec.get("resources") or {}
    own_requests, own_limits = _of_a_pod(written.get("requests")), _of_a_pod(written.get("limits"))
    unsaid = {name: limit for name, limit in own_limits.items() if name not in own_requests}
    implied = {name: requests.get(name, limit) if name in _COMPUTE else limit for name, limit in unsaid.items()}
    return PodResources(
        Asked("", {**requests, **implied, **own_requests}, {**limits, **own_limits}),
        _amounts(spec.get("overhead")),
        containers,
        as_a_pod=bool(own_requests or own_limits),
    )


def refused_by(limit_ranges: Sequence[Body], template: Body) -> str:
    """Which bound of a LimitRange a pod breaks, or where it makes a request larger than its limit; else nothing.

    The latter happens to a container that says the one, and is given the other. Raises ValueError for odd quantities.
    """
    asked = resources_of(template.get("spec") or {}, limit_ranges)
    found = (*_too_large(asked.containers), *(text for body in limit_ranges for text in _beyond(body, asked)))
    return next(iter(found), "")


def _is_sidecar(container: Body) -> bool:
    return container.get("restartPolicy") == "Always"


def _amounts(written: Mapping[str, Any] | None) -> dict[str, Decimal]:
    return {name: quantity(text) for name, text in (written or {}).items()}


def _of_a_pod(written: Mapping[str, Any] | None) -> dict[str, Decimal]:
    """What may be said for a pod as a whole."""
    amounts = _amounts(written)
    return {name: amounts[name] for name in amounts if name in _COMPUTE or name.startswith(HUGE_PAGES)}


def _defaults(limit_ranges: Sequence[Body]) -> tuple[Amounts, Amounts]:
    """Requests and limits that a container is given which says none.

    Within a LimitRange the last one counts. Of several LimitRanges nobody knows which comes first: the largest.
    """
    requests: dict[str, Decimal] = {}
    limits: dict[str, Decimal] = {}
    for body in limit_ranges:
        own = [item for item in body["spec"].get("limits") or () if item.get("type") == "Container"]
        for found, key in ((requests, "defaultRequest"), (limits, "default")):
            given = {name: text for item in own for name, text in (item.get(key) or {}).items()}
            found.update(_most(found, _amounts(given)))
    return requests, limits


def _container(container: Body, defaults: tuple[Amounts, Amounts], *, stays: bool) -> Asked:
    """A request that is not written is the limit that is, before any default."""
    written = container.get("resources") or {}
    limits = _amounts(written.get("limits"))
    requests = {**limits, **_amounts(written.get("requests"))}
    return Asked(container.get("name", ""), {**defaults[0], **requests}, {**defaults[1], **limits}, stays)


def _together(running: Sequence[Asked], starting: Sequence[Asked], sort: str) -> Amounts:
    """All that run together, or the largest moment of the start, when a container runs beside earlier sidecars."""
    total: Amounts = {}
    for one in running:
        total = _sum(total, getattr(one, sort))
    sidecars: Amounts = {}
    largest: Amounts = {}
    for one in starting:
        with_it = _sum(sidecars, getattr(one, sort))
        if one.stays:
            total, sidecars = _sum(total, getattr(one, sort)), with_it
        largest = _most(largest, with_it)
    return _most(total, largest)


def _sum(one: Amounts, other: Amounts) -> Amounts:
    return {name: one.get(name, Decimal(0)) + other.get(name, Decimal(0)) for name in {**one, **other}}


def _most(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(amounts[name] for amounts in (one, other) if name in amounts) for name in {**one, **other}}


def _too_large(containers: Iterable[Asked]) -> Iterator[str]:
    for one in containers:
        for name, limit in one.limits.items():
            if one.requests.get(name, limit) > limit:
                asked = f"container {one.name} asks for {plain(one.requests[name])} of {name}"
                yield f"{asked}, which is more than its limit of {plain(limit)}"


def _beyond(body: Body, asked: PodResources) -> Iterator[str]:
    """As the LimitRanger has it: a bound is broken as well by what is not said."""
    whose = {"Container": [(f"container {one.name}", one) for one in asked.containers], "Pod": [("a pod", asked.pod)]}
    for item in body["spec"].get("limits") or ():
        for who, one in whose.get(item.get("type", ""), ()):
            for text in (*_below_min(item, one), *_above_max(item, one), *_above_ratio(item, one)):
                yield f"LimitRange/{body['metadata']['name']}: {who} {text}"


def _below_min(item: Body, one: Asked) -> Iterator[str]:
    for name, least in _amounts(item.get("min")).items():
        said = [amounts[name] for amounts in (one.requests, one.limits) if name in amounts]
        if name not in one.requests:
            yield f"has to ask for at least {plain(least)} of {name}, and does not say"
        elif min(said) < least:
            yield f"has to ask for at least {plain(least)} of {name}, not {plain(min(said))}"


def _above_max(item: Body, one: Asked) -> Iterator[str]:
    for name, most in _amounts(item.get("max")).items():
        said = [amounts[name] for amounts in (one.requests, one.limits) if name in amounts]
        if name not in one.limits:
            yield f"has to be limited to {plain(most)} of {name}, and has no limit"
        elif max(said) > most:
            yield f"may have at most {plain(most)} of {name}, not {plain(max(said))}"


def _above_ratio(item: Body, one: Asked) -> Iterator[str]:
    for name, most in _amounts(item.get("maxLimitRequestRatio")).items():
        request, limit = one.requests.get(name), one.limits.get(name)
        if not request or not limit:
            yield f"has to have a request and a limit of {name}, at most {plain(most)} times apart"
        elif limit / request > most:
            yield f"has a limit of {name} that is more than {plain(most)} times its request"
