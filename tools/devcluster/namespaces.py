"""Namespaces that are made for a test; what acts in them goes with it."""

import contextlib
import uuid
from collections.abc import Iterator

from tools.devcluster.api import ApiError
from tools.devcluster.cluster import DevCluster
from tools.devcluster.processes import PATIENCE, wait_until

_EMPTIED = (
    "salus.dev/v1alpha1/namespaces/{}/healthpolicies",
    "autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
    "apps/v1/namespaces/{}/deployments",
    "apps/v1/namespaces/{}/statefulsets",
    "apps/v1/namespaces/{}/daemonsets",
)
"""What somebody works on; controllers take away what these own. Nobody but Salus may delete records."""


@contextlib.contextmanager
def fresh_namespace(cluster: DevCluster, prefix: str = "test") -> Iterator[str]:
    """A new namespace in which pods can be created; it is emptied at the end, without waiting.

    It is not deleted: its controller would send some 200 requests, as there are kinds, and hundreds of tests make one.
    """
    name = f"{prefix}-{uuid.uuid4().hex[:8]}"
    api = cluster.api()
    api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    wait_until(lambda: api.exists(account), timeout=PATIENCE, what=f"ServiceAccount default in {name}")
    yield name
    for collection in _EMPTIED:
        try:
            api.delete(f"/apis/{collection.format(name)}")
        except ApiError as error:
            if error.status != 404:  # a kind that is not served has no objects
                raise
