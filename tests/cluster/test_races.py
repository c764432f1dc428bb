"""Two policies want to restart the same Deployment at the same moment: one does, and the audit log says so."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from salus.scheduler import SLOT, phase
from tests.cluster.scene import Scene, deployment
from tools.devcluster.audit import AuditEvent

TRIALS = 100
TRIALS_OF_TWO_PROCESSES = 10
PATIENCE = 480.0
"""Seconds; a hundred actions at once take a while on a busy machine."""
pytestmark = pytest.mark.timeout(4 * PATIENCE)
INTERVAL = 5.0


def targets(scene: Scene, count: int) -> Sequence[str]:
    """So many Deployments that are well."""
    names = [f"app-{number:03}" for number in range(count)]
    path = f"/apis/apps/v1/namespaces/{scene.namespace}/deployments"
    for name in names:
        body = deployment(name, replicas=1)
        scene.cluster.api().create(path, {**body, "metadata": {**body["metadata"], "labels": {"tier": "web"}}})
        scene.gauge(0.0, target=name)
    scene.salus.configure({"limits": {"fleetBrake": {"enabled": False}, "recordsPerHour": 1000}})
    return names


def two_policies(scene: Scene) -> None:
    """The same for the same targets, and due at the same moment: made anew until their uids say so."""
    check = {"name": "errors", "query": f'error_ratio{{namespace="{scene.namespace}"}}', "unhealthy": {"above": "0.05"}}
    spec = {
        "target": {"kind": "Deployment", "selector": {"matchLabels": {"tier": "web"}}},
        "checks": [{**check, "targetLabel": "deployment", "for": "5s"}],
        "remedies": [{"name": "restart", "restart": {}}],
        "limits": {"cooldown": "1h"},
        "verify": {"settle": "0s", "stable": "5s", "timeout": "10m"},
    }
    first = scene.apply("first", **spec)["metadata"]["uid"]
    while slot(scene.apply("second", **spec)["metadata"]["uid"]) != slot(first):
        scene.cluster.kubectl("delete", "-n", scene.namespace, "healthpolicy/second", "--wait")


def slot(uid: str) -> int:
    """When in its interval the policy with this uid is due."""
    return round(phase(uid, INTERVAL) / SLOT)


def race(scene: Scene, names: Sequence[str]) -> None:
    """All fall ill at once; every target is restarted."""

    def all_are_well() -> bool:
        counts = [body.get("status", {}).get("targets", {}).get("healthy") for body in scene.policies()]
        return counts == [len(names)] * 2

    scene.wait(all_are_well, "all are well", PATIENCE)
    for name in names:
        scene.gauge(0.5, target=name)
    scene.wait(lambda: {event.name for event in effects(scene)} == set(names), "every target is restarted", PATIENCE)
    scene.wait(lambda: told_to_wait(scene) == set(names), "the other policy is told what it waits for", PATIENCE)


def effects(scene: Scene) -> list[AuditEvent]:
    return [event for event in scene.writes(verb="patch") if event.code == 200]


def told_to_wait(scene: Scene) -> set[str]:
    """Targets for which a policy has it on record that another's change is under way."""
    return {c["spec"]["targetRef"]["name"] for c in scene.changes(decision="Refuse", reason="ChangeInFlight")}


def test_two_policies_race_for_each_of_a_hundred_deployments(scene: Scene) -> None:
    """One PATCH each; the other policy is told which change it waits for."""
    names = targets(scene, TRIALS)
    two_policies(scene)
    scene.salus.start()
    race(scene, names)

    assert sorted(event.name for event in effects(scene)) == names
    acted = [c for c in scene.changes(decision="Act") if c["status"].get("outcome") != "Abandoned"]
    assert sorted(c["spec"]["targetRef"]["name"] for c in acted) == names
    lost = [event for event in scene.writes("changeevents", "create") if event.code == 409]
    assert lost, "nobody ever came second: that was no race"


def test_two_operators_that_know_nothing_of_each_other_race(scene: Scene) -> None:
    """Without an election, which nobody should run: the name of the record is the lock, and it suffices."""
    names = targets(scene, TRIALS_OF_TWO_PROCESSES)
    two_policies(scene)
    other = replace(
        scene.salus,
        name=f"{scene.salus.name}-b",
        settings={"limits": {"fleetBrake": {"enabled": False}, "recordsPerHour": 1000}},
    )
    scene.salus.start()
    with other:
        race(scene, names)

    assert sorted(event.name for event in effects(scene)) == names
