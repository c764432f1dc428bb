"""The cluster of the tier e2e: the same fixtures as elsewhere, with a real node under them."""

from collections.abc import Iterator

import pytest

from tests.devcluster import sandbox
from tests.devcluster.cluster import DevCluster
from tests.devcluster.images import busybox_image


@pytest.fixture(scope="session")
def devcluster() -> Iterator[DevCluster]:
    """A control plane with one real node, which knows the image `images.BUSYBOX`."""
    if not sandbox.inside():
        pytest.skip("a real node needs the sandbox: run `python -m tests.e2e` as root")
    with DevCluster(nodes="kubelet", prometheus=False) as cluster:
        cluster.node.load([busybox_image(cluster.node.programs["busybox"])])
        yield cluster
