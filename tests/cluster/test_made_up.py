"""The fleet brake on a real control plane, beside targets that somebody makes up to have it on or off."""

import pytest

from tests.cluster.scene import Scene, deployment

REAL = [f"app-{number}" for number in range(6)]
MADE_UP = [f"dummy-{number}" for number in range(20)]
WELL, UNHEALTHY = 0.0, 0.3


@pytest.mark.parametrize(
    ("they_say", "unhealthy", "restarted"),
    [
        pytest.param("1", 2, 2, id="always unhealthy, beside two of six: nobody is held"),
        pytest.param("0", 6, 1, id="always well, beside six of six: the brake is on"),
    ],
)
def test_targets_that_are_made_up_have_no_say(scene: Scene, they_say: str, unhealthy: int, restarted: int) -> None:
    for name in REAL:
        scene.gauge(WELL, target=name)
    _create(scene, REAL, replicas=1, tier="web")
    _create(scene, MADE_UP, replicas=0, tier="dummy")
    check = {"name": "errors", "unhealthy": {"above": "0.05"}}
    proof, again = {"settle": "0s", "stable": "5s", "timeout": "4m"}, [{"name": "again", "restart": {}}]
    errors = f'error_ratio{{namespace="{scene.namespace}"}}'
    checks = [{**check, "query": errors, "targetLabel": "deployment"}]
    scene.apply(target=_labelled("web"), checks=checks, verify=proof, remedies=again)
    made_up = {**check, "query": f'vector({they_say}) unless up{{job="$target"}}'}
    scene.apply("made-up", mode="Observe", target=_labelled("dummy"), checks=[made_up], remedies=[])
    scene.salus.configure({"limits": {"fleetBrake": {"pause": "1h"}, "recordsPerHour": 1000}})
    scene.salus.start()
    said = {"0": "healthy", "1": "unhealthy"}[they_say]
    scene.wait(lambda: _counts(scene, "made-up").get(said) == len(MADE_UP), "what is made up is measured")
    scene.wait(lambda: _counts(scene, "web").get("healthy") == len(REAL), "what is real is well")

    for name in REAL[:unhealthy]:
        scene.gauge(UNHEALTHY, target=name)
    scene.wait(lambda: len(_restarted(scene)) + len(_held(scene)) == unhealthy, "each is restarted or held")

    assert len(_restarted(scene)) == restarted
    assert len(_held(scene)) == unhealthy - restarted


def _create(scene: Scene, names: list[str], *, replicas: int, tier: str) -> None:
    apps = f"/apis/apps/v1/namespaces/{scene.namespace}/deployments"
    for name in names:
        body = deployment(name, replicas=replicas)
        scene.cluster.api().create(apps, {**body, "metadata": {**body["metadata"], "labels": {"tier": tier}}})
    for name in names if replicas else ():
        scene.wait_rolled_out(name)


def _labelled(tier: str) -> dict[str, object]:
    return {"kind": "Deployment", "selector": {"matchLabels": {"tier": tier}}}


def _counts(scene: Scene, policy: str) -> dict[str, int]:
    """How the targets of a policy are, by its status."""
    counts: dict[str, int] = scene.policy(policy).get("status", {}).get("targets") or {}
    return counts


def _restarted(scene: Scene) -> set[str]:
    return {event.name for event in scene.writes(verb="patch")}


def _held(scene: Scene) -> set[str]:
    return {change["spec"]["targetRef"]["name"] for change in scene.changes(decision="Refuse", reason="FleetBrake")}
