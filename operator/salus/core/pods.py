"""Which pod holds the rollout of a StatefulSet back.

An OrderedReady StatefulSet waits for each pod to be ready before it goes on, also for one that never will be, since
its template is the bad one that was just taken back (kubernetes/kubernetes#67250). Only deleting that pod helps. Pods
are replaced one by one, so there is at most one such pod at a time.
"""

from collections.abc import Iterable

from salus.model.types import Body

REVISION_LABEL = "controller-revision-hash"


def stuck_pod(stateful_set: Body, pods: Iterable[Body]) -> Body | None:
    """The first pod that is not ready, if it is of another revision than the wanted one.

    None while the controller has not seen the newest spec, and while it waits for a pod of the wanted revision, or
    for one that is being deleted: it then goes on by itself.
    """
    metadata, status = stateful_set["metadata"], stateful_set.get("status") or {}
    wanted = status.get("updateRevision")
    if not wanted or status.get("observedGeneration", 0) < metadata["generation"]:
        return None
    mine = sorted((pod for pod in pods if _owned_by(pod, metadata["uid"])), key=_ordinal)
    first = next((pod for pod in mine if not _is_ready(pod)), None)
    if first is None or first["metadata"].get("deletionTimestamp"):
        return None
    return first if (first["metadata"].get("labels") or {}).get(REVISION_LABEL) != wanted else None


def _owned_by(pod: Body, uid: str) -> bool:
    return any(owner.get("uid") == uid for owner in pod["metadata"].get("ownerReferences") or ())


def _ordinal(pod: Body) -> int:
    return int(pod["metadata"]["name"].rpartition("-")[2])


def _is_ready(pod: Body) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
