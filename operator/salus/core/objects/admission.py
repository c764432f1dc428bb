"""Whether a namespace lets pods of a template in: of the live one, and of those that may come back.

What each of its rules says is told in `pod_security`, `pod_resources` and `capacity`; here they are put together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from salus.core.objects.capacity import headroom_from, no_way_back
from salus.core.objects.pod_resources import refused_by
from salus.core.objects.pod_security import forbidden_by
from salus.core.objects.turnover import Turnover
from salus.model.scalars import Body
from salus.model.values.objects import Admission, Headroom


@dataclass(frozen=True, slots=True)
class Rules:
    """What rules over new pods of a namespace; None of each where it could not be read."""

    labels: Mapping[str, str] | None
    """Of the namespace itself."""
    limit_ranges: Sequence[Body] | None
    quotas: Sequence[Body] | None


def refusal(rules: Rules, template: Body) -> str | None:
    """Why no pod of this template is let in, beside quotas; None when that cannot be told.

    Raises ValueError for what nobody can read.
    """
    if rules.labels is None or rules.limit_ranges is None:
        return None
    return forbidden_by(rules.labels, template) or refused_by(rules.limit_ranges, template)


def headroom(rules: Rules, template: Body, pods: Sequence[Body], swap: Turnover) -> Headroom | None:
    """What pods of this template find that come for others; None when that cannot be told. Raises ValueError."""
    if rules.quotas is None or rules.limit_ranges is None:
        return None
    return headroom_from(rules.quotas, rules.limit_ranges, template, pods, swap)


def needs_new_pods(admission: Admission) -> bool:
    """Whether pods of the template have to be made at all; where nobody can tell, they have."""
    return admission.headroom is None or admission.headroom.comes > 0


def kept_out(admission: Admission) -> str:
    """Why the pods of a template that comes back would not all come; empty: they would, or nobody can tell."""
    if not needs_new_pods(admission):
        return ""
    return admission.refused or (no_way_back(admission.headroom) if admission.headroom else None) or ""
