"""Watches of records that lag by seconds, are cut and told 410, before two processes that know nothing of each other.

What the API server has on record decides: nothing is done twice, nothing beyond a limit, and no number is missing.
"""

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.chaos.behind import kubeconfig_through, proxy_before
from tests.chaos.proxy import Fault, Kind, Seen
from tests.chaos.serving import serving
from tests.cluster.scene import Scene
from tests.cluster.test_races import effects, race, targets, two_policies

TARGETS = 6
pytestmark = pytest.mark.timeout(1200)


def late() -> Callable[[Seen], Fault | None]:
    """Each watch of records is cut after a second; the next one is put off, or has to begin with a list."""
    turns = itertools.cycle([Fault(Kind.CUT, 1.0), Fault(Kind.DELAY, 6.0), Fault(Kind.STATUS, status=410)])

    def plan(seen: Seen) -> Fault | None:
        return next(turns) if seen.watch and ("/changeevents" in seen.path or "/incidents" in seen.path) else None

    return plan


def test_two_processes_whose_watches_are_late_do_nothing_twice(scene: Scene) -> None:
    names = targets(scene, TARGETS)
    two_policies(scene)
    limits = {"limits": {"fleetBrake": {"enabled": False}, "recordsPerHour": 1000}}
    ways = [proxy_before(scene.cluster) for _ in range(2)]
    for way in ways:
        way.plan = late()
    with serving(*ways):
        both = [
            replace(
                scene.salus,
                name=f"{scene.salus.name}-{number}",
                settings=limits,
                options=[
                    *scene.salus.options,
                    f"--kubeconfig={kubeconfig_through(scene.cluster, way, f'{scene.salus.name}-{number}')}",
                ],
            )
            for number, way in enumerate(ways)
        ]
        with both[0], both[1]:
            race(scene, names)
            for name in names:
                scene.gauge(0.0, target=name)
            scene.wait(lambda: _all_over(scene), "every change has its end", 240)

    assert sorted(event.name for event in effects(scene)) == sorted(names), "one PATCH each: the cooldown is an hour"
    for name in names:
        numbers = [c["spec"]["sequence"] for c in scene.changes() if c["spec"]["targetRef"]["name"] == name]
        assert numbers == list(range(1, len(numbers) + 1))
    done = Counter(c["status"]["outcome"] for c in scene.changes(decision="Act"))
    assert done["Recovered"] == TARGETS
    assert set(done) <= {"Recovered", "Abandoned"}
    assert all(way.faults.get(Kind.CUT) and way.faults.get(Kind.STATUS) for way in ways)


def _all_over(scene: Scene) -> bool:
    changes = scene.changes(decision="Act")
    return bool(changes) and all("completedAt" in change["status"] for change in changes)
