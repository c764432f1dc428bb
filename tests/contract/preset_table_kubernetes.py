"""The table's rows on what Kubernetes itself tells of pods and updates, by kube-state-metrics."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from salus.model.meta import WorkloadKind
from tests.contract.preset_series import all_of, kube_state_metrics, named, node, without_pods
from tests.contract.preset_states import DAEMON_SET, STATEFUL_SET, Case, Line, Place, Row, Rows

FINE = kube_state_metrics()
LONG = 1200.0
"""Seconds of the past that presets with long ranges look at."""
OUT_OF_MEMORY = "OOMKilled"


def only(kind: WorkloadKind, cases: Iterable[Case]) -> Iterator[Case]:
    """Those of one kind of workload."""
    return (case for case in cases if case.question.kind is kind)


# --- containers that restart


@dataclass(frozen=True, slots=True)
class Life:
    """What is known of a container."""

    pod: int = 0
    container: str = "c"
    uid: str = ""
    started: float = 7200.0
    """Seconds before now at which its pod did."""
    restarts: int = 0
    before: int | None = None
    """How many there had been before the last ones."""
    ago: float = 300.0
    """Seconds before now of the last ones."""
    ended: str = ""
    """Why it ended the last time."""
    seen: float = LONG
    """Seconds before now at which somebody looked first."""
    gone: bool = False

    def lines(self, place: Place) -> Iterator[Line]:
        """As kube-state-metrics shows it."""
        pod = {**named(place, self.pod), **({"uid": self.uid} if self.uid else {})}
        labels, until = {**pod, "container": self.container}, 60.0 if self.gone else 1.0
        was = None if self.before is None else (float(self.before), self.ago)
        yield Line("kube_pod_start_time", pod, time.time() - self.started, gone=self.gone, until=until)
        restarts = "kube_pod_container_status_restarts_total"
        yield Line(restarts, labels, self.restarts, since=self.seen, was=was, gone=self.gone, until=until)
        if self.ended:
            reason = {**labels, "reason": self.ended}
            name = "kube_pod_container_status_last_terminated_reason"
            yield Line(name, reason, 1.0, gone=self.gone, until=until)


def lives(*some: Life) -> Rows:
    """Containers as told; one that never restarted of each pod of which nothing is told."""

    def rows(place: Place) -> Iterator[Line]:
        yield from FINE(place)
        told = {one.pod for one in some if not one.uid}
        for one in (*some, *(Life(pod) for pod in range(place.pods) if pod not in told)):
            yield from one.lines(place)

    return rows


def killed(pod: int = 0) -> Life:
    """For want of memory, five minutes ago."""
    return Life(pod, restarts=1, before=0, ended=OUT_OF_MEMORY)


def _out_of_memory() -> Iterator[Case]:
    row = Row("OutOfMemory")
    ill = lives(killed())
    yield from row.in_all_states(well=(lives(), 0.0), ill=(ill, 1.0), blind=(without_pods(ill), None), zero=(FINE, 0.0))
    yield from row.also("both pods", lives(killed(0), killed(1)), 2.0)
    other = Life(restarts=1, before=0, ended="Error")
    yield from row.also("it restarted for another reason", lives(other), 0.0)
    yield from row.also("it was killed long ago", lives(Life(restarts=3, ended=OUT_OF_MEMORY)), 0.0)
    yield from row.also("it was killed twelve minutes ago", lives(replace(killed(), ago=720)), 0.0)
    long_ago = Life(container="other", restarts=3, ended=OUT_OF_MEMORY)
    yield from row.also("one container long ago, another for another reason", lives(other, long_ago), 0.0)
    young = Life(started=120, restarts=1, ended=OUT_OF_MEMORY, seen=60)
    yield from row.also("a young pod, before anybody looked", lives(young), 1.0)
    unseen = Life(restarts=5, ended=OUT_OF_MEMORY, seen=60)
    yield from row.also("an old pod, before anybody looked", lives(unseen), 0.0)
    unstarted: Rows = lambda place: [one for one in ill(place) if one.name != "kube_pod_start_time"]  # noqa: E731
    yield from row.also("when pods started is not exported", unstarted, None)
    yield from row.also("a pod that is gone", lives(Life(restarts=1, before=0, ended=OUT_OF_MEMORY, gone=True)), 0.0)
    earlier = Life(uid="earlier", restarts=1, before=0, ended=OUT_OF_MEMORY, gone=True)
    yield from row.also("a pod that came back under its name", lives(earlier), 0.0)


def _restarts() -> Iterator[Case]:
    row = Row("RestartsTooOften")
    ill = lives(Life(restarts=5, before=1))
    yield from row.in_all_states(well=(lives(), 0.0), ill=(ill, 4.0), blind=(without_pods(ill), None), zero=(FINE, 0.0))
    yield from row.also("thrice is not more than thrice", lives(Life(restarts=3, before=0)), 3.0)
    yield from row.also("all of them are long ago", lives(Life(restarts=50)), 0.0)
    yield from row.also("they were sixteen minutes ago", lives(Life(restarts=5, before=1, ago=960)), 0.0)
    yield from row.also("two of each pod are two", lives(*(Life(pod, restarts=2, before=0) for pod in (0, 1))), 2.0)
    yield from row.also("an old pod, before anybody looked", lives(Life(restarts=50, seen=60)), 0.0)
    yield from row.also("a pod that is gone", lives(Life(restarts=5, before=0, gone=True)), 0.0)
    earlier = Life(uid="earlier", restarts=5, before=0, gone=True)
    yield from row.also("a pod that came back under its name", lives(earlier), 0.0)


# --- pods that are not ready


@dataclass(frozen=True, slots=True)
class Pod:
    """How a pod stands."""

    ready: str = "true"
    """The status of its condition; empty: it has none yet, and has not started."""
    started: float = 7200.0
    phase: str = "Running"
    going: bool = False

    def lines(self, labels: dict[str, str]) -> Iterator[Line]:
        """As kube-state-metrics shows it."""
        for phase in ("Pending", "Running", "Succeeded", "Failed", "Unknown"):
            yield Line("kube_pod_status_phase", {**labels, "phase": phase}, float(phase == self.phase))
        if self.ready:
            yield Line("kube_pod_start_time", labels, time.time() - self.started)
            for status in ("true", "false", "unknown"):
                yield Line("kube_pod_status_ready", {**labels, "condition": status}, float(status == self.ready))
        if self.going:
            yield Line("kube_pod_deletion_timestamp", labels, time.time())


def standing(*some: Pod) -> Rows:
    """The first pods so, the others ready."""

    def rows(place: Place) -> Iterator[Line]:
        yield from FINE(place)
        for index in range(max(place.pods, len(some))):
            one = some[index] if index < len(some) else Pod()
            yield from one.lines(named(place, index))

    return rows


def _not_ready() -> Iterator[Case]:
    row, out = Row("NotReady"), Pod("false")
    ill = standing(out)
    yield from row.in_all_states(
        well=(standing(), 0.0), ill=(ill, 0.5), blind=(without_pods(ill), None), zero=(FINE, 0.0)
    )
    yield from row.also("both pods", standing(out, out), 1.0)
    yield from row.also("nobody knows, since its node is lost", standing(Pod("unknown")), 0.5)
    yield from row.also("it has only started", standing(Pod("false", started=60)), 0.0)
    yield from row.also("it is being deleted", standing(Pod("false", going=True)), 0.0)
    yield from row.also("old ones go while a new one is out", standing(out, Pod(), Pod("false", going=True)), 0.5)
    yield from row.also("an evicted pod that nobody has removed", standing(Pod("false", phase="Failed")), 0.0)
    evicted_too = standing(Pod("false", phase="Failed"), out)
    yield from row.also("an evicted pod is none of those there are", evicted_too, 1.0)
    yield from row.also("no node has taken the other", standing(Pod("", phase="Pending"), out), 1.0)
    yield from row.also("no node has taken any", standing(*[Pod("", phase="Pending")] * 2), None)
    without_starts: Rows = lambda place: [one for one in ill(place) if one.name != "kube_pod_start_time"]  # noqa: E731
    yield from row.also("when pods started is not exported", without_starts, None)


# --- updates, and nodes


def nodes(*ready: bool) -> Rows:
    """The nodes on which pods run."""

    def rows(place: Place) -> Iterator[Line]:
        for index, is_ready in enumerate(ready):
            for status in ("true", "false", "unknown"):
                value = (status == "true") is is_ready and status != "false"
                labels = {"node": node(place, index), "condition": "Ready", "status": status}
                yield Line("kube_node_status_condition", labels, float(value))

    return rows


def update(
    *, done: bool = False, step: float = LONG, began: float = 3600.0, seen: float = LONG, updated: int = 1
) -> Rows:
    """Of the template; `step`: seconds before now at which the number of updated pods changed last."""

    def rows(place: Place) -> Iterator[Line]:
        yield from FINE(place)
        yield from of_stateful_set(place) if place.kind is STATEFUL_SET else of_daemon_set(place)

    def of_stateful_set(place: Place) -> Iterator[Line]:
        target, since = "kube_statefulset_status_update_revision", min(began, seen)
        yield Line(target, {**place.label, "revision": "new"}, 1.0, since=since)
        if began < seen:
            yield Line(target, {**place.label, "revision": "old"}, 1.0, since=seen, until=began, gone=True)
        current = {**place.label, "revision": "new" if done else "old"}
        yield Line("kube_statefulset_status_current_revision", current, 1.0, since=seen)
        yield steps("kube_statefulset_status_replicas_updated", place)

    def of_daemon_set(place: Place) -> Iterator[Line]:
        yield Line("kube_daemonset_metadata_generation", place.label, 7.0, since=seen, was=(6.0, began))
        yield steps("kube_daemonset_status_updated_number_scheduled", place)

    def steps(name: str, place: Place) -> Line:
        value = place.pods if done else updated
        return Line(name, place.label, value, since=seen, was=(value - 1.0, step))

    return rows


def _updates() -> Iterator[Case]:
    row = Row("UpdateStuck")
    yield from row.in_all_states(well=(update(done=True), 0.0), ill=(update(), 1.0), zero=(update(done=True), 0.0))
    yield from row.also("it made a step ten minutes ago", update(step=600), 0.0)
    yield from row.also("it began ten minutes ago", update(began=600), 0.0)
    yield from row.also("it began ten minutes ago, and nobody saw a step", update(began=600, step=3600), 0.0)
    yield from row.also("nobody looked when it may have made a step", update(seen=300), None)
    yield from row.also("it is done, and nobody looked before", update(done=True, seen=60), 0.0)
    yield from only(STATEFUL_SET, row.also("the last pod does not become ready", update(updated=2), 1.0))
    on_daemons = (
        ("the pod that is left is on a dead node", (True, False), 0.0),
        ("both nodes are alive", (True, True), 1.0),
        ("nothing is updated, and a node is dead", (False, False), 0.0),
    )
    for told, ready, value in on_daemons:
        yield from only(DAEMON_SET, row.also(told, all_of(update(), nodes(*ready)), value))


def _daemons_on_dead_nodes() -> Iterator[Case]:
    row, half = Row("Unavailable"), kube_state_metrics(available=1)
    told: Sequence[tuple[str, Rows, float | None]] = (
        ("the pod that is missing is on a dead node", all_of(half, nodes(True, False)), 1.0),
        ("a pod is missing on a node that is Ready", all_of(half, nodes(True, True)), 0.5),
        ("a dead node has no pod of it", all_of(half, nodes(True, True, False)), 0.5),
        ("none of its nodes is Ready", all_of(kube_state_metrics(available=0), nodes(False, False)), None),
        ("nobody has noticed yet what a dead node took", all_of(FINE, nodes(True, False)), 1.0),
    )
    for state, rows, value in told:
        yield from only(DAEMON_SET, row.also(state, rows, value))


# --- where pods find no place


def unschedulable(*pods: int) -> Rows:
    """Pods for which there is no node."""
    return all_of(FINE, lambda place: [Line("kube_pod_status_unschedulable", named(place, pod), 1.0) for pod in pods])


def _unschedulable() -> Iterator[Case]:
    row, ill = Row("Unschedulable"), unschedulable(0)
    yield from row.in_all_states(well=(FINE, 0.0), ill=(ill, 1.0), blind=(without_pods(ill), None), zero=(FINE, 0.0))
    yield from row.also("both pods", unschedulable(0, 1), 2.0)


def autoscaler(
    now: int, most: int = 4, least: int = 1, kind: str = "", name: str = "", *, is_told: bool = True
) -> Rows:
    """A HorizontalPodAutoscaler; `kind`: of what it scales, if that is something else than the workload."""

    def rows(place: Place) -> Iterator[Line]:
        labels = {"namespace": place.namespace, "horizontalpodautoscaler": name or f"{place.name}-scaler"}
        prefix = "kube_horizontalpodautoscaler"
        yield Line(f"{prefix}_status_current_replicas", labels, now)
        yield Line(f"{prefix}_spec_max_replicas", labels, most)
        yield Line(f"{prefix}_spec_min_replicas", labels, least)
        target = {"scaletargetref_kind": kind or place.kind, "scaletargetref_name": place.name}
        if is_told:
            yield Line(f"{prefix}_info", {**labels, **target, "scaletargetref_api_version": "apps/v1"}, 1.0)

    return rows


def _autoscalers() -> Iterator[Case]:
    row = Row("HpaAtMaximum")
    yield from row.in_all_states(
        well=(autoscaler(2), 0.5),
        ill=(autoscaler(4), 1.0),
        blind=(autoscaler(4, is_told=False), None),
        zero=(autoscaler(0), 0.0),
    )
    yield from row.also("one below the maximum", autoscaler(3), 0.75)
    yield from row.also("its size is fixed, as its minimum is its maximum", autoscaler(4, least=4), 0.0)
    yield from row.also("something else of its name is scaled", autoscaler(4, kind="ReplicaSet"), None)
    beside = all_of(autoscaler(2), autoscaler(4, kind="ReplicaSet", name="other"))
    yield from row.also("something else of its name is scaled as well", beside, 0.5)


def _all() -> Iterator[Case]:
    yield from _out_of_memory()
    yield from _restarts()
    yield from _not_ready()
    yield from _updates()
    yield from _daemons_on_dead_nodes()
    yield from _unschedulable()
    yield from _autoscalers()


KUBERNETES: Sequence[Case] = tuple(_all())
