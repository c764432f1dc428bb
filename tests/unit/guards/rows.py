"""A row about a guard, and what rows of several families speak of."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from salus.core.guards.chain import GUARDS, review
from salus.model.change import ActionKind, Facts, ManagedBy
from salus.model.meta import AutoscalerKind
from salus.model.values.changes import Refusal
from salus.model.values.keys import ScalerKey
from salus.model.values.objects import Autoscaler
from salus.model.values.observation import Observation
from salus.model.values.permissions import Permissions
from tests.builders import (
    a_finished_change,
    a_policy,
    a_release,
    a_template,
    a_workload,
    ago,
    an_action,
    an_observation,
)

USUAL = an_observation()
RESTART = ActionKind.RESTART
SCALE = ActionKind.SCALE
ROLLBACK = ActionKind.ROLLBACK
NOTIFY = ActionKind.NOTIFY
GOOD = a_release(a_template("shop:v0"))
"""To which a rollback goes."""
HPA = Autoscaler(ScalerKey(AutoscalerKind.HPA, "checkout", "uid-of-hpa"), 2, 10)
KEDA = Autoscaler(ScalerKey(AutoscalerKind.SCALED_OBJECT, "queue", "uid-of-keda"), 0, 9)
ARGO = ManagedBy(tool="ArgoCD", ref="shop")
PAUSED = a_workload(spec={"paused": True})
HALF = a_workload(status={"updatedReplicas": 1})
REHEARSING = {"mode": "Enforce", "remedies": [{"name": "restart", "restart": {}, "mode": "Observe"}]}
LACKING = Permissions("NotPermitted", "shop/healer may not")
OWNED = replace(a_workload(), owner="Shop/checkout")
LIMITS: Mapping[str, Any] = {"limits": {"cooldown": "5m", "maxActions": 2, "per": "1h"}}


def facts(**fields: Any) -> Facts:  # noqa: ANN401 — the dataclass knows the types
    return a_workload().facts().model_copy(update=fields)


GROWN = a_finished_change(1, action=SCALE, done=ago(600), before=facts(replicas=3), intended=facts(replicas=5))


@dataclass(frozen=True, slots=True)
class Row:
    """One guard, asked alone about one case."""

    case: str
    """A sentence: what is special about it."""
    reason: str
    """Names the guard."""
    kind: ActionKind
    """Of the action that it is asked for."""
    says: str = ""
    """The objection, or why it cannot be judged; empty: none."""
    spec: Mapping[str, Any] = field(default_factory=dict)
    """Of the policy, as YAML has it."""
    undoes: str = ""
    """The change that the action takes back."""
    seen: Observation = USUAL

    def asked(self) -> Refusal | None:
        """What the guard says."""
        guards = [guard for guard in GUARDS if guard.reason == self.reason]
        assert guards, f"there is no guard {self.reason}"
        wanted = {SCALE: a_workload().facts(replicas=5), ROLLBACK: a_workload().facts(release=GOOD.named)}
        intended = wanted.get(self.kind, a_workload().facts())
        action = an_action(self.kind, undoes=self.undoes, intended=intended)
        return review(a_policy(**self.spec), action, self.seen, guards)
