"""Pods before the Pod Security admission of a namespace; the core and the real API server say the same of each."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

SAFE: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What a container has to say that the level restricted lets in."""


@dataclass(frozen=True, slots=True)
class Security:
    """A pod that is safe but for one thing."""

    case: str
    baseline: bool
    """Whether the level baseline lets it in."""
    restricted: bool
    context: Mapping[str, Any] = field(default_factory=dict)
    """Of its container; None takes something safe away."""
    pod: Mapping[str, Any] = field(default_factory=dict)
    """Added to its spec."""
    container: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def template(self) -> dict[str, Any]:
        """The pod's template."""
        context = {key: value for key, value in {**SAFE, **self.context}.items() if value is not None}
        container = {"name": "app", "image": "app:v1", "securityContext": context, **self.container}
        return deepcopy(
            {
                "metadata": {"annotations": dict(self.annotations)},
                "spec": {"containers": [container], **self.pod},
            }
        )


def volume(**source: Any) -> dict[str, Any]:  # noqa: ANN401 — as YAML has it
    """The part of a pod with a volume."""
    return {"volumes": [{"name": "v", **source}]}


IN_POD: Mapping[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "Localhost", "localhostProfile": "x"}}
}
SECURITY = [
    Security("a safe pod", baseline=True, restricted=True),
    Security("escalation is allowed", baseline=True, restricted=False, context={"allowPrivilegeEscalation": None}),
    Security("no capability is dropped", baseline=True, restricted=False, context={"capabilities": None}),
    Security("root, perhaps", baseline=True, restricted=False, context={"runAsNonRoot": None}),
    Security("root, for certain", baseline=True, restricted=False, context={"runAsNonRoot": None, "runAsUser": 0}),
    Security("not as root, says the pod", baseline=True, restricted=True, context={"runAsNonRoot": None}, pod=IN_POD),
    Security("the pod as root", baseline=True, restricted=False, pod={"securityContext": {"runAsUser": 0}}),
    Security(
        "the pod says false, its container true",
        baseline=True,
        restricted=False,
        pod={"securityContext": {"runAsNonRoot": False}},
    ),
    Security("no seccomp profile", baseline=True, restricted=False, context={"seccompProfile": None}),
    Security("the pod's seccomp profile", baseline=True, restricted=True, context={"seccompProfile": None}, pod=IN_POD),
    Security("no seccomp at all", baseline=False, restricted=False, context={"seccompProfile": {"type": "Unconfined"}}),
    Security("no AppArmor", baseline=False, restricted=False, context={"appArmorProfile": {"type": "Unconfined"}}),
    Security(
        "privileged",
        baseline=False,
        restricted=False,
        context={"privileged": True, "allowPrivilegeEscalation": None},
    ),
    Security(
        "a usual capability",
        baseline=True,
        restricted=False,
        context={"capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}},
    ),
    Security(
        "the one that may be added",
        baseline=True,
        restricted=True,
        context={"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}},
    ),
    Security(
        "an unusual one",
        baseline=False,
        restricted=False,
        context={"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}},
    ),
    Security("a user of SELinux", baseline=False, restricted=False, context={"seLinuxOptions": {"user": "u"}}),
    Security("a type of SELinux", baseline=True, restricted=True, context={"seLinuxOptions": {"type": "container_t"}}),
    Security("the host's network", baseline=False, restricted=False, pod={"hostNetwork": True}),
    Security("the host's processes", baseline=False, restricted=False, pod={"hostPID": True}),
    Security("a path of the host", baseline=False, restricted=False, pod=volume(hostPath={"path": "/"})),
    Security("an NFS volume", baseline=True, restricted=False, pod=volume(nfs={"server": "s", "path": "/"})),
    Security("an emptyDir", baseline=True, restricted=True, pod=volume(emptyDir={})),
    Security(
        "a port of the host",
        baseline=False,
        restricted=False,
        container={"ports": [{"containerPort": 80, "hostPort": 80}]},
    ),
    Security(
        "a probe of another host",
        baseline=False,
        restricted=False,
        container={"livenessProbe": {"httpGet": {"host": "example.com", "port": 80}}},
    ),
    Security(
        "a sysctl that is safe",
        baseline=True,
        restricted=True,
        pod={"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "1 2 3"}]}},
    ),
    Security(
        "one that is not",
        baseline=False,
        restricted=False,
        pod={"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
    ),
    Security(
        "root in a user namespace",
        baseline=True,
        restricted=True,
        context={"runAsNonRoot": None, "runAsUser": 0},
        pod={"hostUsers": False},
    ),
    Security(
        "an init container that is privileged",
        baseline=False,
        restricted=False,
        pod={"initContainers": [{"name": "i", "image": "i:v1", "securityContext": {"privileged": True}}]},
    ),
]
