"""Namespaces that are made for a test and go with it."""

import contextlib
import uuid
from collections.abc import Iterator

from tests.devcluster.cluster import DevCluster
from tests.devcluster.processes import wait_until


@contextlib.contextmanager
def fresh_namespace(cluster: DevCluster, prefix: str = "test") -> Iterator[str]:
    """A new namespace in which pods can be created; it is deleted at the end, without waiting."""
    name = f"{prefix}-{uuid.uuid4().hex[:8]}"
    api = cluster.api()
    api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    wait_until(lambda: api.exists(account), timeout=60, what=f"ServiceAccount default in {name}")
    yield name
    api.delete(f"/api/v1/namespaces/{name}")
