"""Nothing twice, nothing lost: Salus is killed at the worst moments, and started again."""

import datetime as dt
from dataclasses import replace

import pytest

from tests.cluster.crashing import CRASH
from tests.cluster.scene import Scene


def a_crash(scene: Scene, where: str) -> None:
    """Start an operator that dies at `where`, wait for its end, and start a sound one."""
    name = f"{scene.salus.name}-doomed"
    doomed = replace(scene.salus, name=name, program=("-m", "tests.cluster.crashing"), env={CRASH: where})
    doomed.start()
    scene.gauge(0.5)
    process = doomed.process
    assert process is not None
    scene.wait(lambda: not process.alive or bool(scene.writes(verb="patch")), "the write, or the crash")
    if scene.writes(verb="patch"):
        scene.gauge(0.0)
    scene.wait(lambda: not process.alive, f"the crash {where}")
    assert process.popen.returncode == -9
    scene.salus.start()


@pytest.mark.parametrize(
    "where",
    [
        pytest.param("before POST /changeevents 1", id="killed before the intent is on record"),
        pytest.param("after POST /changeevents 1", id="killed between record and act"),
        pytest.param("before PATCH /deployments/ 1", id="killed at the moment of the write, before the server has it"),
        pytest.param("after PATCH /deployments/ 1", id="killed after the action, its reply is lost"),
        pytest.param("after PATCH /changeevents/ 1", id="killed while verifying"),
        pytest.param("before PATCH /changeevents/ 2", id="killed before the outcome is on record"),
    ],
)
def test_edge_case_07_operator_killed_leaves_one_effect_and_one_finished_record(scene: Scene, where: str) -> None:
    """Whatever the moment: one PATCH took effect, one record says Recovered, and no number is missing."""
    scene.gauge(0.0)
    scene.deploy()
    scene.apply(remedies=[{"name": "restart", "restart": {}}], verify={"settle": "0s", "stable": "5s", "timeout": "2m"})
    a_crash(scene, where)

    scene.wait_change(decision="Act", action="Restart")
    scene.wait(lambda: len(scene.writes(verb="patch")) >= 1, "the restart")
    scene.gauge(0.0)
    scene.wait_outcome("Recovered", action="Restart", decision="Act")
    acted = [change for change in scene.changes(decision="Act") if change["status"].get("outcome") != "Abandoned"]
    effects = [event for event in scene.writes(verb="patch") if event.code == 200]
    assert len(effects) == 1
    assert len(acted) == 1
    assert all("completedAt" in change["status"] for change in scene.changes(decision="Act"))
    assert [change["spec"]["sequence"] for change in scene.changes()] == list(range(1, len(scene.changes()) + 1))


def test_a_for_in_progress_survives_a_kill(scene: Scene) -> None:
    """Killed 15 s into `for: 30s`: the breach counts from its real beginning, not from the restart."""
    scene.gauge(0.0)
    scene.deploy()
    checks = [
        {
            "name": "errors",
            "query": 'error_ratio{namespace="$namespace",deployment="$target"}',
            "unhealthy": {"above": "0.05"},
            "for": "30s",
        }
    ]
    scene.apply(checks=checks, remedies=[{"name": "restart", "restart": {}}])
    scene.salus.start()
    scene.wait_condition("Healthy", "True")
    scene.gauge(0.5)
    scene.wait(lambda: scene.measured("error_ratio") == 0.5, "the breach is in Prometheus")
    began = dt.datetime.now(dt.UTC)
    scene.wait(lambda: dt.datetime.now(dt.UTC) - began > dt.timedelta(seconds=15), "half of `for`")
    scene.salus.kill()
    restarted = dt.datetime.now(dt.UTC)
    scene.salus.start()

    change = scene.wait_change(decision="Act")
    since = dt.datetime.fromisoformat(change["spec"]["evidence"][0]["since"])
    assert since < restarted - dt.timedelta(seconds=5)
    assert len(scene.changes(decision="Act")) == 1
