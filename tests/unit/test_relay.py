"""The relay on fakes: sinks that are away, refuse, or come back; an API server that fails; a process that dies."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from salus.core.records.delivery import DELIVERED
from salus.model.scalars import Body, format_time
from salus.model.values.configuration import Sink
from salus.ports import CHANGE_EVENTS, NotTaken, Ref, Unavailable
from salus.reconcile.records.relay import LONGEST_WISH, REFUSED_AGAIN, TURN, Relay
from salus.rehearsal.ports import NullTelemetry, VirtualClock
from tests.builders import NAMESPACE, NOW
from tests.fakes.cluster import FakeCluster
from tests.fakes.records import WatchedStore
from tests.fakes.sinks import FakeSinks
from tests.unit.stage import Stage, a_reconciler, a_stage
from tests.unit.test_delivery import a_record

AWAY = NotTaken("Timeout", "no answer within 5s")


@dataclass
class Counted(NullTelemetry):
    """What the sinks' metrics say."""

    outcomes: list[str] = field(default_factory=list)
    waits: dict[str, int] = field(default_factory=dict)

    def sent(self, sink: str, outcome: str) -> None:
        self.outcomes.append(f"{sink} {outcome}")

    def waiting(self, sink: str, events: int) -> None:
        self.waits[sink] = events


@dataclass
class Post:
    """Records, receivers, and a relay that may be killed and made again."""

    cluster: FakeCluster = field(default_factory=lambda: FakeCluster(now=lambda: NOW))
    sinks: FakeSinks = field(default_factory=FakeSinks)
    telemetry: Counted = field(default_factory=Counted)
    leads: bool = True
    seconds: float = 0.0
    relay: Relay = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """A new process, that knows nothing but what is on record."""
        service = a_stage(lambda _: True).service
        context = a_reconciler(
            self.cluster, service, VirtualClock(NOW), sinks=lambda: dict.fromkeys(self.sinks.names, Sink())
        ).context
        context = replace(context, telemetry=self.telemetry)
        self.relay = Relay(context, self.sinks, lambda: "eu", lambda: self.leads, lambda: self.seconds)

    def put(self, *sinks: str, sequence: int = 1, **more: Any) -> Ref:  # noqa: ANN401 — handed on
        """Have a record, as the journal would have made and noted it."""
        body = a_record(*sinks, **more)
        body["metadata"] |= {"name": f"web-0a1b2c3d-{sequence}", "uid": f"u{sequence}"}
        body["spec"]["sequence"] = sequence
        self.cluster.put(body)
        return Ref(CHANGE_EVENTS, NAMESPACE, body["metadata"]["name"])

    def end(self, ref: Ref, outcome: str = "Recovered") -> None:
        """The change is over."""
        status = a_record(ended=outcome)["status"]
        self.cluster.edit(ref, lambda body: body["status"].update(status))

    async def go_on(self, seconds: float, step: float = 1.0) -> None:
        """Rounds, one a step, for so long."""
        for _ in range(int(seconds / step)):
            await self.relay.round()
            self.seconds += step

    def delivered(self, ref: Ref) -> tuple[str, str]:
        """Status and reason of the condition; empty while there is none."""
        body = next(b for b in self.cluster.objects(CHANGE_EVENTS) if b["metadata"]["name"] == ref.name)
        conditions = (body.get("status") or {}).get("conditions") or ()
        return next(((c["status"], c["reason"]) for c in conditions if c["type"] == DELIVERED), ("", ""))

    def uid(self, ref: Ref) -> str:
        """As the cluster gave it."""
        return str(
            next(b["metadata"]["uid"] for b in self.cluster.objects(CHANGE_EVENTS) if b["metadata"]["name"] == ref.name)
        )


async def test_a_change_is_told_of_as_it_begins_and_as_it_ends() -> None:
    post = Post()
    ref = post.put("audit")
    await post.go_on(3)
    assert (post.sinks.ids(), post.delivered(ref)) == ([f"{post.uid(ref)}.started"], ("", ""))

    post.end(ref)
    await post.go_on(3)

    assert post.sinks.ids() == [f"{post.uid(ref)}.started", f"{post.uid(ref)}.finished"]
    assert post.delivered(ref) == ("True", "Taken")
    assert post.telemetry.waits == {"audit": 0}


async def test_a_receiver_that_is_away_for_ten_minutes_loses_none_and_gets_none_twice() -> None:
    """Changes begin and end meanwhile, and Salus is restarted in the middle of it."""
    post = Post()
    post.sinks.problems["audit"] = AWAY
    refs = []
    for number in range(1, 21):
        refs.append(post.put("audit", sequence=number))
        await post.go_on(15)
        post.end(refs[-1])
        await post.go_on(15)
        if number == 10:
            post.restart()
    assert post.sinks.ids() == []
    assert post.delivered(refs[0]) == ("False", "Timeout")
    assert post.telemetry.waits == {"audit": 20}

    del post.sinks.problems["audit"]
    await post.go_on(120)

    assert sorted(post.sinks.ids()) == sorted(
        f"{post.uid(ref)}.{told}" for ref in refs for told in ("started", "finished")
    )
    for ref in refs:
        own = [one for one in post.sinks.ids() if one.startswith(post.uid(ref))]
        assert own == [f"{post.uid(ref)}.started", f"{post.uid(ref)}.finished"]
        assert post.delivered(ref) == ("True", "Taken")


async def test_a_receiver_that_is_away_is_left_alone_longer_and_longer() -> None:
    post = Post()
    post.put("audit")
    post.sinks.problems["audit"] = AWAY
    tried: list[float] = []
    for _ in range(600):
        before = post.sinks.tried
        await post.go_on(1)
        tried += [post.seconds - 1] * (post.sinks.tried - before)

    assert tried[:8] == [0, 1, 3, 7, 15, 31, 63, 123]
    assert len(tried) == 15


@pytest.mark.parametrize(
    ("asked", "pause"),
    [
        pytest.param(timedelta(minutes=5), 300, id="longer than ours: as it likes"),
        pytest.param(timedelta(milliseconds=1), 1, id="shorter than ours: ours"),
        pytest.param(timedelta(days=1), LONGEST_WISH.total_seconds(), id="a day: an hour"),
    ],
)
async def test_a_receiver_may_ask_for_a_pause(asked: timedelta, pause: float) -> None:
    post = Post()
    post.put("audit")
    post.sinks.problems["audit"] = NotTaken("HttpError", "answered HTTP 429", retry_after=asked)
    await post.go_on(1)

    while post.sinks.tried == 1:
        await post.go_on(1)

    assert post.seconds - 1 == pause


async def test_one_receiver_does_not_wait_for_another() -> None:
    post = Post(sinks=FakeSinks({"audit", "oncall"}))
    post.sinks.problems["oncall"] = AWAY
    ref = post.put("audit", "oncall", decision="Refuse")

    await post.go_on(30)

    assert post.sinks.ids("audit") == [f"{post.uid(ref)}.finished"]
    assert post.delivered(ref) == ("False", "Timeout")

    del post.sinks.problems["oncall"]
    await post.go_on(60)

    assert post.sinks.ids("audit") == post.sinks.ids("oncall") == [f"{post.uid(ref)}.finished"]
    assert post.delivered(ref) == ("True", "Taken")


async def test_an_event_that_is_refused_for_itself_holds_up_nothing_and_is_tried_again() -> None:
    post = Post()
    refs = [post.put("audit", sequence=number, decision="Refuse") for number in (1, 2, 3)]
    bad = f"{post.uid(refs[0])}.finished"
    post.sinks.refused.add(bad)
    await post.relay.round()
    assert post.sinks.ids() == [f"{post.uid(ref)}.finished" for ref in refs[1:]]
    assert (post.delivered(refs[0]), post.delivered(refs[1])) == (("False", "Refused"), ("True", "Taken"))
    await post.go_on(30)
    assert post.sinks.tried == 3

    post.sinks.refused.clear()
    await post.go_on(REFUSED_AGAIN.total_seconds())

    assert post.sinks.ids()[-1] == bad
    assert post.delivered(refs[0]) == ("True", "Taken")


async def test_what_was_taken_and_not_written_down_is_not_sent_again_by_the_same_process() -> None:
    """The API server was away just then."""
    post = Post()
    ref = post.put("audit", decision="Refuse")
    post.cluster.fail_next(Unavailable("timeout"))

    await post.go_on(5)

    assert post.sinks.ids() == [f"{post.uid(ref)}.finished"]
    assert post.delivered(ref) == ("True", "Taken")


async def test_killed_in_between_it_is_sent_again_with_the_same_id() -> None:
    post = Post()
    ref = post.put("audit", decision="Refuse")
    post.cluster.fail_next(Unavailable("timeout"))
    await post.go_on(1)

    post.restart()
    await post.go_on(5)

    assert post.sinks.ids() == [f"{post.uid(ref)}.finished"] * 2
    assert {event["source"] for _, event in post.sinks.taken} == {"/clusters/eu/salus"}
    assert post.delivered(ref) == ("True", "Taken")


async def test_a_process_that_starts_reads_what_is_left_from_the_records() -> None:
    post = Post()
    done = post.put("audit", sequence=1, decision="Refuse")
    await post.go_on(3)
    half = post.put("audit", sequence=2)
    await post.go_on(3)
    post.end(half)
    new = post.put("audit", sequence=3, decision="DryRun")
    before = len(post.sinks.taken)

    post.restart()
    await post.go_on(5)

    assert sorted(post.sinks.ids()[before:]) == sorted([f"{post.uid(half)}.finished", f"{post.uid(new)}.finished"])
    assert {post.delivered(ref) for ref in (done, half, new)} == {("True", "Taken")}


async def test_a_namespace_whose_records_may_not_be_read_holds_up_no_other() -> None:
    post = Post()
    left = post.put("audit", decision="Refuse")

    post.cluster.closed.add("gone")
    post.restart()
    post.relay.context = replace(post.relay.context, records=WatchedStore(post.cluster, ("gone", NAMESPACE)))
    await post.go_on(3)

    assert post.delivered(left) == ("True", "Taken")


async def test_a_record_that_the_watch_lost_is_found_by_the_next_list() -> None:
    post = Post()
    store = post.relay.context.records
    assert isinstance(store, WatchedStore)
    store.held = True
    body = post.cluster.put(a_record("audit", decision="Refuse"))

    await post.go_on(3)
    assert post.sinks.ids() == []
    store.list_all()
    await post.go_on(1)

    assert post.sinks.ids() == [f"{body['metadata']['uid']}.finished"]


async def test_a_record_whose_end_a_watch_is_late_to_show_is_told_of_once() -> None:
    """What was delivered is known from the answer to its own write."""
    post = Post()
    store = post.relay.context.records
    assert isinstance(store, WatchedStore)
    post.put("audit", decision="Refuse")
    store.held = True

    await post.go_on(10)
    store.release()
    await post.go_on(10)

    assert (len(post.sinks.ids()), post.telemetry.waits) == (1, {"audit": 0})


async def test_a_process_that_does_not_lead_sends_nothing() -> None:
    post = Post(leads=False)
    post.put("audit", decision="Refuse")
    await post.go_on(10)
    assert post.sinks.tried == 0

    post.leads = True
    await post.go_on(1)

    assert post.sinks.tried == 1


async def test_who_leads_again_forgets_what_it_knew() -> None:
    """Another process has delivered everything meanwhile."""
    post = Post()
    post.sinks.problems["audit"] = AWAY
    ref = post.put("audit", decision="Refuse")
    await post.go_on(1)
    taken = a_record("audit", taken={"audit": "Finished"})["status"]
    post.cluster.edit(ref, lambda body: body["status"].update(taken))
    del post.sinks.problems["audit"]

    post.relay.outdated()
    await post.go_on(120)

    assert post.sinks.ids() == []


async def test_a_sink_that_is_configured_no_more_is_waited_for_and_gets_its_events_when_it_is_back() -> None:
    post = Post(sinks=FakeSinks({"audit", "oncall"}))
    post.sinks.names.remove("oncall")
    ref = post.put("oncall", decision="Refuse")
    await post.go_on(10)
    assert post.delivered(ref) == ("False", "UnknownSink")

    post.sinks.names.add("oncall")
    await post.go_on(60)

    assert post.delivered(ref) == ("True", "Taken")


async def test_a_record_that_is_deleted_is_forgotten() -> None:
    post = Post()
    post.sinks.problems["audit"] = AWAY
    ref = post.put("audit", decision="Refuse")
    await post.go_on(1)
    post.cluster.remove(ref)

    await post.go_on(60)

    assert post.telemetry.waits == {"audit": 0}


@dataclass(slots=True)
class Slow(FakeSinks):
    """Each answer takes longer than the turn that a sink has in one round."""

    answered: Callable[[], None] = lambda: None

    async def send(self, sink: str, event: Body) -> NotTaken | None:
        self.answered()
        return await FakeSinks.send(self, sink, event)


async def test_a_namespace_that_makes_many_records_holds_up_its_own_only() -> None:
    """The sink takes one a round; the newest record of all, of another namespace, is the second that it gets."""
    sinks = Slow()
    post = Post(sinks=sinks)
    for sequence in range(1, 51):
        post.put("audit", sequence=sequence, decision="Refuse")
    body = a_record("audit", decision="Refuse")
    body["metadata"] |= {"namespace": "bank", "name": "core-0a1b2c3d-1", "uid": "bank"}
    post.cluster.put(body)

    def answered() -> None:
        post.seconds += 2 * TURN.total_seconds()

    sinks.answered = answered
    await post.go_on(3)

    assert [event["subject"].partition("/")[0] for _, event in sinks.taken] == [NAMESPACE, "bank", NAMESPACE]


class Defective(FakeSinks):
    """One whose adapter has a defect."""

    async def send(self, sink: str, event: Body) -> NotTaken | None:
        if sink == "oncall":
            self.tried += 1
            raise RuntimeError("a defect")
        return await FakeSinks.send(self, sink, event)


async def test_a_defect_costs_one_sink_its_turn_and_the_others_nothing() -> None:
    """And it makes no storm: the sink is left alone as one that does not answer."""
    post = Post(sinks=Defective({"audit", "oncall"}))
    refs = [post.put("audit", "oncall", sequence=number, decision="Refuse") for number in (1, 2)]

    await post.go_on(60)

    assert post.sinks.ids("audit") == [f"{post.uid(ref)}.finished" for ref in refs]
    assert post.sinks.tried == 2 + 6, "after 0, 1, 3, 7, 15 and 31 seconds"


@dataclass(slots=True)
class DeafCluster(FakeCluster):
    """A FakeCluster that can be made to answer no read of an object."""

    deaf: bool = False
    gets: int = 0

    async def get(self, ref: Ref) -> Body:
        self.gets += 1
        if self.deaf:
            raise Unavailable("timeout")
        return await FakeCluster.get(self, ref)


async def test_an_api_server_that_is_away_is_not_the_sinks_fault_and_is_not_stormed() -> None:
    cluster = DeafCluster(now=lambda: NOW, deaf=True)
    post = Post(cluster)
    ref = post.put("audit", decision="Refuse")
    await post.go_on(60)
    assert (post.sinks.tried, cluster.gets) == (0, 6)

    cluster.deaf = False
    await post.go_on(60)

    assert post.delivered(ref) == ("True", "Taken")


# --- with the loop before it


def a_watched_stage(*names: str, **remedy: Any) -> Stage:  # noqa: ANN401 — handed on
    """A stage whose records go to these sinks."""
    stage = a_stage(lambda body: bool(body["spec"]["template"]["metadata"].get("annotations")), {"name": "r", **remedy})
    sinks = dict.fromkeys(names, Sink())
    stage.reconciler = a_reconciler(
        stage.cluster, stage.service, stage.clock, accounts=stage.accounts, sinks=lambda: sinks
    )
    return stage


async def test_what_the_loop_records_is_told_in_its_order() -> None:
    stage, sinks = a_watched_stage("audit", restart={}), FakeSinks()
    relay = Relay(stage.reconciler.context, sinks, lambda: "eu", clock=lambda: 0.0)
    for _ in range(60):
        await stage.ticks(1)
        await relay.round()

    acted = [(event["type"], event.get("outcome")) for _, event in sinks.taken if event["decision"] == "Act"]
    assert acted[:2] == [("dev.salus.change.started", None), ("dev.salus.change.finished", "Recovered")]
    assert "completedAt" not in next(event for _, event in sinks.taken if event["decision"] == "Act")["data"]["status"]
    assert len(sinks.ids()) == len(set(sinks.ids()))
    assert {body["spec"]["sinks"][0] for body in stage.changes} == {"audit"}


async def test_healing_does_not_wait_for_a_sink() -> None:
    stage = a_watched_stage("audit", restart={})
    sinks = FakeSinks(problems={"audit": AWAY})
    relay = Relay(stage.reconciler.context, sinks, lambda: "eu", clock=lambda: 0.0)
    for _ in range(60):
        await stage.ticks(1)
        await relay.round()

    assert [body["status"]["outcome"] for body in stage.changes if body["spec"]["decision"] == "Act"] == ["Recovered"]
    assert sinks.taken == []


@pytest.mark.parametrize(
    ("names", "problems", "expected"),
    [
        pytest.param((), {}, [("True", "Posted")], id="without sinks its Event is all"),
        pytest.param(("audit",), {}, [("True", "Taken")], id="with a sink, when that took it"),
        pytest.param(("audit",), {"audit": AWAY}, [("False", "Timeout")], id="a sink that is away did not"),
    ],
)
async def test_when_a_notification_is_delivered(
    names: tuple[str, ...], problems: dict[str, NotTaken], expected: list[tuple[str, str]]
) -> None:
    stage = a_watched_stage(*names, notify={})
    relay = Relay(stage.reconciler.context, FakeSinks(problems=problems), lambda: "eu", clock=lambda: 0.0)
    for _ in range(20):
        await stage.ticks(1)
        await relay.round()

    notice = next(body for body in stage.changes if body["spec"]["action"] == "Notify")
    conditions = [c for c in notice["status"]["conditions"] if c["type"] == DELIVERED]
    assert [(c["status"], c["reason"]) for c in conditions] == expected


async def test_a_notification_that_no_sink_was_told_of_yet_is_not_delivered() -> None:
    stage = a_watched_stage("audit", notify={})
    await stage.ticks(20)

    notice = next(body for body in stage.changes if body["spec"]["action"] == "Notify")
    assert notice["status"]["completedAt"]
    assert [c["type"] for c in notice["status"].get("conditions") or ()] == []


async def test_a_record_that_cannot_be_read_does_not_keep_the_others_from_being_sent() -> None:
    """Listed together, told apart; and in the order in which they were decided, whatever their names."""
    post = Post()
    late, bad, early = (post.put("audit", sequence=number, decision="Refuse") for number in (1, 2, 3))
    post.cluster.edit(late, lambda body: body["spec"].update(decidedAt=format_time(NOW)))
    post.cluster.edit(bad, lambda body: body.update(status={"deliveries": "many"}))
    post.cluster.edit(early, lambda body: body["spec"].update(decidedAt=format_time(NOW - timedelta(hours=1))))
    post.restart()

    await post.go_on(2)

    assert post.sinks.ids("audit") == [f"{post.uid(early)}.finished", f"{post.uid(late)}.finished"]
