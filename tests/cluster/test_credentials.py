"""A token that ends while Salus runs: the watch of the policies and everything else go on with the one in the file."""

from collections.abc import Sequence
from pathlib import Path

from tests.chaos.behind import kubeconfig_through, proxy_before
from tests.chaos.proxy import Fault, Kind, Seen
from tests.chaos.serving import serving
from tests.cluster.scene import Object, Scene

ACCOUNT = "operator"
_RBAC = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
_USER = "salus"


def rights_of_salus(scene: Scene) -> Sequence[Object]:
    """What binds roles of the cluster to the user that the other tests run Salus as."""
    found = scene.cluster.api().items(_RBAC)
    return [body for body in found if any(s["name"] == _USER for s in body.get("subjects") or ())]


def an_account(scene: Scene) -> None:
    """A ServiceAccount with the rights of Salus; made anew it is another one, and old tokens end."""
    api, path = scene.cluster.api(), f"/api/v1/namespaces/{scene.namespace}/serviceaccounts"
    if api.exists(f"{path}/{ACCOUNT}"):
        scene.cluster.kubectl("delete", "-n", scene.namespace, f"serviceaccount/{ACCOUNT}", "--wait")
    api.create(path, {"metadata": {"name": ACCOUNT}})


def bind(scene: Scene) -> list[str]:
    """Give the account the rights of Salus, the loan of the namespace's account too; the names of the bindings."""
    subject = {"kind": "ServiceAccount", "namespace": scene.namespace, "name": ACCOUNT}
    made = []
    for body in rights_of_salus(scene):
        name = f"{body['metadata']['name']}-{scene.namespace}"
        binding = {"metadata": {"name": name}, "roleRef": body["roleRef"], "subjects": [subject]}
        made.append(scene.cluster.api().create(_RBAC, binding)["metadata"]["name"])
    scene.cluster.kubectl(
        "create",
        "rolebinding",
        f"lent-to-{ACCOUNT}",
        "-n",
        scene.namespace,
        "--clusterrole=salus-impersonator",
        f"--serviceaccount={scene.namespace}:{ACCOUNT}",
    )
    return made


def mount_token(scene: Scene) -> Path:
    """Put a fresh token of the account into its file, as the kubelet does."""
    path = scene.cluster.run_dir / f"{scene.namespace}.token"
    path.write_text(scene.cluster.kubectl("create", "token", "-n", scene.namespace, ACCOUNT))
    return path


def short_watches(seen: Seen) -> Fault | None:
    """Whoever watches has to ask again every other second, and is then asked who it is."""
    return Fault(Kind.CUT, seconds=2.0) if seen.watch else None


def written_by_the_account(scene: Scene) -> set[str]:
    """Deployments that the account has patched."""
    user = f"system:serviceaccount:{scene.namespace}:{ACCOUNT}"
    events = scene.cluster.audit.writes(user=user, resource="deployments", verb="patch", namespace=scene.namespace)
    return {event.name for event in events if event.code == 200}


def test_a_token_that_ends_is_replaced_by_the_one_in_the_file(scene: Scene) -> None:
    """After it a policy that is new is watched, and what it asks for is done: both ways to the API server went on."""
    an_account(scene)
    bindings, token = bind(scene), mount_token(scene)
    for name in ("first", "second"):
        scene.gauge(0.0, target=name)
        scene.deploy(name)
    scene.apply("first", remedies=[{"name": "restart", "restart": {}}])
    way = proxy_before(scene.cluster, user=None)
    way.plan = short_watches
    with serving(way):
        path = kubeconfig_through(scene.cluster, way, scene.namespace, tokenFile=str(token))
        scene.salus.options = [*scene.salus.options, f"--kubeconfig={path}"]
        scene.salus.start()
        scene.wait_condition("Healthy", "True", "first")

        an_account(scene)
        mount_token(scene)
        scene.wait_log("reading the credentials again")
        scene.apply("second", remedies=[{"name": "restart", "restart": {}}])
        scene.wait_condition("Healthy", "True", "second")
        for name in ("first", "second"):
            scene.gauge(0.5, target=name)
        scene.wait(lambda: written_by_the_account(scene) == {"first", "second"}, "both are restarted")
        scene.salus.stop()
    scene.cluster.kubectl("delete", "clusterrolebinding", *bindings)
