"""Whether the Pod Security admission of a namespace lets pods of a template in: the standards, told again.

`pod-security.kubernetes.io/enforce` may have been set since the pods were made that run: a restart would take them away
and bring none back. Exemptions and defaults of the whole cluster are not to be seen, and count for nothing here; a
version is looked at where it makes a difference that a server of today still makes. The contract tests ask the real
API server about each rule.
"""

from collections.abc import Callable, Iterator, Mapping

from salus.core.objects.parts import Part, part

_ENFORCE = "pod-security.kubernetes.io/enforce"
_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        *(
            f"net.ipv4.{name}"
            for name in (
                "ip_local_port_range",
                "tcp_syncookies",
                "ping_group_range",
                "ip_unprivileged_port_start",
                "ip_local_reserved_ports",
                "tcp_keepalive_time",
                "tcp_fin_timeout",
                "tcp_keepalive_intvl",
                "tcp_keepalive_probes",
                "tcp_rmem",
                "tcp_wmem",
                "tcp_slow_start_after_idle",
                "tcp_notsent_lowat",
            )
        ),
    }
)
"""Those of the newest version: what an older server refuses is not known beforehand."""
_PROFILES = {"RuntimeDefault", "Localhost"}
_SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)


def forbidden_by(labels: Mapping[str, str], template: Part) -> str:
    """What the namespace with these labels forbids pods of this template; nothing: it lets them in.

    A level that Kubernetes does not know it takes for restricted.
    """
    level = labels.get(_ENFORCE, "privileged")
    if level == "privileged":
        return ""
    rules = _BASELINE if level == "baseline" else (*_BASELINE, *_RESTRICTED)
    found = next((text for rule in rules for text in rule(template)), "")
    return f"Pod Security of the namespace ({_ENFORCE}: {level}) forbids it: {found}" if found else ""


def _spec(template: Part) -> Part:
    return part(template, "spec")


def _containers(template: Part) -> Iterator[tuple[str, Part]]:
    for key in ("initContainers", "containers"):
        for container in _spec(template).get(key) or ():
            yield f"container {container.get('name', '')}", container


def _contexts(template: Part) -> Iterator[tuple[str, Part]]:
    """The security contexts of the pod and of its containers, with whose they are."""
    yield "the pod", part(_spec(template), "securityContext")
    for who, container in _containers(template):
        yield who, part(container, "securityContext")


def _of_containers(template: Part) -> Iterator[tuple[str, Part, Part]]:
    """Each container's security context, and the pod's, which stands in where a container says nothing."""
    pod = part(_spec(template), "securityContext")
    for who, container in _containers(template):
        yield who, part(container, "securityContext"), pod


def _of_the_host(template: Part) -> Iterator[str]:
    spec = _spec(template)
    yield from (f"{key} is true" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key))
    yield from (f"volume {one.get('name')} is a hostPath" for one in spec.get("volumes") or () if one.get("hostPath"))
    for who, container in _containers(template):
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                yield f"{who} takes port {port['hostPort']} of the host"
        for handler in _handlers(container):
            if host := part(handler, "httpGet").get("host") or part(handler, "tcpSocket").get("host"):
                yield f"{who} probes {host}, which is another host"


def _handlers(container: Part) -> Iterator[Part]:
    yield from (part(container, key) for key in ("livenessProbe", "readinessProbe", "startupProbe"))
    yield from (part(part(container, "lifecycle"), key) for key in ("postStart", "preStop"))


def _privileges(template: Part) -> Iterator[str]:
    for who, context in _contexts(template):
        if context.get("privileged"):
            yield f"{who} is privileged"
        if part(context, "windowsOptions").get("hostProcess"):
            yield f"{who} is a process of the host"
        if added := [one for one in part(context, "capabilities").get("add") or () if one not in _CAPABILITIES]:
            yield f"{who} adds the capability {added[0]}"
        if context.get("procMount", "Default") != "Default" and _spec(template).get("hostUsers") is not False:
            yield f"{who} has the procMount {context['procMount']}"


def _profiles(template: Part) -> Iterator[str]:
    for who, context in _contexts(template):
        for key in ("seccompProfile", "appArmorProfile"):
            if context.get(key) and context[key].get("type") not in _PROFILES:
                yield f"{who} has the {key} {context[key].get('type')}"
        selinux = part(context, "seLinuxOptions")
        if selinux.get("type", "") not in _SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
            yield f"{who} has seLinuxOptions of its own"
    for key, value in (part(template, "metadata").get("annotations") or {}).items():
        if key.startswith(_APPARMOR) and value not in {"", "runtime/default"} and not value.startswith("localhost/"):
            yield f"the annotation {key} is {value}"


def _sysctls(template: Part) -> Iterator[str]:
    for one in part(_spec(template), "securityContext").get("sysctls") or ():
        if one.get("name") not in _SYSCTLS:
            yield f"the sysctl {one.get('name')} is set"


def _restricted_volumes(template: Part) -> Iterator[str]:
    for volume in _spec(template).get("volumes") or ():
        if not _VOLUMES & {key for key, value in volume.items() if value is not None}:
            yield f"volume {volume.get('name')} is of a kind that is not allowed"


def _restricted_privileges(template: Part) -> Iterator[str]:
    if part(_spec(template), "os").get("name") == "windows":
        return
    for who, context, pod in _of_containers(template):
        capabilities = part(context, "capabilities")
        if context.get("allowPrivilegeEscalation") is not False:
            yield f"{who} does not set allowPrivilegeEscalation to false"
        if "ALL" not in (capabilities.get("drop") or ()):
            yield f"{who} does not drop the capability ALL"
        if set(capabilities.get("add") or ()) - {"NET_BIND_SERVICE"}:
            yield f"{who} adds a capability other than NET_BIND_SERVICE"
        if not (context.get("seccompProfile") or pod.get("seccompProfile")):
            yield f"{who} has no seccompProfile"


def _restricted_users(template: Part) -> Iterator[str]:
    """In a user namespace of its own, root is nobody."""
    if _spec(template).get("hostUsers") is False:
        return
    for who, context, pod in _of_containers(template):
        if context.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
            yield f"{who} does not set runAsNonRoot to true"
        if context.get("runAsUser") == 0 or pod.get("runAsUser") == 0:
            yield f"{who} runs as root"
    if part(_spec(template), "securityContext").get("runAsNonRoot") is False:
        yield "the pod sets runAsNonRoot to false"


def _restricted_mounts(template: Part) -> Iterator[str]:
    for who, context in _contexts(template):
        if context.get("procMount", "Default") != "Default":
            yield f"{who} has the procMount {context['procMount']}"


_Rule = Callable[[Part], Iterator[str]]
_BASELINE: tuple[_Rule, ...] = (_of_the_host, _privileges, _profiles, _sysctls)
_RESTRICTED: tuple[_Rule, ...] = (_restricted_volumes, _restricted_privileges, _restricted_users, _restricted_mounts)
