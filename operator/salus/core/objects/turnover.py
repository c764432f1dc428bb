"""Which pods a rollout takes away, how many come for them, and how many are gone before the first has to be ready.

As the controllers of Kubernetes do it: none takes more pods away than its strategy lets be missing. Pods that are of
the wanted template already stay, as they do when a rollout that is stuck halfway is taken back.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from salus.core.objects.pods import has_ended, is_going
from salus.model.meta import WorkloadKind
from salus.model.scalars import Body


@dataclass(frozen=True, slots=True)
class Turnover:
    """What a new template does to the pods of a workload."""

    comes: int
    goes: Sequence[Body]
    first: int
    """Of those that go, how many go before any other has to be ready."""


NOTHING_GOES = Turnover(0, (), 0)


def turnover(body: Body, replicas: int, pods: Sequence[Body], stays: Callable[[Body], bool]) -> Turnover:
    """What a rollout does to these pods of the workload; `stays`: which of them are of its template already.

    Pods that are being deleted go in any case. Raises ValueError for a strategy that cannot be read.
    """
    ending = [pod for pod in pods if is_going(pod) and not has_ended(pod)]
    there = [pod for pod in pods if not is_going(pod)]
    goes = [pod for pod in there if not stays(pod)]
    spare = len(there) - replicas + goes_first(body, replicas)
    return Turnover(max(0, replicas - len(there) + len(goes)), (*ending, *goes), len(ending) + max(0, spare))


def goes_first(body: Body, replicas: int) -> int:
    """How many of its pods a workload's controller takes away before any other is ready."""
    spec = body.get("spec") or {}
    match body.get("kind"):
        case WorkloadKind.DEPLOYMENT:
            strategy = spec.get("strategy") or {}
            if strategy.get("type") == "Recreate":
                return replicas
            rolling = strategy.get("rollingUpdate") or {}
            surge = _share(rolling.get("maxSurge", "25%"), replicas, up=True)
            return _share(rolling.get("maxUnavailable", "25%"), replicas, up=False) or int(surge == 0)
        case WorkloadKind.DAEMON_SET:
            rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
            surge = _share(rolling.get("maxSurge", 0), replicas, up=True)
            return 0 if surge else _share(rolling.get("maxUnavailable", 1), replicas, up=True) or 1
        case _:
            return 1


def _share(written: object, of: int, *, up: bool) -> int:
    """A number, or a part of all pods. Raises ValueError for what is neither."""
    text = str(written)
    if not text.endswith("%"):
        return int(text)
    part = of * int(text.removesuffix("%")) / 100
    return math.ceil(part) if up else math.floor(part)
