"""Two workloads of one namespace whose short names are the same, as work enough could bring about.

They share their numbers and never each other's records. Thirty-two bits cannot be had in a test, so the digest is cut
to none: a Deployment and a StatefulSet of one name then have the same label.
"""

import pytest

from salus.core.records import names
from salus.core.records.names import change_name, is_about, next_sequence, target_id
from salus.model.meta import WorkloadKind
from salus.model.scalars import Body
from salus.model.values.keys import TargetKey
from salus.ports import CHANGE_EVENTS, INCIDENTS, Ref
from tests.builders import a_change
from tests.unit.stage import KEY, NAME, NAMESPACE, Stage, a_stage

LONG = 40
TWIN = TargetKey(NAMESPACE, WorkloadKind.STATEFUL_SET, NAME)


@pytest.fixture(autouse=True)
def _no_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "digest", lambda *_: "00000000")


def a_service() -> Stage:
    """Unhealthy until it has five replicas."""
    grow = {"name": "grow", "scale": {"to": 5, "max": 5}}
    return a_stage(lambda body: bool(body["spec"]["replicas"] == 5), grow)


def of_the_twin(body: Body) -> Body:
    """The same record, about the other workload."""
    metadata = {key: body["metadata"][key] for key in ("name", "namespace", "labels")}
    ref = {**body["spec"]["targetRef"], "kind": TWIN.kind.value, "uid": "uid-of-the-twin"}
    return {**body, "metadata": metadata, "spec": {**body["spec"], "targetRef": ref}}


async def with_a_twin() -> Stage:
    """Another workload of the same label has an open incident, and a change that is being verified."""
    other, stage = a_service(), a_service()
    while not (other.changes and other.changes[0]["status"].get("appliedAt")):
        await other.ticks(1)
    for body in (*other.changes, *other.incidents):
        stage.cluster.put(of_the_twin(body))
    return stage


def test_the_two_have_one_label() -> None:
    assert target_id(TWIN) == target_id(KEY)


async def test_numbers_are_shared_and_records_are_not() -> None:
    stage = await with_a_twin()
    foreign, theirs = stage.changes[0], stage.incidents[0]

    await stage.ticks(LONG)

    assert [change["metadata"]["name"] for change in stage.changes] == [change_name(KEY, n) for n in (1, 2)]
    assert stage.changes[1]["status"]["outcome"] == "Recovered"
    assert is_about(stage.changes[1], KEY)
    ref = Ref(CHANGE_EVENTS, NAMESPACE, foreign["metadata"]["name"])
    assert await stage.cluster.get(ref) == foreign
    ref = Ref(INCIDENTS, NAMESPACE, theirs["metadata"]["name"])
    assert await stage.cluster.get(ref) == theirs
    assert [incident["status"].get("phase") for incident in stage.incidents][1] == "Resolved"


@pytest.mark.parametrize(
    ("own", "newest", "expected"),
    [
        pytest.param([], 0, 1, id="the first"),
        pytest.param([1, 3], 7, 8, id="after another workload's"),
        pytest.param([9], 7, 10, id="after its own, which is newer"),
    ],
)
def test_the_number_after_the_newest_of_either(own: list[int], newest: int, expected: int) -> None:
    assert next_sequence([a_change(number) for number in own], newest) == expected


@pytest.mark.parametrize(
    ("kind", "name", "about"),
    [
        pytest.param("Deployment", NAME, True, id="the workload"),
        pytest.param("StatefulSet", NAME, False, id="of another kind"),
        pytest.param("Deployment", f"{NAME}-x", False, id="of another name"),
    ],
)
def test_what_a_record_is_about_is_its_target_and_not_its_label(kind: str, name: str, about: bool) -> None:
    record = {"metadata": {"labels": {names.TARGET_LABEL: target_id(KEY)}}}

    assert is_about({**record, "spec": {"targetRef": {"kind": kind, "name": name}}}, KEY) is about
