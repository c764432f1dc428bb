"""What is told to which sink, and when a record is delivered: tables over the pure part of the outbox."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.adapters.json_patch import patched
from salus.core.records import delivery
from salus.core.records.delivery import DELIVERED, Milestone, cloud_event, is_delivered, left, recipients
from salus.model.change import ActionKind, ChangeEventStatus
from salus.model.scalars import Body, format_time
from salus.model.values.configuration import Sink
from tests.builders import NAMESPACE, NOW, ago

STARTED, FINISHED = Milestone.STARTED, Milestone.FINISHED
RESTART, NOTIFY = ActionKind.RESTART, ActionKind.NOTIFY


def a_record(
    *sinks: str,
    decision: str = "Act",
    action: str = "Restart",
    ended: str | None = None,
    taken: dict[str, str] | None = None,
    conditions: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """A ChangeEvent as the API server gives it; `ended`: its outcome."""
    status: dict[str, Any] = {"observedGeneration": 1}
    if ended is not None:
        status |= {"completedAt": format_time(NOW), "outcome": ended}
    if taken:
        status["deliveries"] = [{"sink": name, "told": told, "at": format_time(NOW)} for name, told in taken.items()]
    if conditions:
        status["conditions"] = conditions
    return {
        "apiVersion": "salus.dev/v1alpha1",
        "kind": "ChangeEvent",
        "metadata": {
            "name": "web-0a1b2c3d-1",
            "namespace": NAMESPACE,
            "uid": "u1",
            "managedFields": [{"manager": "salus"}],
        },
        "spec": {
            "decision": decision,
            "action": action,
            "reason": "AboveThreshold",
            "message": "errors are above 0.05",
            "policyRef": {"name": "web"},
            "incidentRef": {"name": "web-9f8e7d6c-1", "uid": "i1"},
            "targetRef": {"kind": "Deployment", "name": "web"},
            "sequence": 1,
            "decidedAt": format_time(ago(60)),
            **({"sinks": list(sinks)} if sinks else {}),
        },
        "status": status,
    }


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        pytest.param(a_record(), {}, id="a record without sinks"),
        pytest.param(a_record(ended="Recovered"), {}, id="a finished record without sinks"),
        pytest.param(a_record("a"), {"a": STARTED}, id="the intent is on record"),
        pytest.param(a_record("a", taken={"a": "Started"}), {}, id="the intent was told, the outcome is not known yet"),
        pytest.param(
            a_record("a", ended="Recovered", taken={"a": "Started"}), {"a": FINISHED}, id="the outcome is not told yet"
        ),
        pytest.param(
            a_record("a", ended="Recovered"), {"a": STARTED}, id="nothing was told of a finished change: in its order"
        ),
        pytest.param(a_record("a", ended="Worse", taken={"a": "Finished"}), {}, id="everything was told"),
        pytest.param(
            a_record("a", "b", ended="Failed", taken={"a": "Finished", "b": "Started"}),
            {"b": FINISHED},
            id="one sink has everything, the other the beginning",
        ),
        pytest.param(a_record("a", decision="Refuse"), {"a": FINISHED}, id="a refusal is told of once"),
        pytest.param(a_record("a", decision="DryRun"), {"a": FINISHED}, id="a rehearsal is told of once"),
        pytest.param(a_record("a", decision="Advise"), {"a": FINISHED}, id="an advice is told of once"),
        pytest.param(a_record("a", decision="AwaitApproval"), {"a": STARTED}, id="a person is asked"),
        pytest.param(
            a_record("a", decision="AwaitApproval", ended="Expired", taken={"a": "Started"}),
            {"a": FINISHED},
            id="nobody answered",
        ),
        pytest.param(a_record("a", action="Notify"), {}, id="a notification that is not written to its end yet"),
        pytest.param(a_record("a", action="Notify", ended=""), {"a": FINISHED}, id="a notification is told of once"),
        pytest.param(
            a_record("a", taken={"gone": "Started"}),
            {"a": STARTED},
            id="what another sink took says nothing of this one",
        ),
    ],
)
def test_what_is_left_to_tell(record: Body, expected: dict[str, Milestone]) -> None:
    assert left(record) == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        pytest.param(a_record(), True, id="without sinks there is nothing to wait for"),
        pytest.param(a_record("a"), False, id="nothing was told"),
        pytest.param(a_record("a", taken={"a": "Started"}), False, id="the outcome will have to be told"),
        pytest.param(a_record("a", ended="Recovered", taken={"a": "Finished"}), True, id="everything was told"),
        pytest.param(a_record("a", decision="Refuse", taken={"a": "Finished"}), True, id="a refusal was told"),
        pytest.param(a_record("a", "b", ended="Worse", taken={"a": "Finished"}), False, id="one sink lacks it"),
    ],
)
def test_when_a_record_is_delivered(record: Body, *, expected: bool) -> None:
    assert is_delivered(record) is expected


ALL, NAMING = Sink(), Sink(unasked=False)


@pytest.mark.parametrize(
    ("sinks", "named", "action", "expected"),
    [
        pytest.param({}, (), RESTART, (), id="no sink is configured"),
        pytest.param({"b": ALL, "a": ALL}, (), RESTART, ("a", "b"), id="those of all policies, by name"),
        pytest.param({"a": NAMING}, (), RESTART, (), id="one that nobody named"),
        pytest.param({"a": NAMING}, ("a",), RESTART, ("a",), id="one that the policy names"),
        pytest.param({"a": ALL}, ("a",), RESTART, ("a",), id="one that is named and gets everything: once"),
        pytest.param({"a": ALL}, ("gone",), RESTART, ("a",), id="one that is not configured"),
        pytest.param({"a": Sink(namespaces=frozenset({"bank"}))}, (), RESTART, (), id="one of another namespace"),
        pytest.param(
            {"a": Sink(unasked=False, namespaces=frozenset({"bank"}))}, ("a",), RESTART, (), id="… although it is named"
        ),
        pytest.param({"a": Sink(namespaces=frozenset({NAMESPACE}))}, (), RESTART, ("a",), id="one of this namespace"),
        pytest.param({"a": Sink(actions=frozenset({NOTIFY}))}, (), RESTART, (), id="one for notifications only"),
        pytest.param({"a": Sink(actions=frozenset({NOTIFY}))}, (), NOTIFY, ("a",), id="a notification for it"),
    ],
)
def test_which_sinks_a_record_goes_to(
    sinks: dict[str, Sink], named: tuple[str, ...], action: ActionKind, expected: tuple[str, ...]
) -> None:
    assert recipients(sinks, named, NAMESPACE, action) == expected


def test_an_event_of_a_change_that_began() -> None:
    event = cloud_event(a_record("a"), STARTED, "production-eu")

    assert {name: value for name, value in event.items() if name != "data"} == {
        "specversion": "1.0",
        "id": "u1.started",
        "source": "/clusters/production-eu/salus",
        "type": "dev.salus.change.started",
        "subject": "shop/Deployment/web",
        "time": format_time(ago(60)),
        "datacontenttype": "application/json",
        "decision": "Act",
        "action": "Restart",
        "correlationid": "i1",
    }


def test_an_event_of_a_change_that_ended() -> None:
    event = cloud_event(a_record("a", ended="Recovered", taken={"a": "Started"}), FINISHED, "eu")

    assert (event["id"], event["type"], event["time"]) == ("u1.finished", "dev.salus.change.finished", format_time(NOW))
    assert event["outcome"] == "Recovered"


def test_the_data_are_the_record_without_what_only_others_need() -> None:
    said = [{"type": "Applied", "status": "True"}, {"type": DELIVERED, "status": "False"}]
    record = a_record("a", ended="Recovered", taken={"a": "Started"}, conditions=said)

    data = cloud_event(record, FINISHED, "eu")["data"]

    assert data["spec"] == record["spec"]
    assert "managedFields" not in data["metadata"]
    assert "deliveries" not in data["status"]
    assert data["status"]["conditions"] == said[:1]


def test_the_attributes_are_named_as_the_specification_demands() -> None:
    """Lower case letters and digits, at most 20: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md."""
    event = cloud_event(a_record("a", ended="Recovered"), FINISHED, "eu")

    assert all(name.isalnum() and name == name.lower() and len(name) <= 20 for name in event)
    assert all(isinstance(value, str) for name, value in event.items() if name != "data")
    assert len(json.dumps(event)) < 64 * 1024


@given(told=st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=12), ends_at=st.integers(0, 12))
def test_whatever_the_order_each_sink_is_told_everything_once(told: list[tuple[str, bool]], ends_at: int) -> None:
    """Sinks take, or do not, in any order; the change ends somewhere in between. No sink is told anything twice."""
    record: Body = a_record("a", "b", "c")
    heard: list[tuple[str, Milestone]] = []
    for index, (sink, takes) in enumerate([*told, *((sink, True) for sink in "abc" * 2)]):
        if index == min(ends_at, len(told)):
            record = {**record, "status": {**record["status"], **a_record(ended="Recovered")["status"]}}
        milestone = left(record).get(sink)
        if milestone is not None and takes:
            heard.append((sink, milestone))
            record = patched(record, delivery.taken_patch(record, sink, milestone, NOW))
            ChangeEventStatus.parse(record["status"])

    assert len(heard) == len(set(heard))
    assert [milestone for name, milestone in heard if name == "a"] == [STARTED, FINISHED]
    assert is_delivered(record)
    assert [c["status"] for c in record["status"]["conditions"] if c["type"] == DELIVERED] == ["True"]


def test_what_others_have_written_stays() -> None:
    applied = {"type": "Applied", "status": "True", "reason": "Patched", "message": "", "lastTransitionTime": "x"}
    record = a_record("a", ended="Recovered", taken={"a": "Started"}, conditions=[applied])

    after = patched(record, delivery.taken_patch(record, "a", FINISHED, NOW))

    assert [c["type"] for c in after["status"]["conditions"]] == ["Applied", DELIVERED]


def test_one_condition_follows_the_other() -> None:
    record: Body = a_record("a", decision="Refuse")
    failed = delivery.not_delivered("a", "Timeout", "no answer within 5s", NOW)

    record = patched(record, delivery.with_condition(record, failed))
    assert delivery.with_condition(record, failed | {"message": "no answer within 6s"}) == []
    assert record["status"]["conditions"][0]["message"] == "sink a: no answer within 5s"

    record = patched(record, delivery.taken_patch(record, "a", FINISHED, NOW))
    (said,) = record["status"]["conditions"]
    assert (said["status"], said["reason"], said["message"]) == ("True", "Taken", "taken by a")
