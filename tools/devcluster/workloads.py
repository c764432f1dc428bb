"""Which workload a pod belongs to, read from its owner."""

from tools.devcluster.api import Object


def controller(item: Object) -> Object | None:
    """Return the ownerReference of the controller of `item`."""
    owners = item["metadata"].get("ownerReferences", ())
    return next((owner for owner in owners if owner.get("controller")), None)


def workload_label(pod: Object) -> dict[str, str]:
    """Return one label that names the pod's workload, as in {"deployment": "checkout"}; none for a pod without one."""
    owner = controller(pod)
    if owner is None:
        return {}
    if owner["kind"] == "ReplicaSet":
        template_hash = pod["metadata"].get("labels", {}).get("pod-template-hash", "")
        return {"deployment": owner["name"].removesuffix(f"-{template_hash}")}
    return {owner["kind"].lower(): owner["name"]} if owner["kind"] in {"StatefulSet", "DaemonSet"} else {}
