"""`salus explain --now`: measured, decided and guarded afresh, as the next tick does it, with a person's rights."""

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from salus.cli.app import app
from salus.cli.contract import CannotBeAsked
from salus.cli.look import explain_text
from salus.cli.look.situation import situations
from salus.cli.marks import State
from salus.cli.metrics.wanted import THE_PROOF, Prometheus
from salus.cli.names import named
from salus.cli.now.command import Ask, afresh
from salus.cli.person import Where
from salus.cli.reports.explanation import Explanation
from salus.cli.rights import RIGHTS
from salus.cli.show import Look, show
from salus.model.values.permissions import Permission
from salus.ports import (
    CHANGE_EVENTS,
    DISRUPTION_BUDGETS,
    HEALTH_POLICIES,
    INCIDENTS,
    Ref,
)
from tests.fakes.api import Api, served
from tests.unit.cli.pasts import that_knows
from tests.unit.cli.people import person
from tests.unit.cli.played import PlayedPrometheus, by_url, vector
from tests.unit.cli.test_status import always, never, with_mode
from tests.unit.stage import NAME, NAMESPACE, Stage

VALUE = "/api/v1/query"
UNKNOWN_HERE = ["KillSwitch", "FreezeWindow", "NamespaceBudgetSpent", "GlobalBudgetSpent", "FleetBrake"]


def that_says(stage: Stage, value: float | None) -> PlayedPrometheus:
    """A Prometheus of this cluster, whose checks had this value all along; None: no series."""
    prometheus = that_knows(stage, lambda _: value)
    if value is not None:
        prometheus.say(VALUE, vector({"salus_part": "value"}, value=value), "errors")
    else:
        prometheus.say(VALUE, vector(), "errors")
    return prometheus


async def asked(stage: Stage, value: float | None = 1.0, name: str = NAME, config: Path | None = None) -> Explanation:
    someone = person(stage.cluster)
    bodies = [stage.cluster.objects(kind) for kind in (HEALTH_POLICIES, INCIDENTS, CHANGE_EVENTS)]
    (found,) = situations(*bodies)
    async with by_url(that_says(stage, value)) as url:
        wanted = Prometheus(at=url, config=config)
        return await afresh(someone, Ask(found, named(name), Where(), wanted), stage.clock.now())


def facts(report: Explanation, label: str) -> list[str]:
    return [fact.text for fact in report.facts if fact.label == label]


def guards(report: Explanation, state: State) -> list[str]:
    return [guard.reason for guard in report.guards if guard.state is state]


@pytest.mark.parametrize(
    ("mode", "spec", "answer"),
    [
        pytest.param("Enforce", {}, ": the next tick would do it. No guard objects of those", id="it would be done"),
        pytest.param("Approve", {}, ": the next tick would ask a person (mode Approve).", id="a person would be asked"),
        pytest.param("Observe", {}, ": the next tick would rehearse it (mode Observe).", id="it would be rehearsed"),
        pytest.param(
            "Enforce",
            {"suspend": True},
            "A guard holds it back, Suspended: spec.suspend is true.",
            id="a guard objects",
        ),
    ],
)
async def test_what_would_be_done_now(mode: str, spec: dict[str, Any], answer: str) -> None:
    stage = await with_mode(mode, ticks=0, **spec)
    before = list(stage.cluster.writes)

    report = await asked(stage)

    assert answer in report.answer
    assert stage.cluster.writes == before, "nothing is written"
    assert facts(report, "seen")[0].startswith("errors is Unhealthy, 1, above 0.05")
    assert [one for one in guards(report, State.UNKNOWN) if one != "NotPermitted"] == UNKNOWN_HERE
    assert ("NotPermitted" in guards(report, State.UNKNOWN)) == (mode != "Observe")


@pytest.mark.parametrize("mode", ["Enforce", "Approve", "Observe"])
async def test_it_is_what_the_next_tick_does(mode: str) -> None:
    stage = await with_mode(mode, ticks=0)
    report = await asked(stage)

    while not stage.changes:  # its `for` has to pass
        await stage.ticks(1)
    (change,) = stage.changes

    assert change["spec"]["message"].lower() in report.answer.lower()
    decided = {"would do it": "Act", "would ask a person": "AwaitApproval", "would rehearse it": "DryRun"}
    assert [word for told, word in decided.items() if told in report.answer] == [change["spec"]["decision"]]


async def test_nothing_while_it_is_healthy() -> None:
    report = await asked(await with_mode("Enforce", always), 0.0)

    assert (report.answer, report.guards) == ("Nothing: it is healthy.", ())
    assert "No rung" not in report.answer


async def test_nothing_while_something_is_under_way() -> None:
    stage = await with_mode("Enforce", never)

    report = await asked(stage)

    assert report.answer.startswith("It waits, ChangeUnderWay: ")


async def test_why_there_is_no_answer() -> None:
    """The questions of SL201: the metric was never there, as far back as is looked."""
    report = await asked(await with_mode("Enforce", never, ticks=0), None)

    assert report.answer.startswith("Nobody can tell: errors has no trustworthy answer")
    assert facts(report, "seen")[0].startswith("errors is Unknown, NoSeries")
    assert any("errors" in text for text in facts(report, ""))


async def test_a_rung_that_is_out_gives_way_to_the_next() -> None:
    stage = await with_mode("Enforce", never, ticks=0)
    rungs = [{"name": "undo", "rollback": {}}, {"name": "page", "notify": {}}]
    stage.cluster.edit(stage_policy(stage), lambda body: body["spec"].update(remedies=rungs))

    report = await asked(stage)

    first, second = facts(report, "chosen")
    assert first.startswith("remedy 1 of 2, undo, is out: NoKnownGoodRelease, ")
    assert second.startswith("remedy 2 of 2, page: ")
    assert "the next tick would do it" in report.answer
    assert [guard.reason for guard in report.guards] == ["Suspended", "ChangeInFlight"]


def stage_policy(stage: Stage) -> Ref:
    return Ref(HEALTH_POLICIES, stage.policy.key.namespace, stage.policy.key.name)


async def test_a_guard_that_lacks_a_right_is_not_known() -> None:
    stage = await with_mode("Enforce", never, ticks=0)
    stage.cluster.unreadable = {DISRUPTION_BUDGETS}

    report = await asked(stage)

    assert "DisruptionBudget" in guards(report, State.UNKNOWN)
    assert [(one.what, one.lacks) for one in report.not_looked_at] == [
        ("poddisruptionbudgets", "list poddisruptionbudgets.policy in shop")
    ]
    assert "No guard objects of those that could be asked; 7 of 19 could not." in report.answer


# --- the whole command, with somebody's rights

MINE = RIGHTS["explain NAME --now"]


async def called(stage: Stage, folder: Path, without: Permission | None = None) -> Result:
    """As somebody types it who has these rights, and what the proof of a Prometheus takes."""
    prometheus = that_says(stage, 1.0)
    allowed = (MINE.needs | MINE.helps | MINE.sometimes | THE_PROOF) - {without}
    with served(Api(stage.cluster, allowed=allowed), folder) as kubeconfig:
        async with by_url(prometheus) as url:
            words = ["explain", NAME, "--now", "--prometheus", url, "--kubeconfig", str(kubeconfig), "-n", NAMESPACE]
            return await asyncio.to_thread(CliRunner().invoke, app, words)


async def test_with_the_rights_of_the_table_nothing_is_left_out(tmp_path: Path) -> None:
    stage = await with_mode("Enforce", never, ticks=0)
    before = list(stage.cluster.writes)

    ended = await called(stage, tmp_path)

    assert ended.exit_code == 0, ended.output
    assert "Measured and asked afresh just now" in ended.stdout
    assert "Not looked at" not in ended.stdout
    assert stage.cluster.writes == before


@pytest.mark.parametrize("lacking", sorted(MINE.needs, key=str), ids=str)
async def test_without_one_that_it_needs_it_says_which(lacking: Permission, tmp_path: Path) -> None:
    ended = await called(await with_mode("Enforce", never, ticks=0), tmp_path, lacking)

    assert (ended.exit_code, ended.stdout) == (2, ""), ended.output
    assert f"{lacking}" in ended.stderr


@pytest.mark.parametrize("lacking", sorted(MINE.helps, key=str), ids=str)
async def test_without_one_that_helps_it_names_what_it_left_out(lacking: Permission, tmp_path: Path) -> None:
    ended = await called(await with_mode("Enforce", never, ticks=0), tmp_path, lacking)

    assert ended.exit_code == 0, ended.output
    _, _, left_out = ended.stdout.partition("Not looked at\n")
    assert " ".join(left_out.split()).startswith(f"{lacking.resource}: needs {lacking} in ")


@pytest.mark.parametrize("name", ["CooldownActive", "inc/checkout-1", "chev/checkout-1"])
def test_only_what_is_now_is_asked_about(name: str) -> None:
    ended = CliRunner().invoke(app, ["explain", name, "--now"])

    assert ended.exit_code == 2
    assert f"--now asks about what is now, and {name} is not" in ended.stderr


@pytest.mark.parametrize(
    ("text", "held", "more"),
    [
        pytest.param("killSwitch: {enabled: true}", ["KillSwitch"], ["FleetBrake"], id="a stop"),
        pytest.param("limits: {fleetBrake: {enabled: false}}", [], [], id="no brake"),
        pytest.param("limits: {global: {actions: 5}}", [], ["GlobalBudgetSpent", "FleetBrake"], id="a budget of all"),
    ],
)
async def test_the_operators_configuration_tells(text: str, held: list[str], more: list[str], tmp_path: Path) -> None:
    stage, config = await with_mode("Enforce", never, ticks=0), tmp_path / "salus.yaml"
    config.write_text(text)

    report = await asked(stage, config=config)

    assert (guards(report, State.HELD), guards(report, State.UNKNOWN)) == (held, ["NotPermitted", *more])


async def test_how_it_reads() -> None:
    stage, out = await with_mode("Enforce", never, ticks=0), io.StringIO()

    show(await asked(stage), Look(), explain_text.text, out)

    told = out.getvalue().splitlines()
    assert told[0] == "What would be done about Deployment/checkout now?"
    assert max(map(len, told)) <= 80
    assert any("? NotPermitted" in line and "✔ Suspended" in out.getvalue() for line in told)
    assert told[-1] == "Measured and asked afresh just now, with your rights. Nothing was written."


async def test_a_workload_of_a_selector_is_named() -> None:
    stage = await with_mode("Enforce", never, ticks=0)
    chosen = {"kind": "Deployment", "selector": {"matchLabels": {"tier": "none"}}}
    stage.cluster.edit(stage_policy(stage), lambda body: body["spec"].update(target=chosen))

    with pytest.raises(CannotBeAsked, match="is of 0 workloads"):
        await asked(stage)


async def test_one_workload_of_a_selector_is_meant_by_its_name() -> None:
    stage = await with_mode("Enforce", never, ticks=4)
    chosen = {"kind": "Deployment", "selector": {"matchLabels": {"tier": "none"}}}
    stage.cluster.edit(stage_policy(stage), lambda body: body["spec"].update(target=chosen))

    assert "ChangeUnderWay" in (await asked(stage, name=f"deploy/{NAME}")).answer
