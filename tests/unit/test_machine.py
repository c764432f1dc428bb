"""Any history at all: readings, crashes, lost replies, clock jumps, other people's hands, in any order.

Hypothesis plays against the whole loop on fakes. What must hold is judged by an oracle of its own, from what Salus was
told and what it wrote, never from what Salus remembers:

- a write, but for an undo, follows a breach that lasts now and has lasted as long as `for`;
- between two writes lies the cooldown, and no window holds more of them than `maxActions`;
- an undo finds what its change had put there;
- under an HPA the Deployment's replicas are never written, and the HPA's minimum is never put above its maximum;
- the books balance at every moment, and once it is quiet every intent has its end.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from salus.core.objects.workloads import release_hash
from salus.model.scalars import Body, format_time
from salus.model.values.metrics import Answer, Error, NoData, Query, Sample, Value
from salus.ports import AUTOSCALERS, CHANGE_EVENTS, ClusterError, Conflict, Ref, Throttled, Unavailable
from salus.rehearsal.cluster import Write
from tests.builders import an_hpa_body
from tests.chaos.books import Books, Effect, Intent, reconcile, record_of, stamp_in
from tests.unit.stage import TARGET, TICK, Killed, Stage, a_stage

THRESHOLD, HOLD, JITTER = 0.05, timedelta(seconds=10), timedelta(seconds=1)
COOLDOWN, MOST, PER = timedelta(seconds=20), 2, timedelta(minutes=3)
SCALED_TO, MOST_REPLICAS = 5, 8
HPA = Ref(AUTOSCALERS, TARGET.namespace, TARGET.name)
DEEDS_ON = (TARGET, HPA)
REMEDIES: Sequence[dict[str, Any]] = (
    {"name": "grow", "scale": {"to": SCALED_TO, "max": SCALED_TO, "revertAfter": "15s"}},
    {"name": "undo-release", "rollback": {}},
    {"name": "restart", "restart": {}},
)
READINGS: dict[str, float | Answer] = {
    "healthy": 0.0,
    "just below": 0.049,
    "unhealthy": 0.1,
    "very unhealthy": 0.9,
    "empty": NoData("NoSeries", "nothing there", empty=True),
    "two series": NoData("SeveralSeries", "two where one was asked for"),
    "a timeout": Error("Timeout", "no answer"),
}
FAULTS: dict[str, ClusterError] = {
    "no answer": Unavailable("timeout"),
    "429": Throttled("slow down", TICK),
    "409": Conflict("exists"),
}


@dataclass(frozen=True)
class Moment:
    """How things stood just before a write to the Deployment, or to its HPA."""

    body: Body
    minimum: int | None
    """The HPA's minimum; None where there is no HPA."""
    at: datetime
    """By Salus' clock."""
    lived: timedelta
    """Time that has passed for Salus, jumps forth included, jumps back not."""
    told: int
    """How many answers Salus had been given."""


class Oracle:
    """The metric: it answers with the present reading and remembers what it has said, by Salus' clock."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.reading = "healthy"
        self.told: list[tuple[datetime, float | None]] = []

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        """The present reading."""
        said, now = READINGS[self.reading], self._now()
        self.told.append((now, said if isinstance(said, float) else None))
        return [Value(said, now) if isinstance(said, float) else said for _ in questions]

    async def samples(
        self, question: Query, start: datetime, end: datetime, step: timedelta
    ) -> Sequence[Sample] | Error:
        """What was said; after a jump back, nothing that has not happened yet."""
        del question, step
        return [Sample(at, value) for at, value in self.told if value is not None and start <= at <= end]

    def breach_lasted(self, told: int) -> timedelta | None:
        """How long the value had been beyond its threshold after so many answers; None if it was not just now."""
        now, newest = self.told[told - 1]
        if newest is None or newest <= THRESHOLD:
            return None
        longest = timedelta(0)
        for at, value in reversed(self.told[:told]):
            if value is not None and value <= THRESHOLD:
                break
            longest = max(longest, now - at)
        return longest


class SalusMachine(RuleBasedStateMachine):
    """One policy with every remedy, one Deployment, and everything that may come between them."""

    mode = "Enforce"

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stage: Stage = a_stage(
            lambda _: True,
            *(dict(remedy) for remedy in REMEDIES),
            mode=self.mode,
            limits={"cooldown": "20s", "maxActions": MOST, "per": "3m"},
        )
        self.policy = self.stage.policy
        self.oracle = Oracle(self.stage.clock.now)
        self.lived = timedelta(0)
        self.latest = self.stage.clock.now()
        self.well_at_next_record = False
        self.hands: tuple[Ref, Callable[[dict[str, Any]], object]] | None = None
        self.moments: dict[int, Moment] = {}
        self.judged = 0
        self.releases = 1
        self.stage.cluster.on_write = self._before_write
        self._new_process()

    def teardown(self) -> None:
        """Let it calm down, with the clock set right again; then nothing may be left open."""
        self.hands, self.stage.cluster.dies_at = None, 0
        self.stage.clock.present = max(self.stage.clock.now(), self.latest)
        self.oracle.reading = "healthy"
        self._run(self._ticks(30))
        self.all_holds()
        unfinished = [row.change for row in self.books().records if row.acts and not row.finished]
        assert unfinished == []
        self.runner.close()

    # --- what happens

    @initialize(under_hpa=st.booleans())
    def a_known_good_release(self, under_hpa: bool) -> None:
        """A first release is kept, then another comes, so that there is somewhere to go back to."""
        if under_hpa:
            self.stage.cluster.put(an_hpa_body(least=2, most=MOST_REPLICAS))
        self._run(self._ticks(5))
        self.others_release()

    @rule(reading=st.sampled_from(sorted(READINGS)), ticks=st.integers(1, 6))
    def time_passes(self, reading: str, ticks: int) -> None:
        """The metric says this, for so many ticks."""
        self.oracle.reading = reading
        self._run(self._ticks(ticks))

    @rule(ticks=st.integers(8, 24))
    def a_lasting_fault(self, ticks: int) -> None:
        """Unhealthy long enough for more than one rung."""
        self.time_passes("unhealthy", ticks)

    @rule(write=st.integers(1, 8), after=st.booleans())
    def doom(self, write: int, after: bool) -> None:
        """Salus will be killed at the n-th write from now, before or after it took effect."""
        cluster = self.stage.cluster
        cluster.begun, cluster.dies_at, cluster.after = 0, write, after

    @rule()
    def killed_now(self) -> None:
        """Salus is killed between two ticks."""
        self._new_process()

    @rule(fault=st.sampled_from(sorted(FAULTS)))
    def a_write_will_fail(self, fault: str) -> None:
        """The next write is answered so, and nothing has happened."""
        self.stage.cluster.fail_next(FAULTS[fault])

    @rule()
    def a_reply_will_be_lost(self) -> None:
        """The next write takes effect, but nobody tells."""
        self.stage.cluster.fail_next(Unavailable("timeout"), after_effect=True)

    @rule(seconds=st.integers(1, 600))
    def clock_jumps_forth(self, seconds: int) -> None:
        """Someone sets the clock, or the machine slept."""
        self.lived += timedelta(seconds=seconds)
        self.stage.clock.advance(timedelta(seconds=seconds))

    @rule(seconds=st.integers(1, 600))
    def clock_jumps_back(self, seconds: int) -> None:
        """Someone sets the clock; Prometheus has no samples of a time that is yet to come."""
        self.latest = max(self.latest, self.stage.clock.now())
        self.stage.clock.advance(-timedelta(seconds=seconds))

    @rule(replicas=st.integers(1, 8), late=st.booleans())
    def others_scale(self, replicas: int, late: bool) -> None:
        """A person scales, or sets the HPA's minimum: now, or just before Salus' next write."""
        field, ref = ("replicas", TARGET) if self._floor() is None else ("minReplicas", HPA)
        self._interfere(lambda body: body["spec"].update({field: replicas}), ref, late=late)

    @rule(late=st.booleans())
    def others_deploy(self, late: bool) -> None:
        """A person rolls out another release: now, or just before Salus' next write to the Deployment."""
        self.releases += 1
        name = f"shop:v{self.releases}"
        self._interfere(lambda body: _container(body).update(image=name), TARGET, late=late)
        if not late:
            self._have_replica_set()

    @rule(replicas=st.integers(1, 8), deploys=st.booleans(), reading=st.sampled_from(["unhealthy", "very unhealthy"]))
    def others_meddle_while_salus_verifies(self, replicas: int, deploys: bool, reading: str) -> None:
        """Salus acts, a person changes what it has just changed, and nothing helps."""
        self.time_passes("unhealthy", 4)
        if deploys:
            self.others_release()
        else:
            self.others_scale(replicas, late=False)
        self.time_passes(reading, 8)

    @rule()
    def it_helped(self) -> None:
        """Salus acts, and all is well for so long that what was lent is given back."""
        self.time_passes("unhealthy", 4)
        self.time_passes("healthy", 14)

    @rule()
    def well_before_the_write(self) -> None:
        """The metric turns healthy between Salus' next intent and its write."""
        self.well_at_next_record = True

    def others_release(self) -> None:
        """A person rolls out another release, and it has its ReplicaSet."""
        self.others_deploy(late=False)

    # --- what must hold

    @invariant()
    def all_holds(self) -> None:
        """Judge every write since the last time, and the books as a whole."""
        writes = self.stage.remedial_writes
        for index in range(self.judged, len(writes)):
            self._judge(writes, index)
        self.judged = len(writes)
        wrong = [said for said in reconcile(self.books()) if not said.endswith("is not finished")]
        assert wrong == []

    def _judge(self, writes: Sequence[Write], index: int) -> None:
        moment = self.moments[id(writes[index])]
        if moment.minimum is not None:
            assert all(edit["path"] != "/spec/replicas" for edit in writes[index].body), "replicas under an HPA"
            assert self._floor() in range(1, MOST_REPLICAS + 1)
        record = self._record(writes[index])
        undone = record["spec"].get("undoes")
        if undone:
            self._judge_undo(moment, next(body for body in self.stage.changes if body["metadata"]["name"] == undone))
            return
        self._judge_leave(moment, record)
        lasted = self.oracle.breach_lasted(moment.told)
        assert lasted is not None, "a write while no check is unhealthy"
        assert lasted >= HOLD - JITTER, "a write before `for` was over"
        before = [self.moments[id(write)].lived for write in writes[:index]]
        assert all(moment.lived - lived >= COOLDOWN for lived in before), "a write within the cooldown"
        own = [
            self.moments[id(write)].lived
            for write in writes[: index + 1]
            if not self._record(write)["spec"].get("undoes")
        ]
        assert sum(moment.lived - lived < PER for lived in own) <= MOST, "more writes than maxActions in one window"

    def _judge_leave(self, moment: Moment, record: Body) -> None:
        """What a person has to do with it: nothing, in mode Enforce."""

    @staticmethod
    def _judge_undo(moment: Moment, undone: Body) -> None:
        intended, found = undone["spec"]["intended"], moment.body["spec"]
        if "patchedRef" in undone["spec"]:
            assert moment.minimum == intended["minReplicas"], "an undo of a minimum that someone else has set"
        elif undone["spec"]["action"] == "Scale":
            assert found["replicas"] == intended["replicas"], "an undo of a size that someone else has set"
        else:
            assert release_hash(found["template"]) == intended["release"], "an undo of a release that is not its own"

    def books(self) -> Books:
        """What was written against what is on record."""
        writes = self.stage.cluster.writes
        created = [(w, i) for i, w in enumerate(writes) if w.verb == "create" and w.ref.resource == CHANGE_EVENTS]
        return Books(
            effects=[Effect(w.ref.name, stamp_in(w.body), i) for i, w in enumerate(writes) if w.ref in DEEDS_ON],
            intents=[Intent(write.ref.name, index) for write, index in created],
            records=[record_of(body) for body in self.stage.changes],
        )

    # --- how it is played

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self.runner.run(work)

    async def _ticks(self, count: int) -> None:
        for _ in range(count):
            self.stage.roll_out()
            try:
                await self.stage.reconciler.tick([self.policy])
            except Killed:
                self._new_process()
            self.lived += TICK
            self.stage.clock.advance(TICK)

    def _new_process(self) -> None:
        self.stage.cluster.dies_at = 0
        self.stage.restart()
        self.stage.reconciler.context = replace(self.stage.reconciler.context, metrics=self.oracle, history=self.oracle)

    def _before_write(self, write: Write) -> None:
        if self.well_at_next_record and write.verb == "create" and write.ref.resource == CHANGE_EVENTS:
            self.well_at_next_record, self.oracle.reading = False, "healthy"
        if write.ref not in DEEDS_ON:
            return
        if self.hands is not None:
            self.stage.cluster.edit(*self.hands)
            self.hands = None
        body = deepcopy(dict(self.stage.deployment))
        self.moments[id(write)] = Moment(body, self._floor(), self.stage.clock.now(), self.lived, len(self.oracle.told))

    def _interfere(self, change: Callable[[dict[str, Any]], object], ref: Ref, *, late: bool) -> None:
        if late:
            self.hands = ref, change
        else:
            self.stage.cluster.edit(ref, change)

    def _floor(self) -> int | None:
        found = self.stage.cluster.objects(AUTOSCALERS)
        return int(found[0]["spec"]["minReplicas"]) if found else None

    def _have_replica_set(self) -> None:
        """As the deployment controller makes it."""
        body = self.stage.deployment
        self.stage.cluster.put(
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "metadata": {
                    "name": f"{TARGET.name}-{self.releases}",
                    "namespace": TARGET.namespace,
                    "labels": dict(body["spec"]["selector"]["matchLabels"]),
                    "annotations": {"deployment.kubernetes.io/revision": str(self.releases)},
                    "ownerReferences": [{"uid": body["metadata"]["uid"], "controller": True}],
                },
                "spec": {"template": body["spec"]["template"]},
            }
        )

    def _record(self, write: Write) -> Body:
        name = stamp_in(write.body)
        return next(body for body in self.stage.changes if body["metadata"]["name"] == name)


class ApprovingMachine(SalusMachine):
    """The same in mode Approve, with a person who says yes, no, too late, or to something else.

    - a write follows a yes, to this very record, before it expires, while the workload is as it was then;
    - no remedy is done in an incident in which it was denied.
    """

    mode = "Approve"

    @rule(decision=st.sampled_from(["Approved", "Approved", "Approved", "Denied"]), ticks=st.integers(0, 12))
    def a_person_answers(self, decision: str, ticks: int) -> None:
        """Unhealthy until somebody is asked, they answer, and some time passes."""
        self.time_passes("unhealthy", 4)
        self._answer_all(decision)
        self.time_passes("unhealthy", ticks)

    @rule(decision=st.sampled_from(["Approved", "Denied"]))
    def a_person_answers_what_was_over(self, decision: str) -> None:
        """Nobody holds them back: the record has its end already."""
        over = [body for body in self.stage.changes if "completedAt" in body["status"] and self._is_unanswered(body)]
        if over:
            self._answer(over[-1], decision)

    @rule()
    def a_person_answers_after_an_hour(self) -> None:
        """Longer than people may take; it is unhealthy all the while."""
        self.time_passes("unhealthy", 4)
        self.clock_jumps_forth(3600)
        self.time_passes("unhealthy", 4)
        self._answer_all("Approved")
        self.time_passes("unhealthy", 4)

    @rule()
    def denied_and_then_released(self) -> None:
        """A no, another release while it is still unhealthy, and somebody who says yes to whatever is asked."""
        self.a_person_answers("Denied", 1)
        self.others_release()
        self.a_person_answers("Approved", 4)

    def _answer_all(self, decision: str) -> None:
        for body in filter(self._is_unanswered, self.stage.changes):
            self._answer(body, decision)

    @staticmethod
    def _is_unanswered(body: Body) -> bool:
        return body["spec"]["decision"] == "AwaitApproval" and "approval" not in body["spec"]

    def _answer(self, body: Body, decision: str) -> None:
        given = {"decision": decision, "by": "ada", "digest": body["spec"]["digest"]}
        ref = Ref(CHANGE_EVENTS, body["metadata"]["namespace"], body["metadata"]["name"])
        self.stage.cluster.edit(ref, lambda body: body["spec"].update(approval=given))

    def _judge_leave(self, moment: Moment, record: Body) -> None:
        spec = record["spec"]
        assert spec["decision"] == "AwaitApproval", "a write that nobody was asked about"
        assert (spec.get("approval") or {}).get("decision") == "Approved", "a write that nobody approved"
        assert format_time(moment.at) < spec["expiresAt"], "a write after its approval had expired"
        assert moment.body["metadata"]["generation"] == spec["before"]["generation"], "approved for another workload"
        denied = [
            change
            for change in self.stage.changes
            if (change["spec"].get("approval") or {}).get("decision") == "Denied"
            and change["spec"].get("incidentRef") == spec.get("incidentRef")
            and change["spec"]["remedy"] == spec["remedy"]
            and change["spec"]["sequence"] < spec["sequence"]
            and not self._answered_when_over(change)
        ]
        assert denied == [], "a write that was denied in this incident"

    @staticmethod
    def _answered_when_over(change: Body) -> bool:
        return not str(change["status"].get("message", "")).startswith("denied by")


def _container(body: dict[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = body["spec"]["template"]["spec"]["containers"][0]
    return container


_SETTINGS = settings(
    derandomize=True,
    max_examples=25,
    stateful_step_count=20,
    suppress_health_check=[HealthCheck.too_slow],
)
TestAnyHistory = SalusMachine.TestCase
TestAnyHistory.settings = _SETTINGS
TestAnyHistoryWithAPerson = ApprovingMachine.TestCase
TestAnyHistoryWithAPerson.settings = _SETTINGS
