"""Edge cases that need a control plane, numbered and named as in tests/unit/test_edge_cases.py."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.scene import Scene

SOON_AFTER = 2.0
"""Seconds until a tool that holds the state in Git has noticed, and put it back."""
LOOK_EVERY = 0.2


@contextmanager
def git_holding(scene: Scene, release: str) -> Iterator[list[str]]:
    """A stand-in for a GitOps tool: whatever else is deployed, it puts this release back; yields what it undid."""
    over, undone = threading.Event(), list[str]()

    def run() -> None:
        while not over.wait(LOOK_EVERY):
            image = scene.deployment()["spec"]["template"]["spec"]["containers"][0]["image"]
            if image != f"app:{release}" and not over.wait(SOON_AFTER):
                undone.append(image)
                scene.release(release)

    thread = threading.Thread(target=run, name="git", daemon=True)
    thread.start()
    try:
        yield undone
    finally:
        over.set()
        thread.join()


def test_edge_case_15_git_ops_puts_the_bad_release_back(scene: Scene) -> None:
    """One attempt, `Contested`, and no other write, whatever rungs are left; the hour is the unit test's."""
    scene.gauge(0.0)
    scene.deploy(release="v1")
    restart = {"name": "restart", "restart": {}}
    scene.apply(remedies=[{"name": "undo", "rollback": {}}, restart])
    scene.salus.start()
    scene.wait_kept()

    scene.release("v2")
    scene.gauge(0.3)
    with git_holding(scene, "v2") as undone:
        scene.wait_outcome("Contested", decision="Act", action="Rollback")
        scene.wait_change(decision="Refuse", reason="Contested")
        scene.wait_status_ticks(5)

    assert undone == ["app:v1"]
    assert [event.code for event in scene.writes()] == [200]
    assert scene.condition("Throttled")["reason"] == "Contested"
