"""The workload that a policy is written for, and what surrounds it, as far as the person may see it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from salus.cli.contract import CannotBeAsked
from salus.cli.lint.around import never_let_go
from salus.cli.names import named
from salus.cli.person import Person
from salus.core.objects.autoscalers import autoscalers_of, in_charge
from salus.core.objects.selectors import controlled_by, of_workload, selects
from salus.core.objects.workloads import managed_by, workload_from
from salus.core.policy.pod_names import neighbour_kinds, pods, rivals
from salus.core.records.releases import history_from
from salus.model.change import ManagedBy
from salus.model.meta import WorkloadKind
from salus.model.scalars import Body
from salus.model.values.keys import TargetKey
from salus.model.values.objects import Autoscaler, Workload
from salus.ports import (
    CONTROLLER_REVISIONS,
    DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    SCALERS,
    SERVICES,
    WORKLOADS,
    Ref,
    Resource,
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the cluster holds of one workload."""

    key: TargetKey
    body: Body
    workload: Workload
    pods: str
    """The regular expression for the names of its pods, past and present."""
    rivals: Sequence[TargetKey] = ()
    """Workloads whose pods may have names that look like its own."""
    services: Sequence[str] = ()
    """Names of the Services that select its pods."""
    autoscalers: Sequence[Autoscaler] = ()
    budgets: Sequence[str] = ()
    """That never let a pod go."""
    addresses: Sequence[str] = ()
    """Of its pods."""
    releases: Sequence[datetime] = ()
    """When each began."""

    @property
    def owner(self) -> ManagedBy | None:
        """Who holds its desired state."""
        return managed_by(self.body)

    @property
    def most_replicas(self) -> int | None:
        """As its autoscaler has it; None: nobody has said."""
        return min((one.max_replicas for one in self.autoscalers), default=None)


async def workloads_of(person: Person) -> list[TargetKey]:
    """All of the person's namespace that a policy may be written for."""
    found: list[TargetKey] = []
    for kind, resource in WORKLOADS.items():
        for body in await person.around(resource):
            metadata = body["metadata"]
            found.append(TargetKey(metadata["namespace"], kind, metadata["name"]))
    return sorted(found, key=lambda key: (key.name, key.kind))


def workload_named(text: str, namespace: str) -> TargetKey:
    """The workload that a person typed: TYPE/NAME. Raises CannotBeAsked."""
    one = named(text, default=WORKLOADS[WorkloadKind.DEPLOYMENT], allowed=WORKLOADS.values())
    assert one.workload is not None  # noqa: S101 — nothing else is allowed
    return TargetKey(namespace, one.workload, one.name)


async def surroundings(person: Person, key: TargetKey) -> Surroundings:
    """All that is known of a workload. Raises CannotBeAsked."""
    resource, namespace = WORKLOADS[key.kind], key.namespace
    body = await person.get(Ref(resource, namespace, key.name))
    body = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
    try:
        workload = workload_from(body)
        others = rivals(key, await _neighbours(person, key))
        names = pods(key.kind, key.name, others)
    except ValueError as error:  # PodsUnclear is one
        raise CannotBeAsked(f"no policy can be written for {key}", [("why", str(error))]) from error
    there = await person.around(PODS, namespace)
    mine = [pod for pod in there if selects(of_workload(body), pod["metadata"].get("labels") or {})]
    return Surroundings(
        key=key,
        body=body,
        workload=workload,
        pods=names,
        rivals=others,
        services=_selecting(await person.around(SERVICES, namespace), body),
        autoscalers=in_charge(autoscalers_of(key, await _scalers(person, namespace))),
        budgets=tuple(never_let_go(await person.around(DISRUPTION_BUDGETS, namespace), body)),
        addresses=tuple(filter(None, (str((pod.get("status") or {}).get("podIP") or "") for pod in mine))),
        releases=await _releases(person, key, body),
    )


async def _neighbours(person: Person, key: TargetKey) -> list[TargetKey]:
    """Of the kinds whose pods may have names that look like its own."""
    return [
        TargetKey(key.namespace, kind, body["metadata"]["name"])
        for kind in neighbour_kinds(key)
        for body in await person.around(WORKLOADS[kind], key.namespace)
    ]


async def _scalers(person: Person, namespace: str) -> list[Body]:
    found: list[Body] = []
    for resource in SCALERS.values():
        found += [_typed(body, resource) for body in await person.around(resource, namespace)]
    return found


def _typed(body: Body, resource: Resource) -> Body:
    return {"apiVersion": resource.api_version, "kind": resource.kind, **body}


def _selecting(services: Iterable[Body], workload: Body) -> tuple[str, ...]:
    labels = ((workload["spec"].get("template") or {}).get("metadata") or {}).get("labels") or {}
    chosen = (one for one in services if (wanted := one["spec"].get("selector")) and wanted.items() <= labels.items())
    return tuple(sorted(str(one["metadata"]["name"]) for one in chosen))


async def _releases(person: Person, key: TargetKey, body: Body) -> tuple[datetime, ...]:
    kind = REPLICA_SETS if key.kind is WorkloadKind.DEPLOYMENT else CONTROLLER_REVISIONS
    owned = controlled_by(await person.around(kind, key.namespace), {str(body["metadata"]["uid"])})
    return tuple(sorted(one.made_at for one in history_from(owned)))
