"""The five faults: what is done to the service, what Salus is expected to make of it, and when it is over."""

from collections.abc import Callable
from dataclasses import dataclass

from examples.demo.judging import Judge, healed_by, left_alone, rehearsed, report_of
from examples.demo.stage import ORDINARY_RPS, POLICY, SURGE_RPS, Mark, Stage
from examples.demo.story import FaultBegan, FaultEnded, Report, Told
from tools.devcluster.processes import NotInTimeError

_FIRST_RELEASE = "v1"
_REPLICAS = 3
_QUIET_SECONDS = 10  # two ticks in which Salus could act, and should not


@dataclass(frozen=True)
class Fault:
    """A way in which the service falls ill."""

    title: str
    action: str
    expected: str
    play: Callable[[Stage, Mark], None]
    """Does the harm and returns when it is over; NotInTimeError when it never is."""
    judge: Judge
    mend: Callable[[Stage], None] | None = None
    """What a person does about it afterwards, where Salus was not to."""


def play(stage: Stage, fault: Fault, number: int, count: int) -> Report:
    """Let a fault happen, see what Salus does, judge it, and wait until all is as before."""
    stage.tell(FaultBegan(number, count, fault.title, fault.action, fault.expected))
    mark = stage.mark()
    late = _lateness(lambda: fault.play(stage, mark))
    evidence = stage.evidence(mark)
    if not late:
        late = _lateness(lambda: _mend(stage, fault))
    report = report_of(fault.title, evidence, (*late, *fault.judge(evidence)))
    stage.tell(FaultEnded(report))
    return report


def _lateness(step: Callable[[], None]) -> list[str]:
    """What did not happen in time."""
    try:
        step()
    except NotInTimeError as error:
        return [str(error)]
    return []


def _mend(stage: Stage, fault: Fault) -> None:
    if fault.mend is not None:
        fault.mend(stage)
    stage.settle()


def _bad_release(stage: Stage, mark: Mark) -> None:
    stage.release("errors")
    _wait_for_recovery(stage, mark)


def _wedged_process(stage: Stage, mark: Mark) -> None:
    stage.wedge_one()
    _wait_for_recovery(stage, mark)


def _load_surge(stage: Stage, mark: Mark) -> None:
    stage.traffic.set_rate(SURGE_RPS)
    try:
        _wait_for_recovery(stage, mark)
    finally:
        stage.traffic.set_rate(ORDINARY_RPS)
    stage.tell(Told(f"The surge is over: {ORDINARY_RPS} requests per second again"))

    def taken_back() -> bool:
        return any(change.outcome == "Undone" for change in stage.changes_since(mark)) and stage.rolled_out()

    stage.wait(taken_back, "the added replicas taken back")


def _metrics_lost(stage: Stage, _mark: Mark) -> None:
    stage.cluster.prometheus.stop()
    try:
        stage.wait(lambda: _metrics_available(stage, "False"), "MetricsAvailable=False")
        stage.stay(_QUIET_SECONDS)
    finally:
        stage.cluster.prometheus.start()
    stage.tell(Told("Prometheus is started again"))
    stage.wait(lambda: _metrics_available(stage, "True"), "MetricsAvailable=True")


def _rehearsal(stage: Stage, mark: Mark) -> None:
    stage.release("slow")
    stage.wait(lambda: any(c.decision == "DryRun" for c in stage.changes_since(mark)), "a record of the rehearsal")
    stage.stay(_QUIET_SECONDS)


def _put_back(stage: Stage) -> None:
    stage.tell(Told("A person takes the slow release back: kubectl rollout undo"))
    stage.undo_release()


def _wait_for_recovery(stage: Stage, mark: Mark) -> None:
    def verified() -> bool:
        return any(change.is_action and change.outcome for change in stage.changes_since(mark))

    stage.wait(verified, "an action of Salus, and its outcome")
    stage.wait(lambda: stage.rolled_out() and stage.calm(), "all replicas ready and the incident resolved")


def _metrics_available(stage: Stage, status: str) -> bool:
    return stage.watch.condition(POLICY, "MetricsAvailable") == status


FAULTS: tuple[Fault, ...] = (
    Fault(
        title="a bad release",
        action="Release v2-errors is rolled out: it answers three requests in ten with 500.",
        expected="Salus should roll back to v1, the newest release on record as healthy, and prove that it helped.",
        play=_bad_release,
        judge=healed_by("Rollback", release=_FIRST_RELEASE, replicas=_REPLICAS),
    ),
    Fault(
        title="a wedged process",
        action="One of three processes is wedged: its pod stays ready, but every request to it hangs.",
        expected="Salus should restart the pods, and prove that it helped.",
        play=_wedged_process,
        judge=healed_by("Restart", release=_FIRST_RELEASE, replicas=_REPLICAS),
    ),
    Fault(
        title="a load surge",
        action=f"Callers send {SURGE_RPS} requests per second instead of {ORDINARY_RPS}; three replicas serve 120.",
        expected="Salus should double the replicas, prove that it helped, and take them back after the surge.",
        play=_load_surge,
        judge=healed_by("Scale", release=_FIRST_RELEASE, replicas=_REPLICAS, taken_back=True),
    ),
    Fault(
        title="Prometheus stops",
        action="Prometheus is stopped, while the service is fine.",
        expected="Salus should do nothing about the service, for it knows nothing, and say MetricsAvailable=False.",
        play=_metrics_lost,
        judge=left_alone,
    ),
    Fault(
        title="a slow release, Observe",
        action="Release v2-slow is rolled out: each answer takes 800 ms. The policy about latency is in mode Observe.",
        expected="Salus should record the rollback that it would do, and write nothing.",
        play=_rehearsal,
        judge=rehearsed("Rollback"),
        mend=_put_back,
    ),
)
