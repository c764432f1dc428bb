"""What Git holds is changed in Git."""

from dataclasses import replace

from salus.core.objects.workloads import short
from salus.model.change import ManagedBy
from tests.builders import a_workload
from tests.unit.guards.rows import ARGO, GOOD, RESTART, ROLLBACK, SCALE, USUAL, Row

FLUX = ManagedBy(tool="Flux", ref="Kustomization flux-system/shop")
HELM = ManagedBy(tool="Helm", ref="shop/checkout")
KUBECTL = ManagedBy(tool="kubectl", ref="apply")
RELEASE = a_workload().release

OBJECTS = [
    Row(
        "Argo CD holds the template",
        "GitOpsOwnsField",
        ROLLBACK,
        says=f"ArgoCD (shop) holds spec.template; in Git, revert the pod template to release {short(GOOD.hash)}, "
        f"known healthy (live is {short(RELEASE)})",
        seen=replace(USUAL, managed_by=ARGO),
    ),
    Row(
        "Flux holds the template",
        "GitOpsOwnsField",
        ROLLBACK,
        says="Flux (Kustomization flux-system/shop) holds spec.template; in Git, revert the pod template to release "
        f"{short(GOOD.hash)}, known healthy (live is {short(RELEASE)})",
        seen=replace(USUAL, managed_by=FLUX),
    ),
    Row(
        "Git holds the replicas",
        "GitOpsOwnsField",
        SCALE,
        says="ArgoCD (shop) holds spec.replicas; in Git, set spec.replicas from 3 to 5; or, so that Salus may scale, "
        "give Application shop ignoreDifferences with the jsonPointer /spec/replicas and the sync option "
        "RespectIgnoreDifferences=true (both: without the option a sync still writes them)",
        seen=replace(USUAL, managed_by=ARGO, git_holds_replicas=True),
    ),
]

PASSES = [
    Row("Git does not hold restartedAt", "GitOpsOwnsField", RESTART, seen=replace(USUAL, managed_by=ARGO)),
    Row("Git leaves the replicas out", "GitOpsOwnsField", SCALE, seen=replace(USUAL, managed_by=ARGO)),
    Row("Helm does not come back by itself", "GitOpsOwnsField", ROLLBACK, seen=replace(USUAL, managed_by=HELM)),
    Row("nobody manages the target", "GitOpsOwnsField", ROLLBACK),
    Row(
        "nobody runs kubectl apply again by itself",
        "GitOpsOwnsField",
        SCALE,
        seen=replace(USUAL, managed_by=KUBECTL, git_holds_replicas=True),
    ),
    Row(
        "the policy says that Git is to be ignored",
        "GitOpsOwnsField",
        ROLLBACK,
        spec={"gitOps": "Ignore"},
        seen=replace(USUAL, managed_by=ARGO),
    ),
]
