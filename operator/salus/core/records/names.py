"""How records are named, and refer to what they are about.

A record's name is the lock: `<target>-<hash>-<sequence>` is free for one writer only, so two policies, two replicas
or a restart cannot both open a target's next change; the loser's create is answered 409.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

from salus.model.meta import AutoscalerKind
from salus.model.scalars import API_VERSION, GROUP, Body
from salus.model.values.changes import Change
from salus.model.values.keys import ScalerKey, TargetKey
from salus.model.values.policies import Policy

TARGET_LABEL = f"{GROUP}/target"
POLICY_LABEL = f"{GROUP}/policy"


def digest(*parts: str) -> str:
    """Eight hex characters that tell two names apart after they were cut."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]


def target_id(target: TargetKey) -> str:
    """`<name cut to 40>-<hash of kind and name>`: start of a record's name, and value of the target label."""
    return f"{target.name[:40].rstrip('-.')}-{digest(target.kind, target.name)}".replace(".", "-")


def policy_id(name: str) -> str:
    """A policy's name as a label value."""
    return name if len(name) <= 63 else f"{name[:54]}-{digest(name)}"


def change_name(target: TargetKey, sequence: int) -> str:
    """Name of the target's record with this number."""
    return f"{target_id(target)}-{sequence}"


def next_sequence(changes: Iterable[Change], newest: int = 0) -> int:
    """The number after the newest; the newest record of a target is never collected, so that none is given twice.

    `newest`: of all records with the target's label, since another workload's may have the same.
    """
    return max((newest, *(change.sequence for change in changes))) + 1


def incident_name(policy: Policy, target: TargetKey, number: int) -> str:
    """Name of the n-th incident of a policy and a target."""
    head = target.name[:40].rstrip("-.").replace(".", "-")
    return f"{head}-{digest(policy.key.name, target.kind, target.name)}-{number}"


def target_ref(target: TargetKey, uid: str) -> dict[str, str]:
    """A workload, by identity."""
    return {"apiVersion": "apps/v1", "kind": target.kind.value, "name": target.name, "uid": uid}


def patched_ref(patched: ScalerKey) -> dict[str, str]:
    """The autoscaler that is patched in the workload's place, by identity."""
    version = "autoscaling/v2" if patched.kind is AutoscalerKind.HPA else "keda.sh/v1alpha1"
    return {"apiVersion": version, "kind": patched.kind.value, "name": patched.name, "uid": patched.uid}


def policy_ref(policy: Policy) -> dict[str, Any]:
    """A policy, by identity and generation: the pre-authorisation of what it allows."""
    return {"name": policy.key.name, "uid": policy.uid, "generation": policy.generation}


def policy_reference(policy: Policy) -> dict[str, str]:
    """A policy, as an Event refers to it."""
    return {
        "apiVersion": API_VERSION,
        "kind": "HealthPolicy",
        "namespace": policy.key.namespace,
        "name": policy.key.name,
        "uid": policy.uid,
    }


def labels(policy: str, target: TargetKey) -> dict[str, str]:
    """Those of a record of this policy and this target."""
    return {TARGET_LABEL: target_id(target), POLICY_LABEL: policy_id(policy)}


def is_about(record: Body, target: TargetKey) -> bool:
    """Whether a record is about this workload; its label alone does not tell, since a label is a short one."""
    ref = record["spec"]["targetRef"]
    return bool((ref["kind"], ref["name"]) == (target.kind.value, target.name))
