"""Which PodDisruptionBudgets keep a target's pods from going: as the eviction API decides, pod by pod.

A rolling restart asks no budget; whether it is right to take a pod away nevertheless is the same question. Pods that
are not ready anyway may go where the budget says so. `tests/contract/test_arithmetic.py` asks the real API server.
"""

from collections.abc import Iterable, Sequence

from salus.core.objects.pods import is_going, is_ready
from salus.core.objects.selectors import selector_from, selects
from salus.model.scalars import Body
from salus.model.values.objects import Disruption

_MOST_DISRUPTED = 2000
"""Evictions under way that its controller has not seen the end of; beyond that none is allowed."""


def disruptions_from(bodies: Iterable[Body], pods: Sequence[Body]) -> tuple[Disruption, ...]:
    """The budgets that have a say over one of these pods, and what they say. Raises ValueError for an odd selector."""
    budgets = [(body, selector_from(body["spec"].get("selector"))) for body in bodies]
    found: dict[str, Disruption] = {}
    for pod in pods:
        labels = pod["metadata"].get("labels") or {}
        mine = [body for body, selector in budgets if selects(selector, labels)]
        if mine and not _may_go_anyway(pod, mine):
            said = _disruption(mine)
            found.setdefault(f"{said.name}/{said.beside}", said)
    return tuple(found.values())


def _may_go_anyway(pod: Body, budgets: Sequence[Body]) -> bool:
    """It serves nobody, and no budget counts it; or the only budget lets what is not ready go."""
    if is_going(pod) or (pod.get("status") or {}).get("phase") == "Pending":
        return True
    if len(budgets) > 1 or is_ready(pod):
        return False
    (budget,) = budgets
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    return bool(healthy >= desired > 0)


def _disruption(budgets: Sequence[Body]) -> Disruption:
    first = budgets[0]
    status, metadata = first.get("status") or {}, first["metadata"]
    if len(budgets) > 1:
        return Disruption(metadata["name"], 0, budgets[1]["metadata"]["name"])
    current = status.get("observedGeneration", 0) >= metadata.get("generation", 0)
    allowed = 0 if len(status.get("disruptedPods") or {}) > _MOST_DISRUPTED else status.get("disruptionsAllowed")
    return Disruption(metadata["name"], allowed if current else None)
