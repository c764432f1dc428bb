"""What quotas leave for more pods of a target, and whether a pod that goes comes back: as their admission counts.

The objects are read into values here; whether there is enough is for the guards to say.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from salus.core.objects.pod_resources import HUGE_PAGES, PodResources, plain, quantity, resources_of
from salus.core.objects.selectors import holds, requirement_from
from salus.core.objects.turnover import NOTHING_GOES, Turnover
from salus.model.scalars import Body
from salus.model.values.objects import Headroom, Quota

_MUST_BE_SAID = frozenset(
    {"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"},
)
"""What every container has to say where a quota counts it; other resources are counted where they are said."""
_PER_POD = frozenset({"pods", "count/pods"})
_PRIORITY = "PriorityClass"


def headroom_from(
    quotas: Iterable[Body],
    limit_ranges: Sequence[Body],
    template: Body,
    pods: Sequence[Body] = (),
    swap: Turnover = NOTHING_GOES,
) -> Headroom:
    """What quotas leave free, and what a pod of this template takes. Raises ValueError for what nobody can read.

    `pods`: some that are there. What the cluster gives each pod whose template says nothing is seen on them. `swap`:
    those that go for the new ones, and give back what they take.
    """
    spec = as_admitted(template.get("spec") or {}, pods)
    asked = resources_of(spec, limit_ranges)
    going = [(each, resources_of(each, ())) for each in (pod.get("spec") or {} for pod in swap.goes)]
    counted = tuple(_quota(body, asked, going) for body in quotas if _counts(body, spec, asked))
    return Headroom(counted, usage(asked), swap.comes, swap.first)


def as_admitted(spec: Body, pods: Sequence[Body]) -> Body:
    """With the priority class that is the cluster's default, and the overhead of the runtime class."""
    one: Body = next((pod["spec"] for pod in pods if pod.get("spec")), {})
    same = one.get("runtimeClassName") == spec.get("runtimeClassName")
    keys = ("priorityClassName", "overhead") if same else ("priorityClassName",)
    given = {key: one[key] for key in keys if one.get(key)}
    return {**given, **{key: value for key, value in spec.items() if value is not None}}


def usage(asked: PodResources) -> Mapping[str, Decimal]:
    """What a pod takes of quotas, by all the names that they know it by."""
    used = dict.fromkeys(_PER_POD, Decimal(1))
    for name, amount in asked.requests.items():
        if name in {"cpu", "memory", "ephemeral-storage"} or name.startswith(HUGE_PAGES):
            used[name] = used[f"requests.{name}"] = amount
        elif _is_extended(name):
            used[f"requests.{name}"] = amount
    limits = asked.limits
    return used | {f"limits.{n}": limits[n] for n in ("cpu", "memory", "ephemeral-storage") if n in limits}


def shortfall(headroom: Headroom, more: int) -> str | None:
    """Why so many more pods would not fit; None when they would."""
    for quota in headroom.quotas:
        if quota.unsaid:
            return _unsaid(quota)
        for name, free in quota.free.items():
            wanted = _wanted(headroom, name) * more
            if wanted > max(free, Decimal(0)):
                return _too_little(quota, name, more, wanted)
    return None


def no_way_back(headroom: Headroom) -> str | None:
    """Why pods that take the place of others would not all come; None when they would.

    They come one after the other. What goes gives its share back, and beyond those that may go first, one more goes
    for each that is there. Those that take most are taken to go first: what is refused cannot come in any order.
    """
    for quota in headroom.quotas:
        if quota.unsaid and headroom.comes:
            return _unsaid(quota)
        for name in quota.free:
            if refused := _refused_on_its_way(headroom, quota, name):
                return refused
    return None


def _refused_on_its_way(headroom: Headroom, quota: Quota, name: str) -> str | None:
    wanted, free, first = _wanted(headroom, name), quota.free[name], headroom.goes_first
    given_back = sorted((pod.get(name, Decimal(0)) for pod in quota.given_back), reverse=True)
    for number in range(1, headroom.comes + 1 if wanted else 1):
        back = sum(given_back[: first + number - 1], Decimal(0))
        if free + back >= wanted * number:
            continue
        if free < 0:
            return f"ResourceQuota/{quota.name} is overdrawn by {plain(-free)} of {name}: what goes does not come back"
        beside = f"what goes before gives back {plain(back)}" if back else "none goes before it is there"
        return f"{_too_little(quota, name, number, wanted * number)}, and {beside}"
    return None


def _wanted(headroom: Headroom, name: str) -> Decimal:
    return headroom.pod.get(name, Decimal(name in _PER_POD))


def _unsaid(quota: Quota) -> str:
    return f"ResourceQuota/{quota.name} counts {quota.unsaid}, and the pods do not say theirs"


def _too_little(quota: Quota, name: str, more: int, wanted: Decimal) -> str:
    free = plain(max(quota.free[name], Decimal(0)))
    if name in _PER_POD:
        return f"ResourceQuota/{quota.name} leaves room for {free} pods, {more} more are wanted"
    return f"ResourceQuota/{quota.name} leaves {free} of {name}, {more} more pods want {plain(wanted)}"


def _is_extended(name: str) -> bool:
    """Such as nvidia.com/gpu; what has no domain, or Kubernetes' own, is not."""
    return "/" in name and ("kubernetes.io/" not in name or name.startswith("deviceclass.resource.kubernetes.io/"))


def _quota(body: Body, asked: PodResources, going: Sequence[tuple[Body, PodResources]]) -> Quota:
    """Only what a pod takes; a quota that its controller has not counted yet lets nothing in, and tells nothing."""
    name, status = body["metadata"]["name"], body.get("status") or {}
    hard, used = status.get("hard"), status.get("used") or {}
    if hard is None and body["spec"].get("hard"):
        raise ValueError(f"ResourceQuota/{name} is not counted yet")
    counted = [key for key in hard or {} if key in _MUST_BE_SAID or _is_taken_by_pods(key)]
    if uncounted := [key for key in counted if key not in used]:
        raise ValueError(f"ResourceQuota/{name} is not counted yet: {uncounted[0]}")
    free = {key: quantity((hard or {})[key]) - quantity(used[key]) for key in counted}
    unsaid = () if asked.as_a_pod else (key for key in free if key in _MUST_BE_SAID and not _is_said(key, asked))
    given_back = tuple(usage(resources) for spec, resources in going if _counts(body, spec, resources))
    return Quota(name, free, next(iter(unsaid), ""), given_back)


def _is_taken_by_pods(name: str) -> bool:
    bare = name.removeprefix("requests.").removeprefix("limits.")
    if bare == "ephemeral-storage" or bare.startswith(HUGE_PAGES) or name in _PER_POD:
        return True
    return name.startswith("requests.") and _is_extended(bare)


def _is_said(name: str, asked: PodResources) -> bool:
    """By every container, those that only start the pod too."""
    resource = name.removeprefix("requests.").removeprefix("limits.")
    limits = name.startswith("limits.")
    return all(resource in (one.limits if limits else one.requests) for one in asked.containers)


# --- scopes: which pods a quota counts


def _counts(body: Body, spec: Body, asked: PodResources) -> bool:
    """Whether a quota counts pods of this spec: all of its scopes have to hold. Raises ValueError for a strange one."""
    return all(_in_scope(scope, spec, asked) for scope in _scopes(body["spec"]))


def _scopes(spec: Body) -> Iterator[Mapping[str, Any]]:
    yield from ({"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ())
    yield from (spec.get("scopeSelector") or {}).get("matchExpressions") or ()


def _in_scope(scope: Mapping[str, Any], spec: Body, asked: PodResources) -> bool:
    return _SCOPES.get(scope["scopeName"], _in_none)(scope, spec, asked)


def _in_none(*_: object) -> bool:
    return False


def _has_priority(scope: Mapping[str, Any], spec: Body, _: PodResources) -> bool:
    priority = spec.get("priorityClassName")
    return holds(requirement_from({**scope, "key": _PRIORITY}), {_PRIORITY: priority} if priority else {})


_Scope = Callable[[Mapping[str, Any], Body, PodResources], bool]
_SCOPES: Mapping[str, _Scope] = {
    "Terminating": lambda _, spec, __: spec.get("activeDeadlineSeconds") is not None,
    "NotTerminating": lambda _, spec, __: spec.get("activeDeadlineSeconds") is None,
    "BestEffort": lambda _, __, asked: asked.best_effort,
    "NotBestEffort": lambda _, __, asked: not asked.best_effort,
    "PriorityClass": _has_priority,
    "CrossNamespacePodAffinity": lambda _, spec, __: any(
        one.get("namespaces") or one.get("namespaceSelector") is not None for one in _affinities(spec)
    ),
}


def _affinities(spec: Body) -> Iterator[Mapping[str, Any]]:
    """Every term that speaks of other pods."""
    for sort in ("podAffinity", "podAntiAffinity"):
        said = (spec.get("affinity") or {}).get(sort) or {}
        terms = said.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        weighted = said.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        yield from (*terms, *(one.get("podAffinityTerm") or {} for one in weighted))
