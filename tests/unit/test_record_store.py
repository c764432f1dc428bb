"""The store of records under watches that lag, lose and begin again: what it says, and what is done because of it."""

import random
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from salus.core.records.changes import past_change
from salus.core.records.entries import AnyRecord, ChangeRecord, change_record, key_of
from salus.core.records.names import TARGET_LABEL, change_name, target_id
from salus.model.scalars import Body, format_time
from salus.ports import CHANGE_EVENTS, Ref
from salus.reconcile.tick import Reconciler
from salus.rehearsal.cluster import Write
from salus.rehearsal.server import copied
from tests.builders import NOW
from tests.fakes.cluster import FakeCluster
from tests.fakes.records import WatchedStore
from tests.unit.stage import KEY, NAMESPACE, TARGET, TICK, Stage, a_reconciler, a_stage
from tests.unit.test_delivery import a_record

NAMES = 4


def a_change(number: int) -> dict[str, Any]:
    body = a_record(ended="")
    spec = {**body["spec"], "targetRef": {"kind": "Deployment", "name": KEY.name, "uid": "u"}, "sequence": number}
    metadata = {"namespace": NAMESPACE, "name": change_name(KEY, number), "labels": {TARGET_LABEL: target_id(KEY)}}
    return {**body, "metadata": metadata, "spec": spec, "status": {}}


class Bookkeeper:
    """Drives a store by chance, and remembers what it may never unlearn."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.cluster = FakeCluster(now=lambda: NOW)
        self.store = WatchedStore(self.cluster)
        self.store.held = True
        self.known: dict[str, int] = {}
        """Uid → the newest version that the store was shown."""
        self.gone: set[str] = set()
        """Uids that the store was told are deleted."""
        self.lists: list[tuple[Any, list[Body], str]] = []

    def live(self) -> list[Body]:
        return list(self.cluster.peek(CHANGE_EVENTS))

    def pick(self) -> Ref | None:
        found = self.live()
        return Ref(CHANGE_EVENTS, *key_of(self.dice.choice(found))) if found else None

    async def own_creation(self) -> None:
        body = a_change(self.dice.randint(1, NAMES))
        free = key_of(body) not in map(key_of, self.live())
        self.store.intend(body)
        if free:
            created = await self.cluster.create(CHANGE_EVENTS, body)
            if self.dice.random() < 0.7:
                self.note(created)
        self.store.intended(body, refused=not free)

    def note(self, body: Body) -> None:
        self.store.note(copied(body))
        uid = body["metadata"]["uid"]
        self.known[uid] = max(self.known.get(uid, 0), int(body["metadata"]["resourceVersion"]))

    async def own_write(self) -> None:
        if (ref := self.pick()) is not None:
            self.note(await self.cluster.update_status(ref, {"occurrences": self.dice.randrange(1, 99)}))

    async def foreign_creation(self) -> None:
        body = a_change(self.dice.randint(1, NAMES))
        if key_of(body) not in map(key_of, self.live()):
            self.cluster.put(body)

    async def foreign_write(self) -> None:
        if (ref := self.pick()) is not None:
            count = self.dice.randrange(1, 99)
            self.cluster.edit(ref, lambda body: body["status"].update(occurrences=count))

    async def deletion(self) -> None:
        if (ref := self.pick()) is not None:
            uid = (await self.cluster.get(ref))["metadata"]["uid"]
            self.cluster.remove(ref)
            if self.dice.random() < 0.5:
                self.store.forget(ref, uid)
                self.gone.add(uid)

    async def event(self) -> None:
        if self.store.waiting:
            kind, body = self.store.waiting[0]
            self.store.release(1)
            if kind == "DELETED":
                self.gone.add(body["metadata"]["uid"])

    async def forgotten(self) -> None:
        self.store.list_all()

    async def list_begins(self) -> None:
        listing = next(iter(self.store.watched.values())).begin()
        self.lists.append((listing, [copied(body) for body in self.live()], self.cluster.version))

    async def list_ends(self) -> None:
        if self.lists:
            listing, bodies, version = self.lists.pop(0)
            for body in bodies:
                listing.add(body)
            listing.complete(version)
            listing.give_up()

    async def refreshed(self) -> None:
        await self.store.refresh(KEY)
        there = sorted(past_change(body).sequence for body in self.live())
        assert [change.sequence for change in self.store.changes_of(KEY)] == there, "it is all that is known then"

    def check(self) -> None:
        seen = {record.uid: record.version for record in self.store.changes_in(NAMESPACE)}
        there = {body["metadata"]["uid"] for body in self.live()}
        for uid, version in self.known.items():
            if uid in there:
                assert seen.get(uid, 0) >= version, "an own write was unlearned"
        assert not self.gone & seen.keys(), "what was deleted came back"


STEPS: tuple[Callable[[Bookkeeper], Any], ...] = (
    Bookkeeper.own_creation,
    Bookkeeper.own_write,
    Bookkeeper.foreign_creation,
    Bookkeeper.foreign_write,
    Bookkeeper.deletion,
    Bookkeeper.event,
    Bookkeeper.event,
    Bookkeeper.event,
    Bookkeeper.forgotten,
    Bookkeeper.list_begins,
    Bookkeeper.list_ends,
    Bookkeeper.refreshed,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, len(STEPS) - 1), max_size=40), st.integers(0, 2**16))
@example([9, *[0] * 11, 8, 10, 1], 0)  # a list is overtaken by another one, which alone has shown what is written then
async def test_own_writes_are_seen_at_once_and_never_unlearned(steps: list[int], seed: int) -> None:
    """Whatever the order in which lists, events and answers come; and at last the store says what is there."""
    keeper = Bookkeeper(random.Random(seed))  # noqa: S311 - a test's dice
    for step in steps:
        await STEPS[step](keeper)
        keeper.check()
    while keeper.lists:
        await keeper.list_ends()
        keeper.check()
    keeper.store.release()
    keeper.store.list_all()
    keeper.check()

    there = sorted((past_change(body).sequence, past_change(body).occurrences) for body in keeper.live())
    assert [(change.sequence, change.occurrences) for change in keeper.store.changes_of(KEY)] == there
    assert names(everything(keeper.store)) == names(keeper.store.changes_in(NAMESPACE)), "no intent is left"


class Everything:
    """A view that is told all that is known, intents too, when it begins to follow."""

    def __init__(self) -> None:
        self.changes: list[ChangeRecord] = []

    def changed(self, _: AnyRecord | None, after: AnyRecord | None) -> None:
        if isinstance(after, ChangeRecord):
            self.changes.append(after)


def everything(store: WatchedStore) -> list[ChangeRecord]:
    view = Everything()
    store.follow(view)
    return view.changes


def names(records: Iterable[ChangeRecord]) -> list[tuple[str, str, str]]:
    return sorted((record.namespace, record.name, record.uid) for record in records)


def a_store() -> tuple[FakeCluster, WatchedStore]:
    cluster = FakeCluster(now=lambda: NOW)
    store = WatchedStore(cluster)
    store.held = True
    return cluster, store


def sequences(store: WatchedStore) -> list[int]:
    return [change.sequence for change in store.changes_of(KEY)]


async def test_an_own_creation_is_not_dropped_by_a_list_that_began_before_it_was_answered() -> None:
    cluster, store = a_store()
    version, listing = cluster.version, next(iter(store.watched.values())).begin()
    store.note(await cluster.create(CHANGE_EVENTS, a_change(1)))
    listing.complete(version)

    assert sequences(store) == [1]


async def test_a_deletion_of_an_older_object_does_not_remove_the_newer_of_its_name() -> None:
    cluster, store = a_store()
    cluster.put(a_change(1))
    store.release()
    cluster.remove(Ref(CHANGE_EVENTS, NAMESPACE, change_name(KEY, 1)))
    store.note(await cluster.create(CHANGE_EVENTS, a_change(1)))

    store.release()

    assert sequences(store) == [1]


async def test_a_late_answer_does_not_bring_back_what_was_deleted() -> None:
    cluster, store = a_store()
    answer = await cluster.create(CHANGE_EVENTS, a_change(1))
    cluster.remove(Ref(CHANGE_EVENTS, NAMESPACE, change_name(KEY, 1)))
    store.release()
    store.note(answer)

    assert sequences(store) == []


async def test_what_cannot_be_read_is_left_out_and_its_number_is_taken() -> None:
    cluster, store = a_store()
    cluster.put(a_change(1))
    cluster.put({**a_change(2), "status": {"appliedAt": "yesterday"}})
    store.release()

    assert sequences(store) == [1]
    (record,) = [record for record in store.changes_in(NAMESPACE) if record.change is None]
    assert (record.name, record.sequence) == (change_name(KEY, 2), 2)


async def test_an_intent_that_is_never_answered_stays_until_a_list_that_began_later() -> None:
    _, store = a_store()
    earlier = next(iter(store.watched.values())).begin()
    store.intend(a_change(1))
    store.intended(a_change(1), refused=False)

    earlier.complete("1")
    assert len(everything(store)) == 1
    later = next(iter(store.watched.values())).begin()
    later.complete("1")

    assert everything(store) == []


@pytest.mark.parametrize(("decision", "bytes_"), [("Act", 12_000), ("Refuse", 1_800)])
def test_what_is_kept_of_a_record_that_is_over_is_bounded(decision: str, bytes_: int) -> None:
    """As long as a record can be: a write keeps the images that an undo puts on record again."""
    release, checks = "a" * 64, [f"check-{number:02}-{'x' * 50}" for number in range(16)]
    facts = {"replicas": 3, "release": release, "images": [f"{'i' * 500}{number}" for number in range(20)]}
    evidence = [{"check": check, "query": "q" * 2000, "value": "0.5", "threshold": "t" * 60} for check in checks]
    over = {"completedAt": "2026-11-30T00:00:00Z", "outcome": "Recovered", "message": "m" * 1024}
    words = {"message": "m" * 1024, "before": facts, "intended": facts, "evidence": evidence, "decision": decision}

    def a_long_one(number: int) -> Body:
        body = a_change(number)
        return copied({**body, "spec": {**body["spec"], **words}, "status": over if decision == "Act" else {}})

    change_record(a_long_one(0))
    tracemalloc.start()
    kept = [change_record(a_long_one(number)) for number in range(1, 201)]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert all(record.change for record in kept)
    assert held < len(kept) * bytes_


# --- what is done because of it

RESTART = {"name": "restart", "restart": {}}


def as_they_are_written(stage: Stage) -> list[tuple[str, str]]:
    return [(write.verb, f"{write.ref.resource.plural}/{write.ref.name}") for write in stage.cluster.writes]


@pytest.mark.parametrize(
    "remedies",
    [
        pytest.param([RESTART], id="restart"),
        pytest.param([{"name": "grow", "scale": {"by": "1", "max": 9, "revertAfter": "30s"}}, RESTART], id="scale"),
        pytest.param([RESTART, {"name": "page", "notify": {}}], id="and a notification"),
    ],
)
@pytest.mark.parametrize("heals", [True, False], ids=["it helps", "it does not help"])
async def test_a_process_that_its_watch_tells_nothing_does_the_same(
    remedies: list[dict[str, Any]], heals: bool
) -> None:
    """Nobody else writes: its own answers are all there is to know."""

    def cured(body: Body) -> bool:
        annotated = body["spec"]["template"]["metadata"].get("annotations")
        return heals and bool(annotated or body["spec"]["replicas"] > 3)

    told, deaf = a_stage(cured, *remedies), a_stage(cured, *remedies)
    watch(deaf.reconciler).held = True
    for stage in (told, deaf):
        await stage.ticks(40)

    assert as_they_are_written(deaf) == as_they_are_written(told)
    assert len(told.remedial_writes) > 0


def watch(reconciler: Reconciler) -> WatchedStore:
    store = reconciler.context.records
    assert isinstance(store, WatchedStore)
    return store


@dataclass
class Truth:
    """What the API server says in the moment of each write; a process may know less."""

    stage: Stage
    limit: int
    wrong: list[str] = field(default_factory=list)

    def look(self, write: Write) -> None:
        if write.ref != TARGET or write.verb != "patch":
            return
        changes = [past_change(body) for body in self.stage.changes]
        named = [change for change in changes if change.name in str(write.body)]
        still = [change.name for change in changes if change.open]
        if [change.name for change in named] != still:
            self.wrong.append(f"{still} are open, and {[change.name for change in named]} is done")
        if changes[-1] not in named:
            self.wrong.append("a newer record is there")
        done = [change for change in changes if change.applied_at and change not in named and not change.undoes]
        now = self.stage.clock.now()
        if len(done) >= self.limit:
            self.wrong.append(f"{len(done)} were done already")
        times = [change.applied_at for change in done if change.applied_at]
        if times and now - max(times) < TICK:
            self.wrong.append("the cooldown is not over")


@pytest.mark.parametrize("late", [False, True], ids=["the watch follows", "the watch is late"])
async def test_an_approved_write_is_judged_by_what_is_on_record_and_not_by_what_was_watched(*, late: bool) -> None:
    """It takes no number, so no name is its lock: another process has begun a write since people were asked."""
    stage = a_stage(lambda _: False, RESTART, mode="Approve")
    await stage.ticks(6)
    (question,) = stage.changes
    given = {"decision": "Approved", "by": "ada", "digest": question["spec"]["digest"]}
    stage.cluster.edit(Ref(CHANGE_EVENTS, *key_of(question)), lambda body: body["spec"].update(approval=given))
    watch(stage.reconciler).held = late
    policy = {"name": "other", "uid": "o", "generation": 1}
    spec = {**a_change(2)["spec"], "policyRef": policy, "decidedAt": format_time(stage.clock.now())}
    stage.cluster.put({**a_change(2), "spec": spec, "status": {"appliedAt": format_time(stage.clock.now())}})

    await stage.ticks(1)

    assert stage.remedial_writes == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**16))
async def test_two_processes_whose_watches_lag_do_nothing_that_the_truth_forbids(seed: int) -> None:
    """Events come late, or not at all before a list; the two act in turns, on the same policy and target."""
    dice = random.Random(seed)  # noqa: S311 - a test's dice
    stage = a_stage(lambda _: False, RESTART, limits={"cooldown": "5s", "maxActions": 2, "per": "1h"})
    truth = Truth(stage, limit=2)
    stage.cluster.on_write = truth.look
    both = [stage.reconciler, a_reconciler(stage.cluster, stage.service, stage.clock, accounts=stage.accounts)]
    for reconciler in both:
        watch(reconciler).held = True
    for _ in range(60):
        stage.roll_out()
        for reconciler in dice.sample(both, dice.randint(1, 2)):
            match dice.randrange(6):
                case 0:
                    watch(reconciler).list_all()
                case 1 | 2:
                    watch(reconciler).release(dice.randint(1, 5))
                case 3:
                    watch(reconciler).waiting.clear()
            await reconciler.tick([stage.policy])
        stage.clock.advance(TICK)

    assert truth.wrong == []
    assert len({write.body for write in map(_named, stage.remedial_writes)}) == len(stage.remedial_writes), (
        "one write a record"
    )


def _named(write: Write) -> Write:
    """With the name of its record in place of its body."""
    return Write(write.verb, write.ref, str([one for one in write.body if "change" in str(one.get("path"))]))
