"""When the name of a change on an object is believed, and what Salus makes of one that somebody else wrote there."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from salus.core.actions.stamp import CHANGE_ANNOTATION, Stamp, read
from salus.core.objects.workloads import workload_from
from salus.model.change import ActionKind, Facts
from salus.model.meta import AutoscalerKind
from salus.model.scalars import Body, format_time
from salus.model.values.changes import Change
from salus.model.values.keys import ScalerKey
from salus.ports import CHANGE_EVENTS, DEPLOYMENTS, HEALTH_POLICIES, Ref, Unavailable
from salus.rehearsal.cluster import Write
from tests.builders import NOW, a_change, a_deployment_body, later
from tests.unit.stage import NAME, NAMESPACE, TARGET, UNSCALED, Killed, Stage, a_stage

STAMP_FIELDS: dict[str, Any] = {"f:metadata": {"f:annotations": {".": {}, f"f:{CHANGE_ANNOTATION}": {}}}}
REPLICAS_FIELDS: dict[str, Any] = {"f:spec": {"f:replicas": {}}}
PATCH = (
    {"op": "test", "path": "/metadata/uid", "value": "uid-of-checkout"},
    {"op": "test", "path": "/metadata/generation", "value": 7},
    {"op": "test", "path": "/spec/replicas", "value": 3},
    {"op": "replace", "path": "/spec/replicas", "value": 5},
)
RECORD: Body = {"metadata": {"creationTimestamp": format_time(NOW)}, "spec": {"patch": list(PATCH)}}
MEANT = a_change(
    action=ActionKind.SCALE, before=Facts(replicas=3, release="r"), intended=Facts(replicas=5, release="r")
)


def entry(manager: str = "salus", at: float = 0, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 — JSON
    return {"manager": manager, "operation": "Update", "time": format_time(later(at)), "fieldsV1": fields}


OURS = entry(**STAMP_FIELDS, **REPLICAS_FIELDS)
THEIRS = entry("kubectl-annotate", **STAMP_FIELDS)


def an_object(*entries: dict[str, Any], replicas: int = 5, generation: int = 8, name: str = MEANT.name) -> Body:
    """The Deployment, with the name of a change on it."""
    body = a_deployment_body(replicas=replicas, generation=generation, annotations={CHANGE_ANNOTATION: name})
    body["metadata"]["managedFields"] = list(entries)
    return body


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(an_object(OURS), Stamp.SOUND, id="done, and written by Salus"),
        pytest.param(an_object(OURS, name="checkout-0a1b2c3d-9"), Stamp.ABSENT, id="the name of another change"),
        pytest.param(a_deployment_body(), Stamp.ABSENT, id="no name at all"),
        pytest.param(
            an_object(entry(at=-9, **STAMP_FIELDS)), Stamp.SOUND, id="the clocks of two API servers differ a little"
        ),
        pytest.param(
            an_object(THEIRS, entry(**REPLICAS_FIELDS)),
            Stamp.SOUND,
            id="the name was forged before, the write is by Salus: the field tells",
        ),
        pytest.param(an_object(OURS, THEIRS), Stamp.SOUND, id="somebody applies what is there: both own it"),
        pytest.param(
            an_object(THEIRS, replicas=3, generation=7), Stamp.FORGED, id="annotated by somebody, nothing was done"
        ),
        pytest.param(
            an_object(OURS, replicas=3, generation=7),
            Stamp.FORGED,
            id="by somebody who calls himself salus: the tests of the patch still hold",
        ),
        pytest.param(
            an_object(entry(at=-3600, **STAMP_FIELDS), replicas=3),
            Stamp.FORGED,
            id="by somebody who calls himself salus, before there was a record",
        ),
        pytest.param(an_object(THEIRS, replicas=3), Stamp.FORGED, id="annotated, and something else was changed"),
        pytest.param(an_object(THEIRS), Stamp.DOUBTFUL, id="somebody else wrote the very thing that was meant"),
        pytest.param(an_object(OURS, replicas=9), Stamp.DOUBTFUL, id="done, and somebody has scaled since"),
        pytest.param(an_object(), Stamp.DOUBTFUL, id="the API server's book-keeping was taken away"),
        pytest.param(an_object({**OURS, "time": None}), Stamp.DOUBTFUL, id="book-keeping that does not say when"),
        pytest.param(
            an_object(replicas=3, generation=7), Stamp.FORGED, id="nor any book-keeping, but the patch was never sent"
        ),
    ],
)
def test_a_name_is_believed_where_the_write_is_seen_and_salus_wrote_it(body: Body, expected: Stamp) -> None:
    assert read(MEANT, RECORD, body, workload_from(body).facts()).stamp is expected


RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
RESTARTED: dict[str, Any] = {"f:template": {"f:metadata": {"f:annotations": {f"f:{RESTARTED_AT}": {}}}}}
HPA = ScalerKey(AutoscalerKind.HPA, "checkout", "uid-of-hpa")


@pytest.mark.parametrize(
    ("change", "live", "fields"),
    [
        pytest.param(
            a_change(intended=Facts(restarted_at="2026-11-22T12:00:00Z", release="r")),
            Facts(restarted_at="2026-11-22T12:00:00Z", release="r"),
            {"f:spec": RESTARTED},
            id="a restart",
        ),
        pytest.param(
            a_change(action=ActionKind.ROLLBACK, intended=Facts(release="good")),
            Facts(release="good"),
            {"f:spec": {"f:template": {"f:spec": {}}}},
            id="a rollback",
        ),
        pytest.param(
            a_change(action=ActionKind.SCALE, patched=HPA, intended=Facts(replicas=5, min_replicas=5)),
            Facts(min_replicas=5),
            {"f:spec": {"f:minReplicas": {}}},
            id="the minimum of an autoscaler",
        ),
        pytest.param(
            a_change(action=ActionKind.SCALE, patched=HPA, undoes="x", intended=Facts(replicas=3)),
            Facts(),
            STAMP_FIELDS,
            id="a minimum that is taken away again",
        ),
    ],
)
def test_what_each_kind_of_write_has_to_show(change: Change, live: Facts, fields: dict[str, Any]) -> None:
    body = an_object(THEIRS, entry(**fields))
    other = live.model_copy(update={"restarted_at": "", "release": "other", "min_replicas": 1})

    assert read(change, RECORD, body, live).stamp is Stamp.SOUND
    assert read(change, RECORD, body, other).stamp is Stamp.DOUBTFUL
    assert read(change, RECORD, an_object(THEIRS), other).stamp is Stamp.FORGED


def test_who_forged_it_is_told_by_a_name_that_is_cut() -> None:
    body = an_object(entry("x" * 128, **STAMP_FIELDS), replicas=3, generation=7)
    told = read(MEANT, RECORD, body, workload_from(body).facts()).message

    assert f'"{"x" * 64}" set the annotation salus.dev/change' in told


# --- the whole loop

LONG = 40
"""Ticks; enough for any story here to end."""
FIRST = "checkout-f7524989-1"


def forge(stage: Stage, name: str = FIRST, manager: str = "kubectl-annotate") -> None:
    """Somebody writes the name of a change on the workload."""

    def write(body: dict[str, Any]) -> None:
        metadata = body["metadata"]
        metadata["annotations"] = {**metadata.get("annotations", {}), CHANGE_ANNOTATION: name}
        at = format_time(stage.clock.now())
        mine = {"manager": manager, "operation": "Update", "time": at, "fieldsV1": deepcopy(STAMP_FIELDS)}
        metadata["managedFields"] = [*metadata.get("managedFields", ()), mine]

    stage.cluster.edit(TARGET, write)


def outcomes(stage: Stage) -> list[str]:
    """Decision and outcome of every record, in order."""
    return [f"{c['spec']['decision']} {c['status'].get('outcome', '')}".strip() for c in stage.changes]


def told(stage: Stage) -> list[str]:
    """What people were told of forged stamps, at the workload."""
    posted = stage.reconciler.context.recorder.notices  # type: ignore[attr-defined]  # the fake remembers them
    return [n.note for n in posted if n.reason == "ForgedStamp" and n.regarding["kind"] == "Deployment"]


def a_scene(mode: str) -> Stage:
    """A service that five replicas cure."""
    grow = {"name": "grow", "scale": {"to": 5, "max": 5}}
    return a_stage(lambda body: bool(body["spec"]["replicas"] == 5), grow, mode=mode)


async def until_recorded(stage: Stage) -> None:
    """Ticks until there is a record."""
    for _ in range(LONG):
        if stage.changes:
            return
        await stage.ticks(1)
    raise AssertionError("nothing was recorded")


def at_the_write(stage: Stage, happens: Callable[[], None]) -> None:
    """Have this happen just before the first write."""

    def hands(write: Write) -> None:
        if write.ref.resource == DEPLOYMENTS:
            stage.cluster.on_write = lambda _: None
            happens()

    stage.cluster.on_write = hands


def die() -> None:
    raise Killed


def approve(stage: Stage) -> None:
    """A person says yes to the newest question."""
    body = stage.changes[-1]
    given = {"decision": "Approved", "by": "ada", "digest": body["spec"]["digest"]}
    ref = Ref(CHANGE_EVENTS, NAMESPACE, body["metadata"]["name"])
    stage.cluster.edit(ref, lambda body: body["spec"].update(approval=given))


@pytest.mark.parametrize("manager", ["kubectl-annotate", "salus"])
async def test_an_approved_write_is_done_though_its_name_was_there_before(manager: str) -> None:
    """Its name can be foretold, so it is written before people are asked. They approve: it is done, and told."""
    stage = a_scene("Approve")
    forge(stage, manager=manager)
    await until_recorded(stage)
    assert outcomes(stage) == ["AwaitApproval"]

    approve(stage)
    await stage.ticks(LONG)

    assert outcomes(stage) == ["AwaitApproval Recovered"]
    assert [write.verb for write in stage.remedial_writes] == ["patch"]
    (note,) = told(stage)
    assert note.startswith(f'{FIRST}: a forged stamp: "{manager}"')
    assert "a forged stamp" in stage.changes[0]["status"]["message"]


async def test_a_forged_name_makes_no_write_of_an_intent() -> None:
    """Salus dies between record and write, and somebody writes the name: the record does not say that it was done."""
    stage = a_scene("Enforce")
    at_the_write(stage, die)
    await until_recorded(stage)
    forge(stage)

    await stage.ticks(LONG)

    assert len(told(stage)) == 1
    first = stage.changes[0]
    assert (first["status"]["outcome"], "appliedAt" in first["status"]) == ("Abandoned", False)
    assert FIRST not in [str(edit.get("value")) for write in stage.remedial_writes for edit in write.body]


async def test_a_forged_name_does_not_make_a_write_of_what_nobody_goes_on_with() -> None:
    """The same, and then the policy is deleted and made again: what was not done ends as not done."""
    stage = a_scene("Enforce")
    at_the_write(stage, die)
    await until_recorded(stage)
    forge(stage)
    body = stage.cluster.objects(HEALTH_POLICIES)[0]
    stage.cluster.remove(Ref(HEALTH_POLICIES, NAMESPACE, NAME))
    stage.cluster.put({**body, "metadata": {"name": NAME, "namespace": NAMESPACE}})

    await stage.ticks(1)

    assert (outcomes(stage)[0], "appliedAt" in stage.changes[0]["status"]) == ("Act Abandoned", False)


async def test_what_was_done_and_altered_before_its_reply_was_read_is_not_claimed() -> None:
    """The reply is lost, and somebody scales meanwhile: nobody can tell, the record says so, and limits count it."""
    stage = a_scene("Enforce")
    at_the_write(stage, lambda: stage.cluster.fail_next(Unavailable("timeout"), after_effect=True))
    await until_recorded(stage)
    stage.cluster.edit(TARGET, lambda body: body["spec"].update(replicas=4))

    await stage.ticks(1)

    status = stage.changes[0]["status"]
    applied = next(c for c in status["conditions"] if c["type"] == "Applied")
    assert (status["outcome"], applied["status"]) == ("Inconclusive", "Unknown")
    assert "nobody can tell" in status["message"]
    assert "appliedAt" in status


async def test_a_name_that_nobody_asks_about_changes_nothing() -> None:
    stage = a_stage(lambda _: True, {"name": "grow", "scale": {"to": 5, "max": 5}})
    forge(stage, name="checkout-f7524989-7")
    await stage.ticks(LONG)

    assert (stage.changes, stage.remedial_writes, told(stage)) == ([], [], [])
    assert stage.deployment["spec"]["replicas"] == UNSCALED
