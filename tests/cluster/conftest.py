"""What the tests of the whole operator share: a cluster with Salus installed, and a stage to play a service on."""

import threading
from collections.abc import Iterator

import pytest

from tests.cluster.scene import Pump, Scene
from tools.devcluster.cluster import DevCluster
from tools.devcluster.nursery import Nursery
from tools.devcluster.salus import PYTHONPATH, Salus, install, lend_account


@pytest.fixture(scope="session")
def ready_cluster(devcluster: DevCluster) -> DevCluster:
    """The devcluster with the CRDs and the rights of Salus."""
    install(devcluster)
    return devcluster


@pytest.fixture(scope="session")
def pump(ready_cluster: DevCluster) -> Iterator[Pump]:
    """Keeps the gauges that tests set flowing into Prometheus."""
    pump = Pump(ready_cluster.prometheus)
    thread = threading.Thread(target=pump.run, name="pump", daemon=True)
    thread.start()
    yield pump
    pump.stop()
    thread.join()


@pytest.fixture(scope="session")
def nursery(ready_cluster: DevCluster) -> Iterator[Nursery]:
    """What forks this worker's operators."""
    nursery = Nursery(ready_cluster.run_dir, PYTHONPATH)
    yield nursery
    nursery.stop()


@pytest.fixture
def salus(ready_cluster: DevCluster, namespace: str, nursery: Nursery) -> Iterator[Salus]:
    """An operator for this test's namespace alone; the test starts it."""
    operator = Salus(
        ready_cluster,
        name=f"salus-{namespace}",
        namespaces=[namespace],
        options=["--log-level=debug"],
        nursery=nursery,
    )
    yield operator
    operator.stop()
    if operator.log.exists():
        print(f"--- the operator's log\n{operator.log.read_text()[-20_000:]}")  # noqa: T201 — shown with a failure only


@pytest.fixture
def scene(ready_cluster: DevCluster, pump: Pump, namespace: str, salus: Salus) -> Iterator[Scene]:
    """A namespace with an account for Salus and nothing else in it yet, and the hands to put something there."""
    scene = Scene(ready_cluster, pump, namespace, salus)
    lend_account(ready_cluster, namespace)
    yield scene
    scene.tell()
    pump.forget(namespace)
    scene.assert_nothing_was_written_as_itself()
