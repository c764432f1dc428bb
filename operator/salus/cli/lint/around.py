"""What the cluster holds of a policy's targets, as far as the person may see it."""

from collections.abc import Iterable, Sequence

from salus.cli.lint.rule import Around
from salus.cli.person import Person
from salus.core.objects.autoscalers import autoscalers_of, in_charge
from salus.core.objects.selectors import selector_from, selects
from salus.core.objects.workloads import workload_from
from salus.model.scalars import Body
from salus.model.values.keys import PolicyKey, TargetKey
from salus.model.values.objects import Workload
from salus.model.values.policies import Policy
from salus.ports import DISRUPTION_BUDGETS, HEALTH_POLICIES, SCALERS, WORKLOADS, right

AROUND = frozenset(right("list", kind) for kind in (*WORKLOADS.values(), *SCALERS.values(), DISRUPTION_BUDGETS))
"""What it takes to see all of it, beside `list` on healthpolicies."""
MOST_TARGETS = 3
"""Of a policy by labels, that answers and rights are asked for."""


class Neighbourhood:
    """What lies in the namespaces of the policies that are linted; each list is read once."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self._lists: dict[tuple[str, str], list[Body]] = {}

    async def of(self, policy: Policy, beside: Sequence[tuple[PolicyKey, TargetKey]]) -> tuple[Around, ...]:
        """Each target of a policy; `beside`: the targets of the others that are linted."""
        target, namespace = policy.spec.target, policy.key.namespace
        resource = WORKLOADS[target.kind]
        bodies = await self._objects(resource.plural, namespace)
        if not bodies and any(one.what == resource.plural for one in self._person.not_looked_at):
            return (Around(TargetKey(namespace, target.kind, target.name)),) if target.name else ()
        if target.name is not None:
            chosen = [body for body in bodies if body["metadata"]["name"] == target.name]
            if not chosen:
                return (Around(TargetKey(namespace, target.kind, target.name), is_there=False),)
        else:
            wanted = dict(target.selector.match_labels) if target.selector else {}
            chosen = [body for body in bodies if wanted.items() <= (body["metadata"].get("labels") or {}).items()]
        typed = [{"apiVersion": resource.api_version, "kind": resource.kind, **body} for body in chosen]
        return tuple([await self._around(body, policy, beside) for body in typed])

    async def _around(self, body: Body, policy: Policy, beside: Sequence[tuple[PolicyKey, TargetKey]]) -> Around:
        namespace = policy.key.namespace
        key = TargetKey(namespace, policy.spec.target.kind, body["metadata"]["name"])
        scalers = [one for kind in SCALERS.values() for one in await self._typed(kind.plural, namespace)]
        budgets = await self._objects(DISRUPTION_BUDGETS.plural, namespace)
        policies = await self._objects(HEALTH_POLICIES.plural, namespace)
        rivals = {str(other.name) for other, target in beside if target == key and other != policy.key}
        rivals |= {one["metadata"]["name"] for one in policies if _speaks_of(one, key)} - {policy.key.name}
        try:
            return Around(
                target=key,
                workload=_workload(body),
                body=body,
                autoscalers=in_charge(autoscalers_of(key, scalers)),
                budgets=tuple(never_let_go(budgets, body)),
                rivals=tuple(sorted(rivals)),
            )
        except ValueError:  # an object that the API server would not have taken
            return Around(target=key, body=body, rivals=tuple(sorted(rivals)))

    async def _typed(self, plural: str, namespace: str) -> list[Body]:
        kind = next(kind for kind in SCALERS.values() if kind.plural == plural)
        bodies = await self._objects(plural, namespace)
        return [{"apiVersion": kind.api_version, "kind": kind.kind, **body} for body in bodies]

    async def _objects(self, plural: str, namespace: str) -> list[Body]:
        key = plural, namespace
        if key not in self._lists:
            kinds = (*WORKLOADS.values(), *SCALERS.values(), DISRUPTION_BUDGETS, HEALTH_POLICIES)
            resource = next(kind for kind in kinds if kind.plural == plural)
            self._lists[key] = await self._person.around(resource, namespace)
        return self._lists[key]


def _workload(body: Body) -> Workload | None:
    try:
        return workload_from(body)
    except ValueError:
        return None


def _speaks_of(policy: Body, key: TargetKey) -> bool:
    target = (policy.get("spec") or {}).get("target") or {}
    return (target.get("kind"), target.get("name")) == (key.kind.value, key.name)


def never_let_go(budgets: Iterable[Body], workload: Body) -> Iterable[str]:
    """Budgets over the workload's pods that allow no disruption even when all is well."""
    labels = ((workload["spec"].get("template") or {}).get("metadata") or {}).get("labels") or {}
    for body in budgets:
        status = body.get("status") or {}
        strict = status.get("desiredHealthy", 0) >= status.get("expectedPods", 0) > 0
        if strict and selects(selector_from(body["spec"].get("selector")), labels):
            yield str(body["metadata"]["name"])
