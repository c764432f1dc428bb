"""An upgrade from before records had a format, in the middle of it all: nothing is lost, and nothing is done twice.

The old operator is that of a commit, from this repository's own history, with its own CRDs and rights.
"""

import io
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.chaos.books import from_audit, reconcile
from tests.cluster.scene import Object, Scene
from tools.devcluster.cluster import DevCluster
from tools.devcluster.salus import REPOSITORY, Salus, install

OLD = "930589cdb47c4eb5d521a5458e6cc0ff2500141e"
"""The last commit whose records have no `spec.format`."""
UNDO = {"name": "undo", "rollback": {}}
GROW = {"name": "grow", "scale": {"to": 3, "max": 3}}
PACE = {"settle": "0s", "stable": "5s"}


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The old operator, its CRDs and its rights."""
    folder = tmp_path_factory.mktemp("old")
    archive = ["git", "-C", str(REPOSITORY), "archive", OLD, "operator", "crds", "examples/install"]
    done = subprocess.run(archive, capture_output=True, check=False, timeout=60)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        pytest.fail(f"the history lacks commit {OLD}, from which this upgrades ({said}): clone the repository whole")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder


@pytest.fixture
def before(ready_cluster: DevCluster, old: Path) -> Iterator[Path]:
    """The cluster as the old Salus was installed on it; afterwards again as it was."""
    ready_cluster.install_crds(old / "crds")
    ready_cluster.kubectl("apply", "-f", str(old / "examples" / "install" / "rbac.yaml"))
    yield old
    install(ready_cluster)


@pytest.fixture
def the_old(scene: Scene, before: Path) -> Iterator[Salus]:
    """An operator of the old code, with as much configuration as it knows."""
    env = {"PYTHONPATH": str(before / "operator")}
    operator = replace(scene.salus, name=f"{scene.salus.name}-old", nursery=None, env=env)
    written = yaml.safe_load(operator.config.read_text(encoding="utf-8"))
    operator.config.write_text(yaml.safe_dump({key: written[key] for key in ("cluster", "sources")}), encoding="utf-8")
    yield operator
    operator.stop()


def edit(scene: Scene, **spec: object) -> None:
    """A person edits the policy."""
    path = f"/apis/salus.dev/v1alpha1/namespaces/{scene.namespace}/healthpolicies/web"
    scene.cluster.api().patch(path, {"spec": spec})


def image(scene: Scene) -> str:
    return str(scene.deployment()["spec"]["template"]["spec"]["containers"][0]["image"])


def is_verifying(change: Object) -> bool:
    status = change.get("status", {})
    return bool(status.get("appliedAt")) and not status.get("completedAt")


def has_kept_one(scene: Scene) -> bool:
    """The old operator keeps releases as ControllerRevisions."""
    path = f"/apis/apps/v1/namespaces/{scene.namespace}/controllerrevisions"
    return len(scene.cluster.api().items(path, labelSelector="salus.dev/release")) == 1


def in_the_middle(scene: Scene, salus: Salus) -> tuple[Object, Object]:
    """v1 is known good, v2 is quarantined, v3 is unhealthy: an incident is open, and a scaling is being verified."""
    scene.gauge(0.0)
    scene.deploy()
    scene.apply(remedies=[UNDO], limits={"cooldown": "5s", "maxActions": 10}, verify={**PACE, "timeout": "10m"})
    salus.start()
    scene.wait_condition("Healthy", "True")
    scene.wait(lambda: has_kept_one(scene), "v1 is on record as good")
    scene.release("v2")
    scene.wait_rolled_out()
    scene.gauge(0.5)
    scene.wait_change(decision="Act", action="Rollback")
    scene.wait(lambda: image(scene) == "app:v1", "v2 is rolled back")
    scene.gauge(0.0)
    scene.wait_outcome("Recovered", action="Rollback")

    edit(scene, remedies=[GROW, UNDO], verify={**PACE, "timeout": "1m"})
    scene.release("v3")
    scene.wait_rolled_out()
    scene.gauge(0.5)
    scene.wait(lambda: any(map(is_verifying, scene.changes(action="Scale"))), "a scaling that is being verified")
    salus.kill()
    [scaling] = scene.changes(action="Scale")
    [incident] = [i for i in scene.incidents() if i["status"]["phase"] != "Resolved"]
    return scaling, incident


def test_an_upgrade_in_the_middle_of_an_incident_loses_nothing(scene: Scene, the_old: Salus) -> None:
    """The change is verified and taken back, then v1 comes back, and not v2; the books balance over both operators."""
    scaling, incident = in_the_middle(scene, the_old)
    assert "format" not in scaling["spec"]
    assert "format" not in incident["spec"]

    install(scene.cluster)
    scene.salus.start()

    scene.wait_change(decision="Act", reason="Undo")
    scene.wait(lambda: scene.deployment()["spec"]["replicas"] == 2, "what did not help is taken back")
    scene.wait(lambda: len(scene.changes(decision="Act", action="Rollback")) == 2, "the next rung")
    scene.wait(lambda: image(scene) == "app:v1", "v1 comes back")
    scene.gauge(0.0)
    back = scene.wait_outcome("Recovered", action="Rollback")

    assert (back["spec"]["format"], back["spec"]["incidentRef"]["uid"]) == (1, incident["metadata"]["uid"])
    assert back["spec"]["intended"]["images"] == ["app:v1"]
    first = next(change for change in scene.changes() if change["metadata"]["uid"] == scaling["metadata"]["uid"])
    assert first["status"]["outcome"] == "NotRecovered"
    assert len(scene.incidents()) == 2
    scene.wait(lambda: all(i["status"]["phase"] == "Resolved" for i in scene.incidents()), "both incidents are over")
    written = [*scene.writes("changeevents"), *scene.writes("deployments")]
    assert reconcile(from_audit(written, scene.changes(), "salus", scene.account)) == []
