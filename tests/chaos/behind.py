"""An operator that reaches the API server through a proxy; who it is, the server learns from the proxy."""

import ssl
from pathlib import Path

from tests.chaos.proxy import Proxy
from tools.devcluster.cluster import DevCluster
from tools.devcluster.kubeconfigs import write_kubeconfig


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
    return write_kubeconfig(cluster.run_dir / f"{name}.kubeconfig", proxy.url, credentials=user)
