"""Which objects are a workload's: by its label selector, as Kubernetes reads one, and by who controls them.

Labels alone do not tell: two workloads may select the same pods, and each leaves those of the other alone, since a
pod names its controller. So what labels have found is always asked for that as well.
"""

from collections.abc import Iterable, Mapping, Set
from typing import Any

from salus.model.scalars import Body, quote
from salus.model.values.objects import Requirement, Selector

_OPERATORS = {"In", "NotIn", "Exists", "DoesNotExist"}


def selector_from(written: Mapping[str, Any] | None) -> Selector | None:
    """A LabelSelector with `matchLabels` and `matchExpressions`; None, which selects nothing, where there is none.

    Raises ValueError for an operator that Kubernetes does not know.
    """
    if written is None:
        return None
    exact = [Requirement(key, "In", (value,)) for key, value in (written.get("matchLabels") or {}).items()]
    return Selector((*exact, *(requirement_from(one) for one in written.get("matchExpressions") or ())))


def requirement_from(written: Mapping[str, Any]) -> Requirement:
    """One of `matchExpressions`. Raises ValueError for an operator that Kubernetes does not know."""
    if written["operator"] not in _OPERATORS:
        raise ValueError(f"expected an operator of label selectors, got {quote(written['operator'])}")
    return Requirement(written["key"], written["operator"], tuple(written.get("values") or ()))


def selects(selector: Selector | None, labels: Mapping[str, str]) -> bool:
    """As the API has it: no selector selects nothing, an empty one everything."""
    return selector is not None and all(holds(one, labels) for one in selector.requirements)


def holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    """Whether these labels meet one requirement; what is not there is in no set."""
    match requirement.operator:
        case "In":
            return labels.get(requirement.key) in requirement.values
        case "NotIn":
            return labels.get(requirement.key) not in requirement.values
        case "Exists":
            return requirement.key in labels
        case _:
            return requirement.key not in labels


def of_workload(body: Body) -> Selector:
    """Which pods, and which ReplicaSets or ControllerRevisions, a workload may call its own. Raises ValueError."""
    return selector_from(body["spec"].get("selector")) or Selector()


def controlled_by(bodies: Iterable[Body], uids: Set[str]) -> list[Body]:
    """Those objects that one of these controls; an owner that is no controller only has its things collected."""
    return [body for body in bodies if _controller(body) in uids]


def _controller(body: Body) -> str | None:
    owners = body["metadata"].get("ownerReferences") or ()
    return next((owner.get("uid") for owner in owners if owner.get("controller")), None)
