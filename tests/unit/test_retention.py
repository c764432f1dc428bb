"""Which records may go, and that nothing goes that anybody still reads."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.adapters import logging
from salus.core.records.entries import change_record, incident_record
from salus.core.records.releases import release_body
from salus.core.records.retention import Books, Entry, Retention, expendable, in_turns, longest_window, shares
from salus.model.scalars import Body, format_time, parse_time
from salus.model.values.configuration import Budget, Switches
from salus.model.values.policies import Policy
from salus.ports import CHANGE_EVENTS, CONTROLLER_REVISIONS, INCIDENTS, Conflict, Ref, TooMany, Unavailable
from salus.reconcile.records import retention as collecting
from salus.reconcile.records.retention import Collector
from salus.rehearsal.ports import VirtualClock
from tests.builders import NAMESPACE, NOW, TARGET, a_policy, a_template
from tests.fakes.cluster import FakeCluster
from tests.fakes.records import WatchedStore
from tests.unit.stage import Stage, a_reconciler, a_stage

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
    """A finished write of 40 days ago, unless told otherwise."""
    acts = decision in {"Act", "AwaitApproval"}
    at = days_ago(age)
    done = {"appliedAt": at, "completedAt": at, "outcome": outcome} if acts and not open_ else {}
    return {
        "apiVersion": "salus.dev/v1alpha1",
        "kind": "ChangeEvent",
        "metadata": {"name": f"{target}-0a1b2c3d-{sequence}", "namespace": NAMESPACE, "uid": f"{target}-{sequence}"},
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
        "metadata": {"name": f"{target}-9f8e7d6c-{number}", "namespace": NAMESPACE, "uid": f"i-{target}-{number}"},
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
"""A newer write of the same sort, so that older ones are not the newest."""


def names(entries: Sequence[Entry]) -> list[str]:
    return [entry.name.rpartition("-")[2] for entry in entries]


def books(changes: Sequence[Body], incidents: Sequence[Body] = (), **more: Any) -> Books:  # noqa: ANN401
    found = Books([*map(entry_of_change, changes)], [*map(entry_of_incident, incidents)], **more)
    assert None not in (*found.changes, *found.incidents)
    return found


def entry_of_change(body: Body) -> Any:  # noqa: ANN401
    return collecting.entry_of_change(change_record(body))


def entry_of_incident(body: Body) -> Any:  # noqa: ANN401
    return collecting.entry_of_incident(incident_record(body))


def go(
    changes: Sequence[Body],
    incidents: Sequence[Body] = (),
    retention: Retention = MONTH,
    window: timedelta = WINDOW,
    quarantining: Sequence[str] = (),
    **more: Any,  # noqa: ANN401
) -> list[str]:
    """Numbers of the records that may go."""
    on_record = books(changes, incidents, quarantining=frozenset(quarantining), **more)
    return names(expendable(on_record, retention, window, NOW))


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        pytest.param([a_record(1)], ["1"], id="a write of 40 days ago"),
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
            id="the newest write: it may still be undone or contested",
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
            id="a write behind one that was given up, with its undo",
        ),
    ],
)
def test_what_the_numbering_and_the_way_back_need_stays(changes: list[Body]) -> None:
    assert go(changes) == []
    assert go(changes, retention=Retention(HOUR, 1)) == []


def test_each_target_keeps_its_own_newest() -> None:
    changes = [a_record(n, target=target, decision="Refuse") for target in ("web", "api") for n in (1, 2)]

    assert sorted(entry.name for entry in expendable(books(changes), MONTH, WINDOW, NOW)) == [
        "api-0a1b2c3d-1",
        "web-0a1b2c3d-1",
    ]


def test_an_undo_goes_after_what_it_took_back() -> None:
    """A write that stays for another reason keeps its undo: else it would be taken back again."""
    write = a_record(1, action="Rollback", outcome="Worse")
    undo = a_record(2, action="Rollback", outcome="Undone", undoes="web-0a1b2c3d-1")
    newer = [
        a_record(3, age=35, action="Rollback"),
        a_record(4, age=34, action="Rollback", outcome="Undone", undoes="web-0a1b2c3d-3"),
        NEWEST,
    ]

    assert go([write, undo, *newer]) == ["1", "2"]
    assert go([write, undo, *newer], quarantining=["web-0a1b2c3d-1"]) == []


def test_the_changes_of_an_incident_that_goes_on_stay() -> None:
    old = a_record(1, decision="Refuse", incident="web-9f8e7d6c-1")

    assert go([old, NEWEST], [an_incident(1, phase="Escalated")]) == []
    assert go([old, NEWEST], [an_incident(1), an_incident(2)]) == ["1", "1"]


def test_what_a_limit_counts_stays() -> None:
    """However short the age: a policy that allows three actions in ten days needs ten days of writes."""
    old = [a_record(1, age=9), a_record(2, age=8.5)]

    assert go([*old, NEWEST], retention=Retention(DAY, 1), window=10 * DAY) == []
    assert go([*old, NEWEST], retention=Retention(DAY, 1), window=8 * DAY) == ["1"]


@pytest.mark.parametrize("decision", ["Refuse", "DryRun", "Advise"])
def test_what_no_limit_counts_is_kept_by_none(decision: str) -> None:
    """Else a policy could keep its refusals and rehearsals for as long as its limits look back."""
    old = a_record(1, age=9, decision=decision)

    assert go([old, NEWEST], retention=Retention(DAY, 1), window=10 * DAY) == ["1"]


GONE = frozenset({("Deployment", "web")})


@pytest.mark.parametrize(
    ("changes", "incidents", "gone"),
    [
        pytest.param([a_record(6), a_record(7, age=35)], [], ["6", "7"], id="old writes, the newest among them"),
        pytest.param([a_record(7, age=29)], [], [], id="not before their time"),
        pytest.param([a_record(7, open_=True)], [], [], id="nothing unfinished"),
        pytest.param([], [an_incident(3)], ["3"], id="the newest incident"),
        pytest.param([], [an_incident(3, phase="Open")], [], id="none that is open"),
        pytest.param(
            [a_record(7, age=29, incident="web-9f8e7d6c-2")],
            [an_incident(3)],
            [],
            id="no incident before the changes that find theirs by its number",
        ),
    ],
)
@pytest.mark.parametrize(
    "whose", [pytest.param({"gone": GONE}, id="of a workload"), pytest.param({"abandoned": {"web"}}, id="of a policy")]
)
def test_what_is_left_of_who_is_gone_goes_by_its_age(
    changes: list[Body], incidents: list[Body], gone: list[str], whose: dict[str, Any]
) -> None:
    """Preview environments come and go, and each would leave a record and an incident for ever.

    A workload's numbers begin anew with it; of a policy that is gone the workload's newest number is needed still.
    """
    of_a_policy = "abandoned" in whose and changes
    newest = [a_record(99, age=0.1, decision="Refuse", policyRef={"name": "another"})] if of_a_policy else []

    assert go([*changes, *newest], incidents, **whose) == gone
    assert go([*changes, *newest], incidents) == (["6"] if len(changes) == 2 else []), "were it there"


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
    assert longest_window([a_policy(limits=limits), a_policy()], switches, MONTH.max_window) == window


def looking_back(**limits: timedelta) -> Policy:
    """A policy as an older CRD took it, whose limits look back so far."""
    policy = a_policy()
    wide = policy.spec.limits.model_copy(update=limits)
    return replace(policy, spec=policy.spec.model_copy(update={"limits": wide}))


@pytest.mark.parametrize(
    ("limits", "switches", "window"),
    [
        pytest.param({"per": 4000 * DAY}, Switches(), 7 * DAY, id="no longer than the operator allows"),
        pytest.param({"cooldown": 4000 * DAY}, Switches(), 7 * DAY, id="nor a cooldown"),
        pytest.param(
            {"per": 4000 * DAY}, Switches(global_budget=Budget(per=9 * DAY)), 9 * DAY, id="its own budget is its own"
        ),
    ],
)
def test_how_far_they_may_look_back(limits: Mapping[str, timedelta], switches: Switches, window: timedelta) -> None:
    assert longest_window([looking_back(**limits)], switches, MONTH.max_window) == window


@given(st.integers(1, 4000), st.integers(1, 40))
def test_no_policy_keeps_anything_longer_than_the_operator_allows(per: int, days: int) -> None:
    """Whatever its limits say: of old writes all but the newest go."""
    retention = Retention(max_window=days * DAY)
    policy = looking_back(per=per * DAY, cooldown=per * DAY)
    window = longest_window([policy], Switches(), retention.max_window)
    writes = [a_record(number, age=400 - number) for number in range(1, 301)]

    assert window <= days * DAY
    assert len(go([*writes, NEWEST], retention=retention, window=window)) == 299


# --- any books at all


@dataclass(frozen=True)
class Written:
    """What is on record, whole."""

    changes: Sequence[dict[str, Any]]
    incidents: Sequence[dict[str, Any]]
    quarantining: frozenset[str] = frozenset()
    gone: frozenset[tuple[str, str]] = frozenset()
    abandoned: frozenset[str] = frozenset()

    @property
    def read(self) -> Books:
        """As the choice sees it."""
        whose = {"quarantining": self.quarantining, "gone": self.gone, "abandoned": self.abandoned}
        return books(self.changes, self.incidents, **whose)


@st.composite
def any_books(draw: st.DrawFn, *, anybody_gone: bool = False) -> Written:
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
                    outcome=draw(
                        st.sampled_from(["Recovered", "NotRecovered", "Worse", "Abandoned", "Failed", "Undone"])
                    ),
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
    quarantining = draw(st.frozensets(st.sampled_from(names), max_size=2)) if names else frozenset()
    gone = draw(st.frozensets(st.sampled_from(["web", "api"]))) if anybody_gone else frozenset()
    abandoned = draw(st.frozensets(st.just("web"))) if anybody_gone else frozenset()
    return Written(changes, incidents, quarantining, frozenset(("Deployment", name) for name in gone), abandoned)


RETENTIONS = st.builds(Retention, st.integers(1, 60).map(lambda days: days * DAY), st.integers(1, 20))


def without(written: Written, gone: Sequence[Entry]) -> Written:
    names = {(entry.kind, entry.name) for entry in gone}

    def left(bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return [body for body in bodies if (body["kind"], body["metadata"]["name"]) not in names]

    return replace(written, changes=left(written.changes), incidents=left(written.incidents))


def newest_numbers(bodies: Sequence[Body]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for body in bodies:
        head, _, number = body["metadata"]["name"].rpartition("-")
        numbers[head] = max(numbers.get(head, 0), int(number))
    return numbers


@given(any_books(), RETENTIONS)
def test_the_numbers_of_who_is_there_go_on(written: Written, retention: Retention) -> None:
    left = without(written, expendable(written.read, retention, WINDOW, NOW))

    assert newest_numbers(left.changes) == newest_numbers(written.changes)
    assert newest_numbers(left.incidents) == newest_numbers(written.incidents)


@given(any_books(anybody_gone=True), RETENTIONS)
def test_whatever_is_on_record_nothing_that_is_needed_goes(written: Written, retention: Retention) -> None:
    gone = expendable(written.read, retention, WINDOW, NOW)
    left = without(written, gone)

    bodies = {(b["kind"], b["metadata"]["name"]): b for b in (*written.changes, *written.incidents)}
    going_on = {b["metadata"]["name"] for b in written.incidents if b["status"]["phase"] != "Resolved"}
    for body in (bodies[entry.kind, entry.name] for entry in gone):
        name, spec, status = body["metadata"]["name"], body["spec"], body["status"]
        if body["kind"] == "Incident":
            assert status["phase"] == "Resolved"
            continue
        assert spec["decision"] not in {"Act", "AwaitApproval"} or "completedAt" in status
        assert spec["incidentRef"]["name"] not in going_on
        assert name not in written.quarantining
        acted = "appliedAt" in status
        assert parse_time(spec["decidedAt"]) < NOW - (WINDOW if acted else HOUR)
        assert "sinks" not in spec or "deliveries" in status or parse_time(spec["decidedAt"]) < NOW - retention.max_age
        undone = spec.get("undoes")
        assert undone is None or undone not in {b["metadata"]["name"] for b in left.changes}, "would be undone again"


@given(any_books(anybody_gone=True), RETENTIONS)
def test_an_incident_is_found_by_the_changes_that_are_left(written: Written, retention: Retention) -> None:
    """Whoever is gone: a name that a change still says is not given again to another incident."""
    left = without(written, expendable(written.read, retention, WINDOW, NOW))
    numbers = newest_numbers(left.incidents)

    for line, number in newest_numbers(written.incidents).items():
        if any(change["spec"]["incidentRef"]["name"].rpartition("-")[0] == line for change in left.changes):
            assert numbers[line] == number


@given(any_books(anybody_gone=True), RETENTIONS)
def test_what_is_left_is_young_few_or_needed(written: Written, retention: Retention) -> None:
    """Once everything that may go is gone, nothing more may; round after round comes to rest."""
    left = written
    for _ in range(40):
        gone = expendable(left.read, retention, WINDOW, NOW)
        if not gone:
            break
        left = without(left, gone[:3])  # a round takes a few

    assert expendable(left.read, retention, WINDOW, NOW) == []


@given(any_books(anybody_gone=True), RETENTIONS)
def test_the_order_in_which_they_are_listed_means_nothing(written: Written, retention: Retention) -> None:
    mirrored = replace(written, changes=written.changes[::-1], incidents=written.incidents[::-1])

    def chosen(some: Written) -> list[tuple[str, str]]:
        return sorted((entry.kind, entry.name) for entry in expendable(some.read, retention, WINDOW, NOW))

    assert chosen(written) == chosen(mirrored)


# --- shares


WAITING = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 200), max_size=12)


@given(WAITING, st.integers(0, 500))
def test_the_shares_of_a_round_are_as_large_as_can_be_and_even(waiting: dict[str, int], most: int) -> None:
    granted = shares(waiting, most)

    assert sum(granted.values()) == min(most, sum(waiting.values()))
    assert all(0 <= granted[name] <= count for name, count in waiting.items())
    short = [granted[name] for name, count in waiting.items() if granted[name] < count]
    if short:
        assert max(granted.values()) <= min(short) + 1, "nobody gets more than one who is short, but for the rest"


@pytest.mark.parametrize(
    ("waiting", "granted"),
    [
        pytest.param({"aaa": 100_000, "zzz": 3}, {"aaa": 97, "zzz": 3}, id="who wants little gets it"),
        pytest.param(
            {"aaa": 80, "mmm": 90, "zzz": 70}, {"aaa": 33, "mmm": 34, "zzz": 33}, id="the others share evenly"
        ),
        pytest.param({"aaa": 5, "zzz": 6}, {"aaa": 5, "zzz": 6}, id="there is enough"),
        pytest.param({}, {}, id="nobody wants any"),
    ],
)
def test_shares(waiting: dict[str, int], granted: dict[str, int]) -> None:
    assert shares(waiting, 100) == granted


def test_one_of_each_namespace_then_the_next_of_each() -> None:
    old = [entry_of_change(a_record(n)) for n in range(1, 7)]

    turns = in_turns({"a": old[:3], "b": old[3:4], "c": old[4:]})

    assert [(name, entry.number) for name, entry in turns] == [
        ("a", 1),
        ("b", 4),
        ("c", 5),
        ("a", 2),
        ("c", 6),
        ("a", 3),
    ]


# --- the collector


async def no_pause(_: float) -> None:
    """Time is not what these are about."""


def a_workload(name: str = "web", namespace: str = NAMESPACE) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": 1, "template": {}},
    }


def a_collector(*bodies: Body, now: datetime = NOW) -> tuple[Collector, FakeCluster]:
    """Of a cluster with the workload `web`."""
    stage = a_stage(lambda _: True)
    cluster = FakeCluster(now=lambda: now)
    for body in (a_workload(), *bodies):
        cluster.put(body)
    context = a_reconciler(cluster, stage.service, VirtualClock(now)).context
    return Collector(context, lambda: [a_policy()], pause=no_pause), cluster


def elsewhere(namespace: str, body: dict[str, Any]) -> dict[str, Any]:
    """The same in another namespace."""
    return {**body, "metadata": {**body["metadata"], "namespace": namespace}}


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


async def test_a_namespace_with_a_flood_does_not_keep_the_others_records() -> None:
    """Not in one round, and the next goes on where something is left, with those namespaces alone."""
    flood = [elsewhere("aaa", a_record(n, age=60 - n / 100, decision="Refuse")) for n in range(1, 101)]
    few = [elsewhere("zzz", a_record(n, decision="Refuse")) for n in range(1, 5)]
    collector, cluster = a_collector(*flood, *few, *(elsewhere(name, a_workload()) for name in ("aaa", "zzz")))

    assert await collector.round(MONTH, most=10) == 10

    first = [(write.ref.namespace, write.ref.name.rpartition("-")[2]) for write in cluster.writes]
    assert sorted(first) == sorted([*(("aaa", str(n)) for n in range(1, 8)), *(("zzz", str(n)) for n in range(1, 4))])
    assert first[:6] == [("aaa", "1"), ("zzz", "1"), ("aaa", "2"), ("zzz", "2"), ("aaa", "3"), ("zzz", "3")]
    assert collector.behind == {"aaa"}
    cluster.put(elsewhere("zzz", a_record(5, decision="Refuse")))
    assert await collector.round(MONTH, most=1000) == 99 - 7
    assert collector.behind == frozenset()
    assert await collector.round(MONTH) == 1, "all namespaces again"


async def test_a_namespace_whose_records_may_not_be_read_holds_up_no_other() -> None:
    theirs = (elsewhere("gone", a_record(sequence)) for sequence in range(1, 4))
    known, cluster = a_collector(*(a_record(sequence) for sequence in range(1, 4)), *theirs)
    store = WatchedStore(cluster, ("gone", NAMESPACE))
    cluster.closed.add("gone")
    store.list_all()
    context = replace(known.context, namespaces=("gone", NAMESPACE), records=store)

    assert await Collector(context, known.policies, pause=no_pause).round(MONTH) > 0


async def test_a_round_that_comes_to_nothing_is_not_followed_at_once() -> None:
    """What cannot be deleted would be tried every second."""
    collector, cluster = a_collector(*(a_record(n, decision="Refuse") for n in range(1, 5)), NEWEST)
    for _ in range(2):
        cluster.fail_next(Conflict("somebody else's"))

    assert await collector.round(MONTH, most=2) == 0
    assert collector.behind == frozenset()

    cluster.fail_next(Unavailable("timeout"))
    with pytest.raises(Unavailable):
        await collector.round(MONTH, most=2)
    assert collector.behind == frozenset()


async def test_a_record_that_cannot_be_read_stays_and_costs_the_others_nothing() -> None:
    collector, cluster = a_collector(*(a_record(n, decision="Refuse") for n in (1, 2, 3)), an_incident(1), NEWEST)
    for number in (1, 3):
        cluster.edit(
            Ref(CHANGE_EVENTS, NAMESPACE, f"web-0a1b2c3d-{number}"),
            lambda body: body.update(status={"completedAt": "yesterday"}),
        )
    cluster.edit(Ref(INCIDENTS, NAMESPACE, "web-9f8e7d6c-1"), lambda body: body["status"].update(resolvedAt=7))

    assert await collector.round(MONTH) == 1

    left = {body["metadata"]["name"].rpartition("-")[2] for body in cluster.objects(CHANGE_EVENTS)}
    assert left == {"1", "3", "99"}


async def test_what_was_made_again_under_its_name_meanwhile_is_left_alone() -> None:
    collector, cluster = a_collector(a_record(1, decision="Refuse"), a_record(2, decision="Refuse"), NEWEST)
    asked = FakeCluster.get

    async def made_again(self: FakeCluster, ref: Ref) -> Body:
        found = await asked(self, ref)
        return {**found, "metadata": {**found["metadata"], "uid": "another"}} if ref.name.endswith("-1") else found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeCluster, "get", made_again)
        assert await collector.round(MONTH) == 1

    assert [write.ref.name for write in cluster.writes] == ["web-0a1b2c3d-2"]


@pytest.mark.parametrize(
    ("sees_all", "left"),
    [
        pytest.param(True, [], id="nothing is left of a workload that is gone"),
        pytest.param(False, ["gone-0a1b2c3d-2"], id="one that was not listed yet is not gone"),
    ],
)
async def test_the_records_of_a_workload_that_was_deleted(*, sees_all: bool, left: list[str]) -> None:
    records = [a_record(n, target="gone", decision="Refuse") for n in (1, 2)]
    collector, cluster = a_collector(*records, an_incident(1, target="gone"))
    collector.sees_all = lambda: sees_all

    for _ in range(3):
        await collector.round(MONTH)

    assert [body["metadata"]["name"] for body in cluster.objects(CHANGE_EVENTS)] == left
    assert len(cluster.objects(INCIDENTS)) == len(left)


async def test_a_namespace_with_too_many_releases_keeps_its_records_and_nobody_elses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bodies = [a_record(n, decision="Refuse") for n in (1, 2)]
    collector, cluster = a_collector(*bodies, *(elsewhere("zzz", body) for body in bodies))
    asked = FakeCluster.list_metadata

    async def too_many(self: FakeCluster, resource: Any, namespace: str | None) -> Sequence[Body]:  # noqa: ANN401
        if resource == CONTROLLER_REVISIONS and namespace == NAMESPACE:
            raise TooMany("too many")
        return await asked(self, resource, namespace)

    monkeypatch.setattr(FakeCluster, "list_metadata", too_many)

    await collector.round(MONTH)

    assert {write.ref.namespace for write in cluster.writes} == {"zzz"}


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


def a_kept_release() -> Body:
    body = release_body(TARGET, {"template": a_template("shop:v1")}, NOW)
    metadata = {**body["metadata"], "namespace": NAMESPACE}
    return {**body, "metadata": metadata, "status": {"quarantinedBy": "web-0a1b2c3d-1"}}


def what_an_older_salus_kept() -> Body:
    return {
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


@pytest.mark.parametrize("kept", [a_kept_release, what_an_older_salus_kept])
async def test_a_kept_release_keeps_the_change_that_quarantined_it(kept: Callable[[], Body]) -> None:
    collector, cluster = a_collector(a_record(1, decision="Refuse"), a_record(2, decision="Refuse"), NEWEST, kept())

    assert await collector.round(MONTH) == 1
    assert "web-0a1b2c3d-1" in [body["metadata"]["name"] for body in cluster.objects(CHANGE_EVENTS)]


async def test_after_everything_old_is_gone_the_next_record_has_the_next_number() -> None:
    """Three stories, half a year, a round, and another story: no number twice, none left out."""
    stage = a_stage(lambda _: False, {"name": "r", "restart": {}})
    for _ in range(3):
        await story(stage)
    before, incidents = [body["spec"]["sequence"] for body in stage.changes], len(stage.incidents)
    stage.clock.advance(180 * DAY)
    collector = Collector(stage.reconciler.context, lambda: [stage.policy], pause=no_pause)

    assert await collector.round(MONTH) == 2 * 2 + 2, "of two stories the write, the call and the incident"
    await story(stage)

    assert [body["spec"]["sequence"] for body in stage.changes][-2:] == [before[-1] + 1, before[-1] + 2]
    assert stage.incidents[-1]["metadata"]["name"].endswith(f"-{incidents + 1}")


@pytest.mark.parametrize("anew", [pytest.param(False, id="in the same process"), pytest.param(True, id="in a new one")])
@pytest.mark.parametrize(
    ("cleared", "writes"),
    [
        pytest.param(lambda body: "undoes" in body["spec"], 4, id="an undo without what it took back"),
        pytest.param(lambda body: "sequence" in body["spec"] and "undoes" not in body["spec"], 4, id="what was undone"),
        pytest.param(lambda body: "sequence" in body["spec"], 4, id="all changes"),
        pytest.param(lambda _: True, 4, id="everything"),
        pytest.param(
            lambda body: "sequence" not in body["spec"],
            2,
            id="incidents without their changes, which then are the next one's: its ladder is used up",
        ),
    ],
)
async def test_salus_goes_on_after_an_administrator_has_cleared_records(
    cleared: Callable[[Body], bool], writes: int, *, anew: bool
) -> None:
    """Nothing is taken back twice, and the next story is told to its end."""
    stage = a_stage(lambda _: False, {"name": "s", "scale": {"to": 5, "max": 5}})
    await story(stage)
    before = len(stage.remedial_writes)
    for body in filter(cleared, (*stage.changes, *stage.incidents)):
        resource = CHANGE_EVENTS if body["kind"] == "ChangeEvent" else INCIDENTS
        stage.cluster.remove(Ref(resource, NAMESPACE, body["metadata"]["name"]))
    if anew:
        stage.restart()
    await stage.ticks(10)
    after, replicas = len(stage.remedial_writes), stage.deployment["spec"]["replicas"]
    stage.clock.advance(2 * HOUR)
    await story(stage)

    assert (before, after) == (2, 2), "a write and its undo"
    assert (len(stage.remedial_writes), stage.deployment["spec"]["replicas"]) == (writes, replicas)
    assert all("completedAt" in c["status"] for c in stage.changes if c["spec"]["decision"] == "Act")
    assert stage.incidents[-1]["status"]["phase"] == "Resolved"


async def story(stage: Stage) -> None:
    """Unhealthy until people were called, then well again."""
    stage.service.is_cured = lambda _: False
    await stage.ticks(20)
    stage.service.is_cured = lambda _: True
    await stage.ticks(10)
