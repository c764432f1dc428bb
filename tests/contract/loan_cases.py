"""Pod templates that a lent account may put back, and those that it may not: one table for Salus and for admission.

`tests/unit/test_privileges.py` asks Salus' own judgement, `tests/contract/test_loans.py` the API server's.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

LIVE: Object = {
    "metadata": {"labels": {"app": "checkout"}, "annotations": {"team": "shop"}},
    "spec": {
        "serviceAccountName": "checkout",
        "priorityClassName": "shops",
        "imagePullSecrets": [{"name": "registry"}],
        "containers": [
            {
                "name": "app",
                "image": "app:v2",
                "env": [
                    {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "database", "key": "password"}}},
                    {"name": "LEVEL", "value": "info"},
                ],
                "envFrom": [{"secretRef": {"name": "flags"}}, {"configMapRef": {"name": "settings-v2"}}],
                "ports": [{"containerPort": 8080, "hostPort": 8080}, {"containerPort": 9090}],
                "securityContext": {"capabilities": {"add": ["NET_BIND_SERVICE"]}},
            }
        ],
        "volumes": [
            {"name": "certificate", "secret": {"secretName": "tls"}},
            {"name": "mixed", "projected": {"sources": [{"secret": {"name": "mixed"}}]}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "checkout"}},
        ],
    },
}
"""What runs when the rollback is planned."""


@dataclass(frozen=True)
class Case:
    """A template that is to come back in place of `LIVE`."""

    told: str
    spec: Mapping[str, Any]
    """Fields of its pod that differ from the live one's; those of the container under `container`."""
    gains: tuple[str, ...] = ()
    """What the live template has not, in Salus' words."""
    said: str = ""
    """Part of what the API server says."""

    @property
    def template(self) -> Object:
        """The whole of it."""
        template, changes = deepcopy(LIVE), dict(self.spec)
        template["spec"]["containers"][0].update({"image": "app:v1", **changes.pop("container", {})})
        template["spec"].update(changes)
        template["spec"] = {key: value for key, value in template["spec"].items() if value is not None}
        return template


def _more(*volumes: Object) -> Object:
    return {"volumes": [*LIVE["spec"]["volumes"], *volumes]}


def _from_secret(name: str) -> Object:
    return {"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": name, "key": "key"}}}]}


_TOKEN = {"serviceAccountToken": {"audience": "vault", "path": "token"}}
_BRINGS = "may not bring Secrets along that the live one has not: "
CASES = (
    Case("another image alone", {}),
    Case("fewer Secrets", {"container": {"env": [], "envFrom": []}, "imagePullSecrets": None}),
    Case("the same Secret in another place", {"container": {"envFrom": [{"secretRef": {"name": "tls"}}]}}),
    Case("another ConfigMap", {"container": {"envFrom": [{"configMapRef": {"name": "settings-v1"}}]}}),
    Case("a ConfigMap as a volume", _more({"name": "settings", "configMap": {"name": "settings-v1"}})),
    Case("a volume of its own", _more({"name": "scratch", "emptyDir": {}})),
    Case("the volume of another claim no more", {"volumes": LIVE["spec"]["volumes"][:2]}),
    Case("no port of the node any more", {"container": {"ports": [{"containerPort": 8080}]}}),
    Case("another port of its own", {"container": {"ports": [{"containerPort": 22}]}}),
    Case("fewer capabilities", {"container": {"securityContext": {}}}),
    Case(
        "a Secret as a volume",
        _more({"name": "stolen", "secret": {"secretName": "payroll"}}),
        ("Secret payroll",),
        _BRINGS + "payroll",
    ),
    Case(
        "a Secret in a projected volume",
        _more({"name": "stolen", "projected": {"sources": [{"secret": {"name": "payroll"}}]}}),
        ("Secret payroll",),
        _BRINGS + "payroll",
    ),
    Case("a Secret as a variable", {"container": _from_secret("payroll")}, ("Secret payroll",), _BRINGS + "payroll"),
    Case(
        "a Secret as all variables",
        {"container": {"envFrom": [{"secretRef": {"name": "payroll"}}]}},
        ("Secret payroll",),
        _BRINGS + "payroll",
    ),
    Case(
        "a Secret in an init container",
        {"initContainers": [{"name": "first", "image": "app:v1", **_from_secret("payroll")}]},
        ("Secret payroll",),
        _BRINGS + "payroll",
    ),
    Case(
        "a Secret to pull with",
        {"imagePullSecrets": [{"name": "registry"}, {"name": "payroll"}]},
        ("Secret payroll",),
        _BRINGS + "payroll",
    ),
    Case(
        "a token for somebody else",
        _more({"name": "token", "projected": {"sources": [_TOKEN]}}),
        ("projected serviceAccountToken",),
        "may not bring volumes along that the live one has not",
    ),
    Case(
        "the claim of another workload",
        _more({"name": "theirs", "persistentVolumeClaim": {"claimName": "payroll"}}),
        ("volume theirs",),
        "may not bring volumes along that the live one has not",
    ),
    Case(
        "the node's disk",
        _more({"name": "node", "hostPath": {"path": "/"}}),
        ("volume node",),
        "may not bring volumes along that the live one has not",
    ),
    Case(
        "another service account",
        {"serviceAccountName": "deployer", "serviceAccount": "deployer"},
        ("serviceAccountName", "serviceAccount"),
        "may not change who its pods are or where they run",
    ),
    Case(
        "the token of its account mounted",
        {"automountServiceAccountToken": True},
        ("automountServiceAccountToken",),
        "may not change who its pods are or where they run",
    ),
    Case(
        "another priority",
        {"priorityClassName": "system-node-critical"},
        ("priorityClassName",),
        "may not change who its pods are or where they run",
    ),
    Case(
        "no priority any more",
        {"priorityClassName": None},
        ("priorityClassName",),
        "may not change who its pods are or where they run",
    ),
    Case(
        "another port of the node",
        {"container": {"ports": [{"containerPort": 8080, "hostPort": 2222}]}},
        ("host port 2222",),
        "may not gain privileges",
    ),
    Case(
        "a port of the node in an init container",
        {"initContainers": [{"name": "first", "image": "app:v1", "ports": [{"containerPort": 22, "hostPort": 22}]}]},
        ("host port 22",),
        "may not gain privileges",
    ),
    Case("the node's network", {"hostNetwork": True}, ("hostNetwork",), "may not gain privileges"),
    Case(
        "a privileged container",
        {"container": {"securityContext": {"privileged": True}}},
        ("privileged",),
        "may not gain privileges",
    ),
    Case(
        "one more capability",
        {"container": {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}},
        ("capability SYS_ADMIN",),
        "may not gain privileges",
    ),
)
