"""Tokens of service accounts, as TokenRequest gives them to the kubelet of a pod, or to whoever may ask for one."""

from pathlib import Path

from tools.devcluster.api import Api
from tools.devcluster.cluster import DevCluster
from tools.devcluster.kubeconfigs import write_kubeconfig


def request_token(api: Api, namespace: str, account: str, *, pod: str = "") -> str:
    """A token of the account: bound to a pod that runs as it, or to nothing."""
    bound = {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": pod}} if pod else {}
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3600, **bound},
    }
    return str(api.create(path, body)["status"]["token"])


def kubeconfig_of_pod(cluster: DevCluster, namespace: str, account: str, pod: str) -> Path:
    """A kubeconfig with what the pod has mounted."""
    token = request_token(cluster.api(), namespace, account, pod=pod)
    return write_kubeconfig(
        cluster.run_dir / f"{pod}.kubeconfig",
        cluster.url,
        user=account,
        credentials={"token": token},
        ca=cluster.plane.ca,
    )
