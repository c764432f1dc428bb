"""An operator that reaches the API server through a proxy; who it is, the server learns from the proxy."""

import ssl
from pathlib import Path
from typing import Any

import yaml

from tests.chaos.proxy import Proxy
from tests.devcluster.cluster import DevCluster


def proxy_before(cluster: DevCluster, user: str | None = "salus") -> Proxy:
    """A proxy before the API server, as a user to whom only RBAC gives rights; it is not started yet.

    None: as whoever the operator says that it is.
    """
    context = ssl.create_default_context(cafile=str(cluster.plane.ca))
    if user is not None:
        pair = cluster.plane.pair(user)
        context.load_cert_chain(pair.cert, pair.key)
    return Proxy(cluster.url, context)


def kubeconfig_through(cluster: DevCluster, proxy: Proxy, name: str, **user: str) -> Path:
    """A kubeconfig for a started proxy. `user`: the credentials in it, by their YAML names."""
    path = cluster.run_dir / f"{name}.kubeconfig"
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "proxy", "cluster": {"server": proxy.url}}],
        "users": [{"name": "salus", "user": user}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "salus"}}],
        "current-context": "proxy",
    }
    path.write_text(yaml.safe_dump(document))
    return path
