"""What `salus get` lists and `salus explain` answers, by objects that the operator itself has written."""

import io
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from salus.adapters.api import Connection
from salus.cli.app import app
from salus.cli.contract import CannotBeAsked
from salus.cli.look import explain_text, get_text, objects
from salus.cli.look.explain_command import explained
from salus.cli.look.objects import KINDS, Wish
from salus.cli.look.releases import releases
from salus.cli.person import Person
from salus.cli.reports.explanation import Explanation
from salus.cli.show import Look, show
from salus.model.scalars import Body
from tests.unit.stage import NAME, NAMESPACE, TARGET, Stage, a_stage
from tools.reasons import written

RESTART = {"name": "restart", "restart": {}}
NOTIFY = {"name": "page", "notify": {"severity": "critical"}}
ROOT = Path(__file__).parents[3]


def never(_: Body) -> bool:
    return False


def always(_: Body) -> bool:
    return True


def person(stage: Stage, namespace: str | None = NAMESPACE) -> Person:
    nobody: Any = None
    connection: Connection = nobody
    return Person(stage.cluster, "prod-eu", namespace, connection)


async def played(is_cured: Callable[[Body], bool] = never, ticks: int = 3, **spec: Any) -> Stage:  # noqa: ANN401 — handed on
    stage = a_stage(is_cured, RESTART, NOTIFY, **spec)
    await stage.ticks(ticks)
    return stage


# --- get


@pytest.mark.parametrize(
    ("kind", "wish", "count"),
    [
        pytest.param("policies", Wish(), 1, id="the policies"),
        pytest.param("incidents", Wish(target="deploy/checkout"), 1, id="incidents of a workload"),
        pytest.param("incidents", Wish(target="deploy/cart"), 0, id="of another one"),
        pytest.param("changes", Wish(decision="act"), 1, id="changes by their decision"),
        pytest.param("changes", Wish(decision="Refuse"), 0, id="by another one"),
        pytest.param("changes", Wish(reason="AboveThreshold"), 1, id="by their reason"),
        pytest.param("changes", Wish(since=timedelta(seconds=1)), 0, id="not those that are older"),
        pytest.param("changes", Wish(outcome="Recovered"), 0, id="by their outcome"),
    ],
)
async def test_which_objects_are_listed(kind: str, wish: Wish, count: int) -> None:
    stage = await played()

    found = await objects.listed(person(stage), KINDS[kind], wish, stage.clock.now())

    assert len(found) == count


async def test_rows_tell_what_happened() -> None:
    stage = await played()
    what = KINDS["changes"]
    found = await objects.listed(person(stage), what, Wish(), stage.clock.now())

    titles, row = objects.rows(what, found, stage.clock.now(), namespaces=True)

    assert titles[0] == "NAMESPACE"
    assert row == [NAMESPACE, "checkout-f7524989-1", "deploy/checkout", "Act", "Restart", "AboveThreshold", "5s", ""]


async def test_a_name_that_is_not_there_is_told() -> None:
    stage = await played()

    with pytest.raises(CannotBeAsked, match="there is no Incident"):
        await objects.listed(person(stage), KINDS["incidents"], Wish(names=("nothing",)), stage.clock.now())


async def test_releases_say_which_one_a_rollback_goes_to() -> None:
    stage = await played(always, ticks=6)
    first = (await releases(person(stage), f"deploy/{NAME}", stage.clock.now())).items
    stage.cluster.edit(TARGET, lambda body: body["spec"]["template"]["spec"]["containers"][0].update(image="shop:v2"))
    await stage.ticks(1)
    live, before = (await releases(person(stage), f"deploy/{NAME}", stage.clock.now())).items

    assert [one.stands for one in first] == ["live, good"]
    assert (live.images, live.stands) == (("shop:v2",), "live")
    assert (before.release, before.stands) == (first[0].release, "good: a rollback goes here")


# --- explain


async def why(stage: Stage, name: str = NAME) -> Explanation:
    said = await explained(person(stage), name, stage.clock.now())
    out = io.StringIO()
    show(said, Look(utc=True), explain_text.text, out)
    assert max(map(len, out.getvalue().splitlines())) <= 80
    return said


@pytest.mark.parametrize(
    ("spec", "is_cured", "ticks", "answer"),
    [
        pytest.param({}, never, 3, "Restart was done 5s ago, and has to prove", id="it is being proven"),
        pytest.param({"mode": "Approve"}, never, 3, "A person has to say yes first", id="a person is asked"),
        pytest.param({"mode": "Observe"}, never, 3, "The policy observes", id="it is rehearsed"),
        pytest.param({"suspend": True}, never, 3, "The policy is suspended", id="it is suspended"),
        pytest.param({}, never, 40, "People were told", id="nothing is left"),
        pytest.param({}, always, 3, "It is healthy", id="all is well"),
    ],
)
async def test_why(spec: dict[str, Any], is_cured: Callable[[Body], bool], ticks: int, answer: str) -> None:
    stage = await played(is_cured, ticks, **spec)

    said = await why(stage)

    assert said.answer.startswith(answer)


async def test_a_guard_that_objects_is_told_after_those_that_passed() -> None:
    stage = await played(ticks=20, limits={"cooldown": "24h", "maxActions": 10}, remedies=[RESTART, again("restart-2")])

    said = await why(stage)

    assert said.answer.startswith("A guard holds it back, CooldownActive")
    assert [guard.reason for guard in said.guards][-2:] == ["ChangeInFlight", "CooldownActive"]
    assert said.not_asked > 0
    assert "salus explain CooldownActive" in said.do


def again(name: str) -> dict[str, Any]:
    return {"name": name, "restart": {}}


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        pytest.param("chev/checkout-f7524989-1", "Act Restart", id="a change"),
        pytest.param("inc/checkout-3d5f39f9-1", "Deployment/checkout was unhealthy for", id="an incident"),
        pytest.param("deploy/checkout", "Restart was done", id="a workload"),
    ],
)
async def test_what_else_can_be_explained(name: str, answer: str) -> None:
    assert (await why(await played(), name)).answer.startswith(answer)


# --- what needs no cluster


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        pytest.param(["explain", "CooldownActive"], 0, ["a guard objects", "limits.cooldown"], id="a reason"),
        pytest.param(["explain", "CoolDown"], 2, ["like it", "CooldownActive"], id="one with a slip"),
        pytest.param(["get", "reasons"], 0, ["CooldownActive", "NoSeries"], id="all reasons"),
        pytest.param(["get", "presets"], 0, ["PodsCrashLooping", "above 0"], id="all presets"),
        pytest.param(["get", "preset", "PodsCrashLooping"], 0, ["Needs", "kube_pod_owner"], id="one in full"),
        pytest.param(["get", "presets", "-o", "json"], 0, ['"kind": "PresetList"'], id="for programs"),
        pytest.param(["get", "nothing"], 2, ["expected", "policies, incidents"], id="a kind that is not there"),
        pytest.param(["get", "changes", "--since", "soon"], 2, ["expected a duration"], id="a time that is none"),
    ],
)
def test_without_a_cluster(arguments: Sequence[str], status: int, said: Sequence[str]) -> None:
    ended = CliRunner().invoke(app, list(arguments))

    assert ended.exit_code == status, ended.output
    assert all(word in ended.output for word in said)
    assert "\x1b[" not in ended.output


def test_the_document_of_reasons_is_current() -> None:
    text = (ROOT / "docs/reference/records.md").read_text(encoding="utf-8")

    assert written(text) == text


def test_a_sentence_of_a_document_is_shown_without_its_marks() -> None:
    assert get_text.plain_text("set `a` as [policies](policies.md#x) say") == "set a as policies say"
