"""What `salus history` tells, by objects that the operator itself has written, and by what others leave behind."""

import io
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from salus.cli.app import app
from salus.cli.contract import CannotBeAsked
from salus.cli.past import history_text
from salus.cli.past.history_command import Ask, past
from salus.cli.reports.history import Counted, History, What
from salus.cli.show import Look, screen, show
from salus.cli.spans import moment, span
from salus.model.scalars import Body, format_time
from salus.ports import (
    AUTOSCALERS,
    CHANGE_EVENTS,
    CONFIG_MAPS,
    CORE_EVENTS,
    DEPLOYMENTS,
    HEALTH_POLICIES,
    INCIDENTS,
    KEPT_RELEASES,
    REPLICA_SETS,
    Ref,
    Resource,
)
from tests.builders import NOW, a_template, ago, later
from tests.unit.cli.people import person
from tests.unit.stage import NAME, NAMESPACE, TARGET, Stage, a_stage
from tests.unit.test_rollbacks import roll_out

RESTART = {"name": "restart", "restart": {}}
UNDO = {"name": "undo", "rollback": {}}
NOTIFY = {"name": "page", "notify": {"severity": "critical"}}


def never(_: Body) -> bool:
    return False


def restarted(body: Body) -> bool:
    return "annotations" in body["spec"]["template"]["metadata"]


async def played(is_cured: Callable[[Body], bool] = never, ticks: int = 3, **spec: Any) -> Stage:  # noqa: ANN401 — handed on
    stage = a_stage(is_cured, *spec.pop("remedies", (RESTART, UNDO, NOTIFY)), **spec)
    await stage.ticks(ticks)
    return stage


async def history(stage: Stage, *names: str, only: Sequence[What] = (), **asked: Any) -> History:  # noqa: ANN401
    namespace = asked.pop("namespace", NAMESPACE)
    return await past(person(stage.cluster, namespace), Ask(names=names, **asked), only, stage.clock.now())


def text(report: History) -> list[str]:
    out = io.StringIO()
    show(report, Look(utc=True), history_text.text, out)
    return out.getvalue().splitlines()


def told(report: History) -> list[tuple[str, str, str, str]]:
    return [(line.what.value, line.detail, line.by, line.outcome) for line in report.items]


async def test_a_fault_from_its_breach_to_the_call_for_people() -> None:
    stage = await played(ticks=40)

    said = await history(stage, f"deploy/{NAME}")

    assert told(said) == [
        ("incident", "errors 0.3, above 0.05", "policy checkout", "Escalated 3m20s"),
        ("act", "Restart", "salus", "NotRecovered"),
        ("tell", "Notify: AboveThreshold", "salus", "told"),
    ]
    assert said.refusals_left_out == (Counted(word="NoKnownGoodRelease", count=1),)
    assert text(said)[-1] == "1 refusal left out: NoKnownGoodRelease 1; --with-refusals shows them"


async def test_a_fault_that_a_restart_mends() -> None:
    stage = await played(restarted, ticks=12)

    assert told(await history(stage)) == [
        ("incident", "errors 0.3, above 0.05", "policy checkout", "Recovered in 25s"),
        ("act", "Restart", "salus", "Recovered"),
    ]


async def test_what_a_person_answered_has_a_line_of_its_own() -> None:
    stage = await played(mode="Approve")
    (question,) = stage.changes
    given = {"decision": "Approved", "by": "ada", "at": format_time(stage.clock.now()), "ticket": "CHG-7"}
    ref = Ref(CHANGE_EVENTS, NAMESPACE, question["metadata"]["name"])
    asked = told(await history(stage))[-1]
    stage.cluster.edit(ref, lambda body: body["spec"].update(approval={**given, "digest": body["spec"]["digest"]}))
    await stage.ticks(2)

    assert asked == ("asks", "Restart", "salus", "59m55s left")
    assert told(await history(stage))[-3:] == [
        ("asks", "Restart", "salus", "Approved"),
        ("answer", "Restart", "ada (CHG-7)", "Approved"),
        ("act", "Restart", "salus", "under way"),
    ]


async def test_what_is_only_rehearsed_is_told_as_that() -> None:
    assert told(await history(await played(mode="Observe")))[-1] == ("rehearse", "Restart", "salus", "rehearsed")


@pytest.mark.parametrize(
    ("asked", "whats"),
    [
        pytest.param({}, ["incident", "act", "tell"], id="all but refusals"),
        pytest.param({"refusals": True}, ["incident", "act", "refuse", "tell"], id="with refusals"),
        pytest.param({"only": [What.REFUSE]}, ["refuse"], id="refusals alone"),
        pytest.param({"only": [What.ACT, What.TELL]}, ["act", "tell"], id="some words"),
        pytest.param({"since": timedelta(hours=1)}, ["incident", "act", "tell"], id="the last hour"),
        pytest.param({"begins": later(20)}, ["tell"], id="from a time on"),
        pytest.param({"ends": later(20)}, ["incident", "act"], id="until a time"),
        pytest.param({"names": ["checkout"]}, ["incident", "act", "tell"], id="of a policy"),
        pytest.param({"namespace": None}, ["incident", "act", "tell"], id="in all namespaces"),
    ],
)
async def test_which_lines_are_shown(asked: dict[str, Any], whats: Sequence[str]) -> None:
    stage = await played(ticks=40)

    names = asked.pop("names", ())

    assert [line.what for line in (await history(stage, *names, **asked)).items] == whats


# --- what others did


async def with_releases() -> Stage:
    """v1 was healthy and is kept; Argo CD has put v2 there, which is ill; somebody touched a ConfigMap."""
    stage = a_stage(lambda body: "v1" in str(body["spec"]["template"]["spec"]), dict(UNDO), mode="Observe")
    roll_out(stage, 1, a_template("registry.example/shop:v1"))
    await stage.ticks(6)
    mounted = a_template("registry.example/shop:v2")
    mounted["spec"]["volumes"] = [{"name": "flags", "configMap": {"name": "flags"}}]
    roll_out(stage, 2, mounted)
    stage.cluster.edit(TARGET, lambda body: body["metadata"].update(managedFields=[wrote("argocd", "template", stage)]))
    stage.clock.advance(timedelta(minutes=2))
    put(stage, "v1", "ConfigMap", "flags", managedFields=[wrote("kubectl-edit", "a", stage, "f:data")])
    await stage.ticks(3)
    return stage


def wrote(manager: str, field: str, stage: Stage, where: str = "f:spec") -> Body:
    now = format_time(stage.clock.now())
    return {"manager": manager, "operation": "Update", "time": now, "fieldsV1": {where: {f"f:{field}": {}}}}


def put(stage: Stage, version: str, kind: str, name: str, /, managedFields: Sequence[Body] = (), **fields: Any) -> None:  # noqa: ANN401, N803
    metadata = {"name": name, "namespace": NAMESPACE, "managedFields": list(managedFields)}
    stage.cluster.put({"apiVersion": version, "kind": kind, "metadata": metadata, **fields})


async def test_releases_say_who_brought_them_and_how_they_fared() -> None:
    stage = await with_releases()

    said = told(await history(stage))

    releases = [line for line in said if line[0] == "release"]
    assert [(line[1].partition(" ")[2], *line[2:]) for line in releases] == [
        ("shop:v1", "", "good"),
        ("shop:v2", "argocd", ""),
    ]
    assert [line[0] for line in said] == ["release", "release", "edit", "incident", "rehearse"]
    assert ("edit", "ConfigMap/flags", "kubectl-edit", "") in said


async def test_what_others_did_is_no_news_of_another_policy() -> None:
    """The records of another policy on the same workload are left out, and still explain what Salus did itself."""
    stage = await with_releases()

    said = await history(stage, "checkout", only=[What.RELEASE, What.INCIDENT])

    assert [line.what for line in said.items] == ["release", "release", "incident"]


async def test_warnings_of_kubernetes_are_shown_while_there_are_any() -> None:
    stage = await with_releases()
    about = {"uid": stage.deployment["metadata"]["uid"]}
    for name, kind, controller in (
        ("a", "Warning", "kubelet"),
        ("b", "Normal", "x"),
        ("c", "Warning", "salus.dev/operator"),
    ):
        said: dict[str, Any] = {
            "involvedObject": about,
            "type": kind,
            "reason": "FailedCreate",
            "message": "exceeded quota",
        }
        said |= {"eventTime": format_time(stage.clock.now()), "reportingComponent": controller}
        put(stage, "v1", "Event", name, **said)

    lines = [line for line in told(await history(stage)) if line[0] == "event"]

    assert lines == [("event", "FailedCreate: exceeded quota", "kubelet", "")]


SCALES = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME}}


@pytest.mark.parametrize(
    ("owners", "told_of"),
    [
        pytest.param([{"kind": "ScaledObject", "name": NAME}], ["kubectl-edit"], id="an HPA that KEDA made tells"),
        pytest.param([], [], id="nobody is asked for a right on what there is not"),
    ],
)
async def test_an_edit_of_a_scaled_object(owners: Sequence[Body], told_of: Sequence[str]) -> None:
    stage = await with_releases()
    put(stage, "autoscaling/v2", "HorizontalPodAutoscaler", f"keda-hpa-{NAME}", spec={**SCALES, "maxReplicas": 9})
    hpa = Ref(AUTOSCALERS, NAMESPACE, f"keda-hpa-{NAME}")
    stage.cluster.edit(hpa, lambda body: body["metadata"].update(ownerReferences=list(owners)))
    edited = [wrote("kubectl-edit", "maxReplicaCount", stage)]
    put(stage, "keda.sh/v1alpha1", "ScaledObject", NAME, edited, spec=SCALES)

    lines = (await history(stage)).items

    assert [line.by for line in lines if line.detail == f"ScaledObject/{NAME}"] == told_of


async def test_a_release_that_a_person_withdrew() -> None:
    stage = await with_releases()
    (kept,) = stage.cluster.objects(KEPT_RELEASES)
    withdrawal = {"by": "ada", "at": format_time(stage.clock.now()), "reason": "CVE-2026-1234"}
    ref = Ref(KEPT_RELEASES, NAMESPACE, kept["metadata"]["name"])
    stage.cluster.edit(ref, lambda body: body["spec"].update(withdrawal=withdrawal))

    said = told(await history(stage))

    assert said[-1] == ("withdraw", f"{kept['spec']['release'][:10]}: CVE-2026-1234", "ada", "")
    assert said[0][3] == "withdrawn by ada"


# --- what cannot be told


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        pytest.param(None, [(2, "ChangeEvent")], id="of all times"),
        pytest.param(timedelta(seconds=1), [], id="not of a time from which all is kept"),
    ],
)
async def test_what_retention_has_deleted_is_said(since: timedelta | None, expected: Sequence[tuple[int, str]]) -> None:
    stage = await played(ticks=40)
    for body in stage.changes[:2]:
        stage.cluster.remove(Ref(CHANGE_EVENTS, NAMESPACE, body["metadata"]["name"]))

    said = await history(stage, since=since)

    assert [(gap.count, gap.kind) for gap in said.gaps] == expected
    if expected:
        assert any("2 ChangeEvents of deploy/checkout from before 22 Nov" in line for line in text(said))


EVERYTHING = (
    HEALTH_POLICIES,
    INCIDENTS,
    CHANGE_EVENTS,
    KEPT_RELEASES,
    DEPLOYMENTS,
    REPLICA_SETS,
    CONFIG_MAPS,
    CORE_EVENTS,
)


@pytest.mark.parametrize("lacking", EVERYTHING, ids=lambda kind: kind.plural)
async def test_what_a_person_may_not_read_is_left_out_and_named(lacking: Resource) -> None:
    stage = await with_releases()
    stage.cluster.unreadable.add(lacking)

    said = await history(stage, f"deploy/{NAME}")

    assert [one.what for one in said.not_looked_at] == [lacking.plural]
    assert "Not looked at" in text(said)
    assert said.items


@pytest.mark.parametrize(
    ("lacking", "names", "what"),
    [
        pytest.param({INCIDENTS, CHANGE_EVENTS}, [], "you may not list changeevents", id="no record at all"),
        pytest.param({HEALTH_POLICIES}, [NAME], "you may not list healthpolicies", id="a policy that they may not see"),
        pytest.param(set(), ["chekout"], "there is no HealthPolicy chekout", id="a policy that is not there"),
        pytest.param(set(), ["deploy/cart"], "there is no Deployment cart", id="a workload that never was"),
        pytest.param(set(), ["inc/checkout-1"], "names nothing", id="what has no history"),
    ],
)
async def test_what_cannot_be_told(lacking: set[Resource], names: Sequence[str], what: str) -> None:
    stage = await with_releases()
    stage.cluster.unreadable |= lacking

    with pytest.raises(CannotBeAsked, match=what):
        await history(stage, *names)


async def test_a_workload_that_is_gone_has_a_history_all_the_same() -> None:
    stage = await played(restarted, ticks=12)
    stage.cluster.remove(TARGET)

    assert [line.what for line in (await history(stage, f"deploy/{NAME}")).items] == ["incident", "act"]


async def test_nothing_is_known_is_said_too() -> None:
    stage = await played(lambda _: True)
    stage.cluster.remove(Ref(HEALTH_POLICIES, NAMESPACE, NAME))

    assert text(await history(stage, since=timedelta(days=7))) == ["nothing is known since 15 Nov 12:00"]


# --- forms


async def test_text_fits_into_80_columns_whatever_stands_in_it() -> None:
    stage = await with_releases()
    stage.cluster.edit(TARGET, lambda body: body["metadata"]["managedFields"][0].update(manager="a" * 100))

    lines = text(await history(stage, namespace=None))

    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines), "what is long goes on below, and is not cut"


async def test_csv_and_markdown() -> None:
    said = await history(await played(restarted, ticks=12))
    out = io.StringIO()
    history_text.write_csv(said, out)

    first, *lines = out.getvalue().splitlines()
    assert first == "time,namespace,target,what,detail,by,outcome,reason,record"
    assert lines[0].startswith(
        '2026-11-22T12:00:00Z,shop,deploy/checkout,incident,"errors 0.3, above 0.05",policy checkout,'
    )
    assert lines[1:] == [
        "2026-11-22T12:00:10Z,shop,deploy/checkout,act,Restart,salus,Recovered,AboveThreshold,chev/checkout-f7524989-1",
    ]
    assert list(history_text.markdown(said, screen(Look(utc=True)))) == [
        "| time (UTC) | target | what | detail | by | outcome |",
        "| --- | --- | --- | --- | --- | --- |",
        "| 22 Nov 12:00 | deploy/checkout | incident | errors 0.3, above 0.05 | policy checkout | Recovered in 25s |",
        "| 22 Nov 12:00 | deploy/checkout | act | Restart | salus | Recovered |",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--only", "relase"], '--only knows no "relase"', id="a word with a slip"),
        pytest.param(["--from", "yesterday"], '"yesterday" is no time', id="a time that is none"),
        pytest.param(["--since", "7x"], "expected a duration", id="a duration that is none"),
        pytest.param(["--since", "7d", "--from", "2026-11-24"], "one of them says when it begins", id="two beginnings"),
    ],
)
def test_what_is_typed_wrongly_is_told(arguments: Sequence[str], said: str) -> None:
    ended = CliRunner().invoke(app, ["history", *arguments])

    assert (ended.exit_code, said in ended.output) == (2, True), ended.output


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(timedelta(days=6, hours=5, minutes=3), "6d5h", id="days"),
        pytest.param(timedelta(hours=1, minutes=30, seconds=1), "1h30m", id="hours"),
        pytest.param(timedelta(seconds=45), "45s", id="seconds"),
        pytest.param(timedelta(0), "0s", id="nothing"),
    ],
)
def test_how_long_it_lasted(value: timedelta, expected: str) -> None:
    assert span(value) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param("2026-11-22", ago(12 * 3600), id="a day, in UTC where that was asked for"),
        pytest.param("2026-11-22T12:00", NOW, id="a minute"),
        pytest.param("2026-11-22T13:00:00+01:00", NOW, id="a time that says its own zone"),
    ],
)
def test_a_moment_that_somebody_typed(words: str, expected: datetime) -> None:
    assert moment(words, utc=True) == expected
