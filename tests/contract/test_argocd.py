"""The example for Argo CD against its own CRDs: every field is one that Argo CD knows."""

from tools.devcluster.cluster import DevCluster
from tools.devcluster.gomod import ARGO_CD
from tools.devcluster.salus import REPOSITORY

EXAMPLE = REPOSITORY / "examples/gitops/argocd"


def test_the_example_is_what_the_api_server_takes(devcluster: DevCluster) -> None:
    devcluster.install_crds(ARGO_CD.folder() / "manifests/crds/application-crd.yaml")
    devcluster.kubectl("create", "namespace", "argocd")

    applied = devcluster.kubectl(
        "apply", "--server-side", "--validate=strict", "-f", str(EXAMPLE / "applications.yaml")
    )
    config = devcluster.kubectl("apply", "--server-side", "--validate=strict", "-f", str(EXAMPLE / "argocd-cm.yaml"))

    assert applied.split() == [
        *("application.argoproj.io/salus", "serverside-applied"),
        *("application.argoproj.io/shop", "serverside-applied"),
    ]
    assert config.split() == ["configmap/argocd-cm", "serverside-applied"]
