"""What the pods of a workload tell: of which release each is, whether it is failing, which one holds a rollout up.

An OrderedReady StatefulSet waits for each pod to be ready before it goes on, also for one that never will be, since
its template is the bad one that was just taken back (kubernetes/kubernetes#67250). Only deleting that pod helps. Pods
are replaced one by one, so there is at most one such pod at a time.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from salus.core.health.timing import has_lasted
from salus.core.objects.selectors import controlled_by
from salus.core.objects.workloads import POD_TEMPLATE_HASH
from salus.model.meta import WorkloadKind
from salus.model.scalars import Body, format_duration, parse_time, whole_number
from salus.model.values.objects import Revision, Workload
from salus.model.values.surroundings import Pod

REVISION_LABEL = "controller-revision-hash"
NO_PODS_FOR = timedelta(minutes=2)
"""Pods that do not come for so long will not come by themselves."""
UNREADY_FOR = timedelta(seconds=30)
"""A pod that is not ready for so long is no longer one that is just starting."""
_HOPELESS = {
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
}
"""Reasons for which a container waits that do not pass by themselves (kubelet's names)."""


def stuck_pod(stateful_set: Body, pods: Iterable[Body]) -> Body | None:
    """The first pod that is not ready, if it is of another revision than the wanted one.

    None while the controller has not seen the newest spec, and while it waits for a pod of the wanted revision, or
    for one that is being deleted: it then goes on by itself.
    """
    metadata, status = stateful_set["metadata"], stateful_set.get("status") or {}
    wanted = status.get("updateRevision")
    if not wanted or status.get("observedGeneration", 0) < metadata["generation"]:
        return None
    mine = sorted(_numbered(pods, metadata), key=lambda pair: pair[0])
    first = next((pod for _, pod in mine if not is_ready(pod)), None)
    if first is None or first["metadata"].get("deletionTimestamp"):
        return None
    return first if (first["metadata"].get("labels") or {}).get(REVISION_LABEL) != wanted else None


def not_coming(workload: Workload) -> str:
    """What a workload says of pods that it wants and does not get; nothing: it does, or makes none at the moment.

    It may pass: a pod that goes leaves its place empty for a moment, and its share of a quota is given back late. Only
    a Deployment says why. Of the others that is in Events, which Salus has no right to read, and says how to.
    """
    key = workload.key
    if workload.replica_failure:
        return f"new pods of {key} cannot be created: {workload.replica_failure}"
    if workload.total < workload.replicas:
        there = f"only {workload.total} of {workload.replicas} pods of {key} are there, and no more are created"
        return f"{there}; its Events say why: kubectl describe -n {key.namespace} {key.kind.lower()}/{key.name}"
    return ""


def pods_from(bodies: Iterable[Body], workload: str, history: Sequence[Revision], now: datetime) -> tuple[Pod, ...]:
    """The pods of the workload of this name, each with the release of the revision that made it.

    A pod that is going, or has run to its end, is left out: it serves nobody, and that proves nothing.
    """
    releases = {revision.name.removeprefix(f"{workload}-"): revision.release for revision in history}
    return tuple(_pod(body, workload, releases, now) for body in bodies if not is_going(body))


def of_template(
    workload: str, history: Sequence[Revision], template: str, restarted: str = ""
) -> Callable[[Body], bool]:
    """Whether a pod of the workload of this name is of this very template, as its history tells.

    Kubernetes compares templates whole, with what a restart has added (`restarted`): pods of the same release that a
    restart has made are of another one.
    """
    made = (one for one in history if (one.template_hash, one.restarted_at) == (template, restarted))
    marks = {revision.name.removeprefix(f"{workload}-") for revision in made}
    return lambda pod: _mark(pod, workload) in marks


def _mark(body: Body, workload: str) -> str:
    """A Deployment's pod says which ReplicaSet made it; a StatefulSet's names its revision whole, a DaemonSet's not."""
    labels: Mapping[str, str] = body["metadata"].get("labels") or {}
    return labels.get(POD_TEMPLATE_HASH) or labels.get(REVISION_LABEL, "").removeprefix(f"{workload}-")


def _pod(body: Body, workload: str, releases: Mapping[str, str], now: datetime) -> Pod:
    metadata = body["metadata"]
    return Pod(
        name=metadata["name"],
        release=releases.get(_mark(body, workload), ""),
        node=(body.get("spec") or {}).get("nodeName", ""),
        made_at=parse_time(metadata["creationTimestamp"]),
        failing=_failing(body, now),
    )


def _failing(body: Body, now: datetime) -> str:
    hopeless = next((reason for reason in _waits_for(body) if reason in _HOPELESS), "")
    if hopeless:
        return hopeless
    ready = next((one for one in _conditions(body) if one.get("type") == "Ready"), {})
    if ready.get("status") == "True" or not ready.get("lastTransitionTime"):
        return ""
    since = parse_time(ready["lastTransitionTime"])
    return f"not ready for {format_duration(now - since)}" if has_lasted(since, now, UNREADY_FOR) else ""


def _waits_for(body: Body) -> Iterator[str]:
    status = body.get("status") or {}
    for container in (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())):
        yield ((container.get("state") or {}).get("waiting") or {}).get("reason", "")


def is_going(body: Body) -> bool:
    """Whether a pod is being deleted, or has run to its end."""
    return bool(body["metadata"].get("deletionTimestamp")) or has_ended(body)


def has_ended(body: Body) -> bool:
    """Whether a pod has run to its end: it serves nobody, and no quota counts it."""
    return (body.get("status") or {}).get("phase") in _ENDED


_ENDED = {"Succeeded", "Failed"}


def _numbered(pods: Iterable[Body], stateful_set: Body) -> Iterator[tuple[int, Body]]:
    """The pods that the StatefulSet made, by their place; any other pod may claim it as its controller."""
    for pod in controlled_by(pods, {stateful_set["uid"]}):
        head, _, ordinal = pod["metadata"]["name"].rpartition("-")
        number = whole_number(ordinal)
        if head == stateful_set["name"] and number is not None:
            yield number, pod


def is_ready(pod: Body) -> bool:
    """Whether a pod serves, as its kubelet sees it."""
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in _conditions(pod))


def only_the_newest_serves(body: Body, pods: Iterable[Body]) -> bool:
    """Whether every pod that serves is of the newest template of this StatefulSet or DaemonSet, by its labels.

    Numbers do not tell: with one of two pods updated and one available, that may be the old one, beside a new one that
    crashes. The controllers label each pod with its template: `controller-revision-hash`, `pod-template-generation`.
    """
    if body["kind"] == WorkloadKind.STATEFUL_SET:
        label, newest = "controller-revision-hash", (body.get("status") or {}).get("updateRevision")
    else:
        annotations = body["metadata"].get("annotations") or {}
        label, newest = "pod-template-generation", annotations.get("deprecated.daemonset.template.generation")
    serving = [pod for pod in pods if is_ready(pod) and not is_going(pod)]
    return bool(newest) and all((pod["metadata"].get("labels") or {}).get(label) == newest for pod in serving)


def pods_have_to_tell(workload: Workload) -> bool:
    """Whether only its pods know since when it is rolled out: a Deployment tells, others do not.

    Without them each restart of Salus would begin a bake anew.
    """
    return (
        workload.rolled_out and workload.rolled_out_since is None and workload.key.kind is not WorkloadKind.DEPLOYMENT
    )


def told_by_pods(workload: Workload, body: Body, pods: Sequence[Body]) -> Workload | None:
    """The workload with what its pods tell of its rollout; None while one of an older template serves."""
    if workload.updated < workload.replicas and not only_the_newest_serves(body, pods):
        return None
    return replace(workload, rolled_out_since=ready_since(pods))


def ready_since(pods: Iterable[Body]) -> datetime | None:
    """Since when all that serve have served; None where there is no such pod, or one does not tell."""
    begun = [_ready_at(pod) for pod in pods if is_ready(pod) and not is_going(pod)]
    known = [moment for moment in begun if moment is not None]
    return max(known) if known and len(known) == len(begun) else None


def _ready_at(pod: Body) -> datetime | None:
    moments = (one.get("lastTransitionTime") for one in _conditions(pod) if one.get("type") == "Ready")
    try:
        return next((parse_time(moment) for moment in moments), None)
    except ValueError:
        return None


def _conditions(pod: Body) -> Sequence[Mapping[str, Any]]:
    return (pod.get("status") or {}).get("conditions") or ()
