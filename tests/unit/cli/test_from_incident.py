"""`salus test --from-incident`: what an incident has taught is a test, which a policy that forgets it fails."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from salus.cli.app import app
from salus.cli.contract import CannotBeAsked
from salus.cli.metrics.wanted import Prometheus
from salus.cli.person import Where
from salus.cli.trial.from_incident import Ask, made
from salus.model.scalars import parse_time
from tests.builders import a_template
from tests.unit.cli.pasts import that_knows
from tests.unit.cli.people import person
from tests.unit.cli.played import by_url
from tests.unit.cli.trials import tried
from tests.unit.stage import Stage, a_stage
from tests.unit.test_rollbacks import roll_out

UNDO = {"name": "undo", "rollback": {}}
RESTART = {"name": "restart", "restart": {}}
ILL, WELL = 0.3, 0.01


async def an_incident(*remedies: dict[str, Any], mode: str = "Enforce", ticks: int = 60) -> Stage:
    """Release v2 was ill; what was done about it follows from the policy."""
    stage = a_stage(lambda body: "v1" in str(body["spec"]["template"]["spec"]), *remedies, mode=mode)
    roll_out(stage, 1, a_template("shop:v1"))
    await stage.ticks(6)
    roll_out(stage, 2, a_template("shop:v2"))
    await stage.ticks(ticks)
    return stage


def value_of(stage: Stage) -> Any:  # noqa: ANN401 — a function
    """As it was: ill from the breach until something was done that helped."""
    began = parse_time(stage.incidents[0]["spec"]["openedAt"])
    done = [body["status"].get("appliedAt") for body in stage.changes if body["status"].get("outcome") == "Recovered"]
    over = parse_time(done[0]) if done else datetime.max.replace(tzinfo=began.tzinfo)
    return lambda at: ILL if began <= at <= over else WELL


async def written(stage: Stage, folder: Path, value: Any = None) -> Path:  # noqa: ANN401 — a function
    async with by_url(that_knows(stage, value or value_of(stage))) as url:
        ask = Ask(stage.incidents[0]["metadata"]["name"], folder, Where(), Prometheus(at=url))
        (name,) = await made(person(stage.cluster), ask, stage.clock.now() + timedelta(hours=1))
    return Path(name)


@pytest.mark.parametrize(
    ("remedy", "mode", "expected"),
    [
        pytest.param(UNDO, "Enforce", [("Act Rollback", "v1", "Recovered")], id="a release was taken back"),
        pytest.param(UNDO, "Observe", [("DryRun Rollback", "v1", None)], id="it was rehearsed"),
        pytest.param(UNDO, "Approve", [("AwaitApproval Rollback", "v1", None)], id="a person was asked"),
    ],
)
async def test_an_incident_becomes_a_test_that_passes(
    remedy: dict[str, Any], mode: str, expected: list[tuple[str, ...]], tmp_path: Path
) -> None:
    stage = await an_incident(dict(remedy), mode=mode)

    file = await written(stage, tmp_path)
    (test,) = yaml.safe_load(file.read_text())["tests"]

    assert [(one["record"], one.get("to"), one.get("outcome")) for one in test["expect"]][:1] == expected
    assert (tmp_path / "checkout.yaml").exists()
    ended = await asyncio.to_thread(tried, file)
    assert ended.exit_code == 0, ended.output


async def test_it_fails_for_a_policy_that_forgets_it(tmp_path: Path) -> None:
    """The world answers to the deed alone: who does nothing, or something else, stays ill."""
    stage = await an_incident(dict(UNDO))
    file = await written(stage, tmp_path)
    policy = tmp_path / "checkout.yaml"
    policy.write_text(policy.read_text().replace("rollback: {}", "restart: {}"))

    ended = await asyncio.to_thread(tried, file)

    assert ended.exit_code == 1
    assert "expected  Act Rollback Recovered (to v1)" in ended.stdout


async def test_what_did_not_help_stays_ill(tmp_path: Path) -> None:
    stage = await an_incident(dict(RESTART))

    file = await written(stage, tmp_path)
    (test,) = yaml.safe_load(file.read_text())["tests"]

    assert "after" not in test
    assert test["expect"][0]["record"] == "Act Restart"
    ended = await asyncio.to_thread(tried, file)
    assert ended.exit_code == 0, ended.output


async def test_a_policy_that_is_there_is_kept(tmp_path: Path) -> None:
    stage = await an_incident(dict(UNDO))
    (tmp_path / "checkout.yaml").write_text("mine")

    await written(stage, tmp_path)

    assert (tmp_path / "checkout.yaml").read_text() == "mine"


async def test_a_test_that_is_there_is_kept(tmp_path: Path) -> None:
    stage = await an_incident(dict(UNDO))
    (tmp_path / f"{stage.incidents[0]['metadata']['name']}.test.yaml").write_text("mine")

    with pytest.raises(CannotBeAsked, match="is there already"):
        await written(stage, tmp_path)


async def test_a_past_that_is_gone_is_said(tmp_path: Path) -> None:
    stage = await an_incident(dict(UNDO))

    with pytest.raises(CannotBeAsked, match="nothing of that time any more"):
        await written(stage, tmp_path, lambda _: None)
    assert not (tmp_path / "checkout.yaml").exists()


def test_it_takes_a_cluster(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("apiVersion: v1\nkind: Config\n")

    ended = CliRunner().invoke(app, ["test", "--from-incident", "checkout-1", "--kubeconfig", str(kubeconfig)])

    assert ended.exit_code == 2
    assert "no way to the cluster" in ended.stderr
