"""The chart's admission policies on a devcluster: whose account they name, and in which namespaces they hold.

They hold people and Salus alike to the rules; tests that forge records on purpose need namespaces without them.
"""

import json
import os
import subprocess
import sys
from typing import Any

import yaml

from tools.devcluster.cluster import DevCluster, KubectlError
from tools.devcluster.processes import wait_until
from tools.devcluster.salus import REPOSITORY

FILES = REPOSITORY / "charts" / "salus" / "files"
OPERATOR = "system:serviceaccount:salus-system:salus"
"""Salus' account as the file names it."""
IN_A_POD = "authentication.kubernetes.io/pod-name"
"""What the API server says of a service account whose token the kubelet of a pod got."""
RULED = "admission.salus.dev"
"""Label of the namespaces in which the policies hold."""

_METADATA = {"name": "probe"}
_TARGET = {"kind": "Deployment", "name": "probe"}
_RECORD = {"policyRef": {"name": "probe"}, "targetRef": _TARGET}
_DECIDED = {"decision": "AwaitApproval", "action": "Restart", "reason": "Probe", "message": "probe", "sequence": 1}
_APPROVED = {"digest": "a5e1", "approval": {"decision": "Approved", "by": "probe", "digest": "a5e1"}}
_TIME = "2026-11-22T03:04:05Z"
_KEPT = {"apiVersion": "salus.dev/v1alpha1", "kind": "KeptRelease"}
_KEPT_SPEC = {"format": 1, "targetRef": _TARGET, "release": "0" * 64, "workload": {"spec": {}}, "keptAt": _TIME}
_CHECK = {"name": "probe", "query": "up", "unhealthy": {"below": "1"}}
_FORBIDDEN: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "approvals": (
        ("--as={operator}", "--as-group=system:masters", f"--as-user-extra={IN_A_POD}=probe"),
        {
            "apiVersion": "salus.dev/v1alpha1",
            "kind": "ChangeEvent",
            "spec": {**_RECORD, **_DECIDED, **_APPROVED, "decidedAt": _TIME},
        },
    ),
    "records": (
        (),
        {"apiVersion": "salus.dev/v1alpha1", "kind": "Incident", "spec": {**_RECORD, "openedAt": _TIME}},
    ),
    "releases": ((), {**_KEPT, "spec": _KEPT_SPEC}),
    "withdrawals": (
        ("--as={operator}", "--as-group=system:masters", f"--as-user-extra={IN_A_POD}=probe"),
        {**_KEPT, "spec": {**_KEPT_SPEC, "withdrawal": {"by": "probe", "reason": "probe"}}},
    ),
    "revisions": ((), {"apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": 1, "data": {"a": 1}}),
    "authors": (
        ("--as=probe",),
        {
            "apiVersion": "salus.dev/v1alpha1",
            "kind": "HealthPolicy",
            "spec": {"mode": "Enforce", "target": _TARGET, "checks": [_CHECK]},
        },
    ),
}
"""Something that each policy forbids to whoever these options make of the administrator."""
_IN_FORCE: set[tuple[str, str]] = set()
"""API server and suffix of the policies that were seen to hold, each of them; a namespace joins all of them at once."""


def install_admission(cluster: DevCluster, *, operator: str = "salus", suffix: str = "") -> None:
    """Apply the policies, with `operator` as Salus' account, and the roles for people. They hold nowhere yet.

    `suffix`: to the names of policies that stand beside others', for another operator.
    """
    documents = list(yaml.safe_load_all((FILES / "admission.yaml").read_text().replace(OPERATOR, operator)))
    for body in documents:
        body["metadata"]["name"] += suffix
        if body["kind"] == "ValidatingAdmissionPolicyBinding":
            body["spec"]["policyName"] += suffix
            body["spec"]["matchResources"] = {"namespaceSelector": {"matchLabels": {RULED: f"salus{suffix}"}}}
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(documents))
    cluster.kubectl("apply", "-f", str(FILES / "user-roles.yaml"))


def rule(cluster: DevCluster, namespace: str, *, operator: str = "salus", suffix: str = "") -> None:
    """Let the policies hold in this namespace, and wait until all of them do."""
    cluster.kubectl("create", "rolebinding", "probe", "-n", namespace, "--clusterrole=salus-edit", "--user=probe")
    cluster.kubectl("label", "namespace", namespace, f"{RULED}=salus{suffix}")
    in_force = (cluster.url, suffix) in _IN_FORCE
    for policy in ("records",) if in_force else _FORBIDDEN:
        wait_until(
            lambda policy=policy: _holds(cluster, namespace, policy, operator, suffix),  # type: ignore[misc]  # bound now
            timeout=30,
            what=f"{policy}.salus.dev{suffix} holds in {namespace}",
        )
    if not in_force:
        _lent_accounts_are_held(cluster, namespace, suffix)
        _IN_FORCE.add((cluster.url, suffix))


def answer(
    cluster: DevCluster, user: str, verb: str, change: str, namespace: str, *options: str
) -> subprocess.CompletedProcess[str]:
    """`kubectl salus approve` or `deny`, as this user, who is sure."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "salus", verb, change, "-n", namespace, "--yes"),
            *(f"--kubeconfig={cluster.kubeconfig_for(user)}", *options),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "operator")},
    )


def _lent_accounts_are_held(cluster: DevCluster, namespace: str, suffix: str) -> None:
    """What loans.salus.dev forbids is to change something that is there: here, an autoscaler of nothing."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "probe"}
    body = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "probe", "namespace": namespace},
        "spec": {"scaleTargetRef": target, "maxReplicas": 1},
    }
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(body))
    masters = (f"--as=system:serviceaccount:{namespace}:salus-remediator", "--as-group=system:masters")
    widen = (
        "patch",
        "hpa",
        "probe",
        "-n",
        namespace,
        "--dry-run=server",
        "--type=merge",
        '-p={"spec":{"maxReplicas":2}}',
    )

    def held() -> bool:
        try:
            cluster.kubectl(*widen, *masters)
        except KubectlError as error:
            return f"'loans.salus.dev{suffix}'" in str(error)
        return False

    wait_until(held, timeout=30, what=f"loans.salus.dev{suffix} holds in {namespace}")
    cluster.kubectl("delete", "hpa", "probe", "-n", namespace)


def _holds(cluster: DevCluster, namespace: str, policy: str, operator: str, suffix: str) -> bool:
    options, body = _FORBIDDEN[policy]
    metadata = {**_METADATA, "namespace": namespace, "labels": {"salus.dev/target": "probe"}}
    try:
        cluster.kubectl(
            *("create", "--dry-run=server", "-f", "-"),
            *(option.format(operator=operator) for option in options),
            stdin=json.dumps({**body, "metadata": metadata}),
        )
    except KubectlError as error:
        return f"'{policy}.salus.dev{suffix}'" in str(error)
    return False
