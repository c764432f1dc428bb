"""The table: every preset of the library, in each of its variants, well, ill, unseen and scaled to zero."""

from collections.abc import Iterable, Iterator, Sequence

from tests.contract.preset_series import kube_state_metrics, without_pods
from tests.contract.preset_states import Case, Row, Rows
from tests.contract.preset_table_kubernetes import FINE, KUBERNETES
from tests.contract.preset_table_queues import QUEUES
from tests.contract.preset_table_requests import REQUESTS
from tests.contract.preset_table_resources import RESOURCES
from tests.contract.preset_table_runtimes import RUNTIMES

CRASHING, PULLING, UNMAKEABLE = "CrashLoopBackOff", "ImagePullBackOff", "CreateContainerConfigError"


def waiting(*reasons: str, init: bool = False) -> Rows:
    """Pods that wait, one for each reason."""
    return kube_state_metrics(waiting=tuple(enumerate(reasons)), init=init)


def _of_pods_that_wait(preset: str, reason: str, *others: str) -> Iterator[Case]:
    row = Row(preset)
    yield from row.in_all_states(
        well=(FINE, 0.0),
        ill=(waiting(reason), 1.0),
        blind=(without_pods(waiting(reason)), None),
        zero=(FINE, 0.0),
    )
    yield from row.also("both pods", waiting(reason, reason), 2.0)
    yield from row.also("an init container", waiting(reason, init=True), 1.0)
    yield from row.also("pods that only start", waiting("ContainerCreating", "PodInitializing"), 0.0)
    yield from row.also("a pod that is gone", kube_state_metrics(waiting=[(0, reason)], gone=[0]), 0.0)
    for other in others:
        yield from row.also(other, waiting(other), 1.0)
    for other in sorted({CRASHING, PULLING, UNMAKEABLE} - {reason}):
        yield from row.also(f"{other} is another matter", waiting(other), 0.0)


def _of_replicas() -> Iterator[Case]:
    half, none = kube_state_metrics(available=1), kube_state_metrics(available=0)
    unavailable = Row("Unavailable")
    yield from unavailable.in_all_states(well=(FINE, 1.0), ill=(half, 0.5), zero=(FINE, 1.0))
    yield from unavailable.also("nothing is left", none, 0.0)
    missing = Row("ReplicasMissing")
    yield from missing.in_all_states(well=(FINE, 2.0), ill=(none, 0.0), zero=(FINE, 0.0))
    yield from missing.also("half is missing", half, 1.0)
    yield from missing.also("pods are not exported, and need not be", without_pods(FINE), 2.0)
    stuck = Row("RolloutStuck")
    yield from stuck.in_all_states(
        well=(FINE, 0.0), ill=(kube_state_metrics(progressing="false"), 1.0), zero=(FINE, 0.0)
    )
    yield from stuck.also("it is paused", kube_state_metrics(progressing="unknown"), 0.0)
    yield from stuck.also("no deadline is set", kube_state_metrics(progressing=""), None)


def _all() -> Iterable[Case]:
    yield from _of_pods_that_wait("PodsCrashLooping", CRASHING)
    yield from _of_pods_that_wait("ImagePullFailing", PULLING, "ErrImagePull", "InvalidImageName")
    yield from _of_pods_that_wait("ContainersNotStarting", UNMAKEABLE, "CreateContainerError", "RunContainerError")
    yield from _of_replicas()


TABLE: Sequence[Case] = (*_all(), *KUBERNETES, *RESOURCES, *REQUESTS, *QUEUES, *RUNTIMES)
