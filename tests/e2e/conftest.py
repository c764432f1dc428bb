"""The cluster of the tier e2e: the same fixtures as elsewhere, with a real node under them."""

from collections.abc import Iterator

import pytest

from tests.e2e.installation import Installation, installed
from tools.devcluster import sandbox
from tools.devcluster.cluster import DevCluster
from tools.devcluster.images import busybox_image

FIGURES: dict[str, str] = {}
"""What the tests measured, for docs/how-to/operate.md; printed at the end and never judged."""


@pytest.fixture(scope="session")
def devcluster() -> Iterator[DevCluster]:
    """A control plane and Prometheus with one real node, which knows the image `images.BUSYBOX`."""
    if not sandbox.inside():
        pytest.skip("a real node needs the sandbox: run `python -m tests.e2e` as root")
    with DevCluster(nodes="kubelet") as cluster:
        cluster.node.load([busybox_image(cluster.node.programs["busybox"])])
        yield cluster


@pytest.fixture(scope="session")
def salus(devcluster: DevCluster) -> Iterator[Installation]:
    """Salus installed, its policy accepted, the shop healthy, and its release on record as good."""
    with installed(devcluster) as scene:
        scene.wait_ready()
        scene.wait(lambda: bool(scene.kept_releases()), "the first release has baked")
        yield scene


@pytest.fixture(scope="session")
def figures() -> dict[str, str]:
    """Where a test leaves what it has measured."""
    return FIGURES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures."""
    if FIGURES:
        terminalreporter.section("what it costs")
        for what, value in FIGURES.items():
            terminalreporter.write_line(f"{what:45} {value}")
