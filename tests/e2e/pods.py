"""Small workloads made of busybox, for the tests of real nodes."""

from tools.devcluster.api import Object
from tools.devcluster.images import BUSYBOX

WEB_PORT = 8080
_SERVE_OWN_NAME = f"mkdir /tmp/www; hostname > /tmp/www/index.html; exec httpd -f -p {WEB_PORT} -h /tmp/www"


def container(script: str, **more: object) -> Object:
    """Return a container that runs the shell `script`."""
    return {"name": "main", "image": BUSYBOX, "imagePullPolicy": "Never", "args": [script], **more}


def pod(name: str, main: Object) -> Object:
    """Return a pod of one container."""
    return {"metadata": {"name": name}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [main]}}


def web(replicas: int) -> Object:
    """Return a Deployment `web` whose pods answer with their names, and are probed."""
    probe = {"httpGet": {"port": WEB_PORT}, "periodSeconds": 1}
    main = container(_SERVE_OWN_NAME, readinessProbe=probe, livenessProbe=probe)
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod("web", main)["spec"]}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"metadata": {"name": "web"}, "spec": spec}


def web_service() -> Object:
    """Return the Service of `web`, on port 80."""
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": WEB_PORT}]}
    return {"metadata": {"name": "web"}, "spec": spec}
