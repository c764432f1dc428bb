"""Which records may go, and that nothing goes that anybody still reads."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.adapters import logging
from salus.core.retention import Books, Retention, expendable, longest_window
from salus.loop.retention import Collector
from salus.model.types import Body, format_time, parse_time
from salus.model.values import Budget, Switches
from salus.ports import CHANGE_EVENTS, INCIDENTS, Conflict, Ref, Unavailable
from tests.builders import NAMESPACE, NOW, a_policy
from tests.fakes.cluster import FakeCluster
from tests.fakes.loop import FakeClock
from tests.unit.stage import Stage, a_loop, a_stage

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MONTH = Retention()
WINDOW = 2 * HOUR


def days_ago(count: float) -> str:
    return format_time(NOW - count * DAY)


def a_record(
    sequence: int,
    *,
    age: float = 40,
    target: str = "web",
    decision: str = "Act",
    action: str = "Restart",
    outcome: str = "Recovered",
    incident: str = "",
    open_: bool = False,
    **spec: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """A finished deed of 40 days ago, unless told otherwise."""
    acts = decision in {"Act", "AwaitApproval"}
    at = days_ago(age)
    done = {"appliedAt": at, "completedAt": at, "outcome": outcome} if acts and not open_ else {}
    return {
        "apiVersion": "salus.dev/v1alpha1",
        "kind": "ChangeEvent",
        "metadata": {"name": f"{target}-0a1b2c3d-{sequence}", "namespace": NAMESPACE},
        "spec": {
            "decision": decision,
            "action": action,
            "reason": "AboveThreshold",
            "message": "because",
            "policyRef": {"name": "web"},
            "targetRef": {"kind": "Deployment", "name": target},
            "sequence": sequence,
            "decidedAt": at,
            **({"incidentRef": {"name": incident}} if incident else {}),
            **spec,
        },
        "status": done,
    }


def an_incident(number: int, *, age: float = 40, target: str = "web", phase: str = "Resolved") -> dict[str, Any]:
    resolved = {"resolvedAt": days_ago(age)} if phase == "Resolved" else {}
    return {
        "apiVersion": "salus.dev/v1alpha1",
        "kind": "Incident",
        "metadata": {"name": f"{target}-9f8e7d6c-{number}", "namespace": NAMESPACE},
        "spec": {
            "policyRef": {"name": "web"},
            "targetRef": {"kind": "Deployment", "name": target},
            "openedAt": days_ago(age + 1),
        },
        "status": {"phase": phase, **resolved},
    }


NEWEST = a_record(99, age=0.5, decision="Refuse")
"""The newest record of `web`, which stays in any case."""
OTHER_DEED = a_record(98, age=31)
"""A newer deed of the same sort, so that older ones are not the newest."""


def names(bodies: Sequence[Body]) -> list[str]:
    return [body["metadata"]["name"].rpartition("-")[2] for body in bodies]


def go(
    changes: Sequence[Body],
    incidents: Sequence[Body] = (),
    retention: Retention = MONTH,
    window: timedelta = WINDOW,
    quarantining: Sequence[str] = (),
) -> list[str]:
    """Numbers of the records that may go."""
    return names(expendable(Books(changes, incidents, frozenset(quarantining)), retention, window, NOW))


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        pytest.param([a_record(1)], ["1"], id="a deed of 40 days ago"),
        pytest.param([a_record(1, age=29.9)], [], id="not yet 30 days"),
        pytest.param([a_record(1, decision="Refuse")], ["1"], id="an old refusal"),
        pytest.param([a_record(1, decision="DryRun")], ["1"], id="an old rehearsal"),
        pytest.param([a_record(1, decision="AwaitApproval", outcome="Expired")], ["1"], id="a question that is over"),
        pytest.param([a_record(2, age=50), a_record(1, age=60)], ["1", "2"], id="the oldest first"),
        pytest.param([a_record(1, open_=True)], [], id="never a change under way"),
        pytest.param([a_record(1, decision="AwaitApproval", open_=True)], [], id="never a question that waits"),
        pytest.param(
            [a_record(1, decision="AwaitApproval", open_=True, approval={"decision": "Approved"})],
            [],
            id="never one that was approved and is not done",
        ),
    ],
)
def test_old_finished_changes_go(changes: list[Body], gone: list[str]) -> None:
    assert go([*changes, OTHER_DEED, NEWEST]) == gone


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([a_record(7)], id="the newest of its target, or its number would be given twice"),
        pytest.param([a_record(7, decision="Refuse")], id="the newest, though it is a refusal"),
        pytest.param(
            [a_record(7), a_record(8, age=35, decision="Refuse")],
            id="the newest deed: it may still be undone or contested",
        ),
        pytest.param(
            [a_record(6, action="Scale"), a_record(7, age=35), a_record(8, age=35, decision="Refuse")],
            id="the newest scaling: it may still be reverted",
        ),
        pytest.param(
            [
                a_record(5, action="Scale", outcome="NotRecovered"),
                a_record(6, age=39, action="Scale", outcome="Undone", undoes="web-0a1b2c3d-5"),
                a_record(7, age=35, action="Scale", outcome="Abandoned"),
                a_record(8, age=31, decision="Refuse"),
            ],
            id="a deed behind one that was given up, with its undo",
        ),
    ],
)
def test_what_the_numbering_and_the_way_back_need_stays(changes: list[Body]) -> None:
    assert go(changes) == []
    assert go(changes, retention=Retention(HOUR, 1)) == []


def test_each_target_keeps_its_own_newest() -> None:
    changes = [a_record(n, target=target, decision="Refuse") for target in ("web", "api") for n in (1, 2)]

    assert sorted(body["metadata"]["name"] for body in expendable(Books(changes, ()), MONTH, WINDOW, NOW)) == [
        "api-0a1b2c3d-1",
        "web-0a1b2c3d-1",
    ]


def test_an_undo_goes_after_what_it_took_back() -> None:
    """A deed that stays for another reason keeps its undo: else it would be taken back again."""
    deed = a_record(1, action="Rollback", outcome="Worse")
    undo = a_record(2, action="Rollback", outcome="Undone", undoes="web-0a1b2c3d-1")
    newer = [
        a_record(3, age=35, action="Rollback"),
        a_record(4, age=34, action="Rollback", outcome="Undone", undoes="web-0a1b2c3d-3"),
        NEWEST,
    ]

    assert go([deed, undo, *newer]) == ["1", "2"]
    assert go([deed, undo, *newer], quarantining=["web-0a1b2c3d-1"]) == []


def test_the_changes_of_an_incident_that_goes_on_stay() -> None:
    old = a_record(1, decision="Refuse", incident="web-9f8e7d6c-1")

    assert go([old, NEWEST], [an_incident(1, phase="Escalated")]) == []
    assert go([old, NEWEST], [an_incident(1), an_incident(2)]) == ["1", "1"]


def test_what_a_limit_counts_stays() -> None:
    """However short the age: a policy that allows three actions in ten days needs ten days of records."""
    old = a_record(1, age=9, decision="Refuse")

    assert go([old, NEWEST], retention=Retention(DAY, 1), window=10 * DAY) == []
    assert go([old, NEWEST], retention=Retention(DAY, 1), window=8 * DAY) == ["1"]


@pytest.mark.parametrize(
    ("incidents", "gone"),
    [
        pytest.param([an_incident(1), an_incident(2, age=3)], ["1"], id="an old one"),
        pytest.param([an_incident(1)], [], id="the newest of a policy and a target, or its name would be given twice"),
        pytest.param([an_incident(1, phase="Open"), an_incident(2, age=3)], [], id="never an open one"),
        pytest.param([an_incident(1, phase="Escalated"), an_incident(2, age=3)], [], id="nor an escalated one"),
        pytest.param([an_incident(9), an_incident(10, age=3)], ["9"], id="ten comes after nine"),
    ],
)
def test_old_resolved_incidents_go(incidents: list[Body], gone: list[str]) -> None:
    assert go([], incidents) == gone


def test_an_incident_of_something_unfinished_stays() -> None:
    waiting = a_record(1, decision="AwaitApproval", open_=True, incident="web-9f8e7d6c-1")

    assert go([waiting, NEWEST], [an_incident(1), an_incident(2)]) == []


def test_beyond_their_number_the_oldest_go_however_young() -> None:
    changes = [a_record(n, age=10 - n, decision="Refuse") for n in range(1, 9)]
    incidents = [an_incident(1, age=8.5), an_incident(2, age=1)]

    assert go(changes, incidents, Retention(30 * DAY, 10)) == []
    assert go(changes, incidents, Retention(30 * DAY, 7)) == ["1", "1", "2"]


@pytest.mark.parametrize(
    ("age", "delivered", "gone"),
    [
        pytest.param(20, True, ["1"], id="of those that a sink took the oldest goes"),
        pytest.param(20, False, ["2"], id="one that a sink did not take stays"),
        pytest.param(31, False, ["1"], id="… until it is too old"),
    ],
)
def test_what_a_sink_did_not_take_goes_by_its_age_only(age: float, *, delivered: bool, gone: list[str]) -> None:
    first = a_record(1, age=age, decision="Refuse", sinks=["audit"])
    if delivered:
        first["status"] = {"deliveries": [{"sink": "audit", "told": "Finished", "at": days_ago(age)}]}

    assert go([first, a_record(2, age=10, decision="Refuse"), NEWEST], retention=Retention(per_namespace=2)) == gone


@pytest.mark.parametrize(
    ("limits", "switches", "window"),
    [
        pytest.param({}, Switches(), HOUR + timedelta(minutes=10), id="hands off for an hour, noticed within ten"),
        pytest.param({"per": "36h"}, Switches(), 36 * HOUR, id="the limit of a policy"),
        pytest.param({"cooldown": "5h"}, Switches(), 5 * HOUR, id="its cooldown"),
        pytest.param({}, Switches(namespace_budget=Budget(per=7 * HOUR)), 7 * HOUR, id="a namespace's budget"),
        pytest.param({}, Switches(global_budget=Budget(per=8 * HOUR)), 8 * HOUR, id="the budget of all"),
    ],
)
def test_how_far_the_guards_look_back(limits: Mapping[str, str], switches: Switches, window: timedelta) -> None:
    assert longest_window([a_policy(limits=limits), a_policy()], switches) == window


# --- any books at all


@st.composite
def any_books(draw: st.DrawFn) -> Books:
    changes, incidents = [], []
    for target in ("web", "api"):
        ages = sorted(draw(st.lists(st.floats(0, 90), max_size=8)), reverse=True)
        for number, age in enumerate(ages, 1):
            earlier = [f"{target}-0a1b2c3d-{n}" for n in range(1, number)]
            undoes = draw(st.sampled_from(["", *earlier]))
            sinks, told = draw(st.sampled_from([(False, False), (True, False), (True, True)]))
            changes.append(
                a_record(
                    number,
                    age=age,
                    target=target,
                    decision=draw(st.sampled_from(["Act", "DryRun", "AwaitApproval", "Advise", "Refuse"])),
                    action=draw(st.sampled_from(["Scale", "Restart", "Rollback"])),
                    outcome=draw(st.sampled_from(["Recovered", "Worse", "Abandoned", "Undone"])),
                    open_=draw(st.integers(0, 9)) == 0,
                    incident=f"{target}-9f8e7d6c-{draw(st.integers(1, 3))}",
                    **({"undoes": undoes} if undoes else {}),
                    **({"sinks": ["audit"]} if sinks else {}),
                )
            )
            if told:
                taken = {"sink": "audit", "told": "Finished", "at": format_time(NOW)}
                changes[-1]["status"]["deliveries"] = [taken]
        for number in range(1, draw(st.integers(0, 3)) + 1):
            phase = draw(st.sampled_from(["Resolved", "Resolved", "Open", "Escalated"]))
            incidents.append(an_incident(number, age=draw(st.floats(0, 90)), target=target, phase=phase))
    names = [body["metadata"]["name"] for body in changes]
    quarantining = draw(st.sets(st.sampled_from(names), max_size=2)) if names else frozenset()
    return Books(changes, incidents, quarantining)


RETENTIONS = st.builds(Retention, st.integers(1, 60).map(lambda days: days * DAY), st.integers(1, 20))


def without(books: Books, gone: Sequence[Body]) -> Books:
    names = {(body["kind"], body["metadata"]["name"]) for body in gone}

    def left(bodies: Sequence[Body]) -> list[Body]:
        return [body for body in bodies if (body["kind"], body["metadata"]["name"]) not in names]

    return Books(left(books.changes), left(books.incidents), books.quarantining)


def newest_numbers(bodies: Sequence[Body]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for body in bodies:
        head, _, number = body["metadata"]["name"].rpartition("-")
        numbers[head] = max(numbers.get(head, 0), int(number))
    return numbers


@given(any_books(), RETENTIONS)
def test_whatever_is_on_record_nothing_that_is_needed_goes(books: Books, retention: Retention) -> None:
    gone = expendable(books, retention, WINDOW, NOW)
    left = without(books, gone)

    assert newest_numbers(left.changes) == newest_numbers(books.changes)
    assert newest_numbers(left.incidents) == newest_numbers(books.incidents)
    going_on = {b["metadata"]["name"] for b in books.incidents if b["status"]["phase"] != "Resolved"}
    for body in gone:
        name, spec, status = body["metadata"]["name"], body["spec"], body["status"]
        if body["kind"] == "Incident":
            assert status["phase"] == "Resolved"
            continue
        assert spec["decision"] not in {"Act", "AwaitApproval"} or "completedAt" in status
        assert spec["incidentRef"]["name"] not in going_on
        assert name not in books.quarantining
        assert parse_time(spec["decidedAt"]) < NOW - WINDOW
        assert "sinks" not in spec or "deliveries" in status or parse_time(spec["decidedAt"]) < NOW - retention.max_age
        undone = spec.get("undoes")
        assert undone is None or undone not in {b["metadata"]["name"] for b in left.changes}, "would be undone again"


@given(any_books(), RETENTIONS)
def test_what_is_left_is_young_few_or_needed(books: Books, retention: Retention) -> None:
    """Once everything that may go is gone, nothing more may; round after round comes to rest."""
    left = books
    for _ in range(40):
        gone = expendable(left, retention, WINDOW, NOW)
        if not gone:
            break
        left = without(left, gone[:3])  # a round takes a few

    assert expendable(left, retention, WINDOW, NOW) == []


@given(any_books(), RETENTIONS)
def test_the_order_in_which_they_are_listed_means_nothing(books: Books, retention: Retention) -> None:
    mirrored = Books(books.changes[::-1], books.incidents[::-1], books.quarantining)

    def chosen(some: Books) -> list[tuple[str, str]]:
        return sorted((b["kind"], b["metadata"]["name"]) for b in expendable(some, retention, WINDOW, NOW))

    assert chosen(books) == chosen(mirrored)


# --- the collector


def a_collector(*bodies: Body, now: datetime = NOW) -> tuple[Collector, FakeCluster]:
    stage = a_stage(lambda _: True)
    cluster = FakeCluster(now=lambda: now)
    for body in bodies:
        cluster.put(body)
    world = a_loop(cluster, stage.service, FakeClock(now)).world
    return Collector(world, lambda: [a_policy()]), cluster


async def test_each_is_exported_as_a_whole_before_it_is_deleted() -> None:
    """Even where only errors are logged."""
    old = a_record(1, decision="Refuse")
    collector, cluster = a_collector(old, a_record(2, decision="Refuse", age=1), an_incident(1, age=39), an_incident(2))
    stream = StringIO()
    logging.configure(logging.LogFormat.JSON, "error", stream)
    stored = await cluster.get(Ref(CHANGE_EVENTS, NAMESPACE, "web-0a1b2c3d-1"))

    assert await collector.round(MONTH) == 2

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["logger"], line["event"], line["kind"], line["name"]) for line in lines] == [
        ("salus.export", "record exported", "ChangeEvent", "web-0a1b2c3d-1"),
        ("salus.export", "record exported", "Incident", "web-9f8e7d6c-1"),
    ]
    assert next(line["object"] for line in lines if line["kind"] == "ChangeEvent") == stored
    assert [body["metadata"]["name"] for body in cluster.objects(CHANGE_EVENTS)] == ["web-0a1b2c3d-2"]
    assert [body["metadata"]["name"] for body in cluster.objects(INCIDENTS)] == ["web-9f8e7d6c-2"]


async def test_a_round_is_bounded_and_the_next_goes_on() -> None:
    collector, cluster = a_collector(*(a_record(n, age=60 - n, decision="Refuse") for n in range(1, 11)), NEWEST)

    assert [await collector.round(MONTH, most=4) for _ in range(4)] == [4, 4, 2, 0]
    assert [body["metadata"]["name"] for body in cluster.objects(CHANGE_EVENTS)] == ["web-0a1b2c3d-99"]
    assert [write.ref.name.rpartition("-")[2] for write in cluster.writes] == [str(n) for n in range(1, 11)]


async def test_it_is_that_very_object_or_none() -> None:
    """Deleted by its uid; what somebody else has deleted meanwhile is passed over."""
    collector, cluster = a_collector(a_record(1, decision="Refuse"), a_record(2, decision="Refuse"), NEWEST)
    uids = [body["metadata"]["uid"] for body in cluster.objects(CHANGE_EVENTS)]
    cluster.fail_next(Conflict("another uid"))

    assert await collector.round(MONTH) == 1
    assert [write.body for write in (*cluster.refused, *cluster.writes)] == uids[:2]


async def test_an_api_server_that_is_away_ends_the_round() -> None:
    collector, cluster = a_collector(a_record(1, decision="Refuse"), a_record(2, decision="Refuse"), NEWEST)
    cluster.fail_next(Unavailable("timeout"))

    with pytest.raises(Unavailable):
        await collector.round(MONTH)

    assert cluster.writes == []


async def test_a_kept_release_keeps_the_change_that_quarantined_it() -> None:
    revision = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": "salus-web",
            "namespace": NAMESPACE,
            "labels": {"salus.dev/target": "web-0a1b2c3d"},
            "annotations": {"salus.dev/quarantined-by": "web-0a1b2c3d-1"},
        },
        "revision": 1,
        "data": {},
    }
    collector, cluster = a_collector(a_record(1, decision="Refuse"), a_record(2, decision="Refuse"), NEWEST, revision)

    assert await collector.round(MONTH) == 1
    assert "web-0a1b2c3d-1" in [body["metadata"]["name"] for body in cluster.objects(CHANGE_EVENTS)]


async def test_after_everything_old_is_gone_the_next_record_has_the_next_number() -> None:
    """Three stories, half a year, a round, and another story: no number twice, none left out."""
    stage = a_stage(lambda _: False, {"name": "r", "restart": {}})
    for _ in range(3):
        await story(stage)
    before, incidents = [body["spec"]["sequence"] for body in stage.changes], len(stage.incidents)
    stage.clock.advance(180 * DAY)
    collector = Collector(stage.loop.world, lambda: [stage.policy])

    assert await collector.round(MONTH) == 2 * 2 + 2, "of two stories the deed, the call and the incident"
    await story(stage)

    assert [body["spec"]["sequence"] for body in stage.changes][-2:] == [before[-1] + 1, before[-1] + 2]
    assert stage.incidents[-1]["metadata"]["name"].endswith(f"-{incidents + 1}")


async def story(stage: Stage) -> None:
    """Sick until people were called, then well again."""
    stage.service.is_cured = lambda _: False
    await stage.ticks(20)
    stage.service.is_cured = lambda _: True
    await stage.ticks(10)
