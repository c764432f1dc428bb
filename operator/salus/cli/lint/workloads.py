"""The rules that need the cluster: what there is of a target, who else speaks of it, and who acts on it."""

from collections.abc import Iterator

from salus.cli.lint.rule import Around, Linted
from salus.core.actions import kind_of
from salus.core.actions.kind import Kind
from salus.core.actions.patch import keeps_old_pods
from salus.core.objects.ownership import git_holds
from salus.core.objects.workloads import managed_by
from salus.core.policy.compile import closed_sinks, unknown_names
from salus.model.meta import WorkloadKind
from salus.model.policy import GitOps, HealthPolicySpec, Remedy
from salus.model.problems import Problem
from salus.model.values.objects import Workload

_FROM_GIT = frozenset({"ArgoCD", "Flux"})


def targets(linted: Linted) -> Iterator[Problem]:
    """SL403."""
    spec = linted.policy.spec
    for around in linted.around:
        if not around.is_there:
            yield Problem("spec.target", f"there is no {around.target} in namespace {around.target.namespace}")
        for index, remedy in enumerate(spec.remedies):
            for said in _in_the_way(remedy, around, spec):
                yield Problem(f"spec.remedies[{index}]", said)


def _in_the_way(remedy: Remedy, around: Around, spec: HealthPolicySpec) -> Iterator[str]:
    kind = kind_of(remedy)
    if kind.sets_replicas and around.autoscalers:
        names = ", ".join(str(one.key) for one in around.autoscalers)
        yield f"{names} decides how many replicas there are: Salus raises its minimum instead"
    if kind.sets_replicas and not around.autoscalers and _git_holds(around, spec, "replicas"):
        yield f"Git holds spec.replicas of {around.target}: the change is advised, and not made (gitOps: Respect)"
    if kind.replaces_release and _git_holds(around, spec, "template"):
        yield f"Git holds spec.template of {around.target}: the rollback is advised, and not made (gitOps: Respect)"
    if _rolls(kind) and around.budgets:
        yield f"PodDisruptionBudget {', '.join(around.budgets)} never lets a pod go, so that no restart is made"
    if around.workload is not None and _rolls(kind):
        yield from _of_rollouts(kind, around.workload)


def _rolls(kind: Kind) -> bool:
    """Whether it has the pods replaced."""
    return kind.disrupts or kind.replaces_release


def _git_holds(around: Around, spec: HealthPolicySpec, field: str) -> bool:
    """Whether a GitOps tool would put the field back, and the policy lets it have its way."""
    body = around.body
    if body is None or spec.git_ops is not GitOps.RESPECT:
        return False
    owner = managed_by(body)
    return owner is not None and owner.tool in _FROM_GIT and (field != "replicas" or git_holds(body))


def _of_rollouts(kind: Kind, workload: Workload) -> Iterator[str]:
    if kind.replaces_release and workload.history_limit == 0 and workload.key.kind is WorkloadKind.DEPLOYMENT:
        yield f"revisionHistoryLimit of {workload.key} is 0: only what Salus itself has kept can come back"
    if (stays := keeps_old_pods(workload)) is not None:
        yield stays.message


def rights(linted: Linted) -> Iterator[Problem]:
    """SL404."""
    policy, known = linted.policy, linted.operator
    if linted.permissions is not None and linted.permissions.lacks:
        path = "spec.serviceAccountName" if policy.spec.service_account_name else "spec.remedies"
        yield Problem(path, linted.permissions.message)
    if known is not None:
        yield from unknown_names(policy.spec, known)
        yield from closed_sinks(policy.spec, known, policy.key.namespace)


def overlapping(linted: Linted) -> Iterator[Problem]:
    """SL405."""
    for around in linted.around:
        if around.rivals:
            yield Problem(
                "spec.target",
                f"{around.target} is also the target of {', '.join(around.rivals)}: they share its limits",
            )
