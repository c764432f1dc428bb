"""What a pod template reaches in its namespace and on its node, beside its images: what a loan never widens.

A namespace lends Salus an account to put an older template back, not to read its Secrets. So a template that comes back
may refer to no Secret, service account, volume or privilege that the live one does not have already. The admission
policy `loans.salus.dev` holds every lent account to the same rules, whoever uses it; here they are known before
anything is tried, and hold where that policy is not installed.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Part = Mapping[str, Any]

_OWN_OR_CHECKED = frozenset({"configMap", "downwardAPI", "emptyDir", "image", "projected", "secret"})
"""Volumes that bring nothing but the pod's own, and those that are looked into; any other must be there already."""
_SOURCES = frozenset({"configMap", "downwardAPI", "secret"})
"""Likewise of a projected volume; a service account's token, say, must be there already."""
_FIXED = (
    "serviceAccountName",
    "serviceAccount",
    "automountServiceAccountToken",
    "hostUsers",
    "nodeName",
    "priorityClassName",
    "resourceClaims",
    "runtimeClassName",
)
"""Fields of a pod that say who it is, where it runs, and whom it drives out there."""
_OF_THE_NODE = ("hostNetwork", "hostPID", "hostIPC")


def gains(live: Part, back: Part) -> tuple[str, ...]:
    """What a template that comes back reaches and the live one does not, each as a person would name it."""
    before, after = _part(live, "spec"), _part(back, "spec")
    return (
        *(f"Secret {name}" for name in sorted(set(_secrets(after)) - set(_secrets(before)))),
        *(field for field in _FIXED if after.get(field) != before.get(field)),
        *(field for field in _OF_THE_NODE if after.get(field) and not before.get(field)),
        *_volumes_gained(before, after),
        *_privileges_gained(before, after),
    )


def _secrets(spec: Part) -> Iterator[str]:
    for volume in _parts(spec, "volumes"):
        yield from _named(volume, "secret", "secretName")
        for source in _parts(_part(volume, "projected"), "sources"):
            yield from _named(source, "secret", "name")
    for container in _containers(spec):
        for variable in _parts(container, "env"):
            yield from _named(_part(variable, "valueFrom"), "secretKeyRef", "name")
        for source in _parts(container, "envFrom"):
            yield from _named(source, "secretRef", "name")
    for reference in _parts(spec, "imagePullSecrets"):
        yield str(reference.get("name", ""))


def _volumes_gained(before: Part, after: Part) -> Iterator[str]:
    known, projected = _parts(before, "volumes"), [*_projected(before)]
    for volume in _parts(after, "volumes"):
        if not _OWN_OR_CHECKED & set(volume) and volume not in known:
            yield f"volume {volume.get('name', '')}"
    for source in _projected(after):
        if not _SOURCES & set(source) and source not in projected:
            yield f"projected {' and '.join(sorted(source))}"


def _privileges_gained(before: Part, after: Part) -> Iterator[str]:
    if any(map(_is_privileged, _containers(after))) and not any(map(_is_privileged, _containers(before))):
        yield "privileged"
    had = {capability for container in _containers(before) for capability in _capabilities(container)}
    wanted = {capability for container in _containers(after) for capability in _capabilities(container)}
    yield from (f"capability {name}" for name in sorted(wanted - had))
    yield from (f"host port {port}" for port in sorted(_host_ports(after) - _host_ports(before)))


def _host_ports(spec: Part) -> set[int]:
    ports = [port for container in _containers(spec) for port in _parts(container, "ports")]
    return {port["hostPort"] for port in ports if port.get("hostPort")}


def _projected(spec: Part) -> Iterator[Part]:
    for volume in _parts(spec, "volumes"):
        yield from _parts(_part(volume, "projected"), "sources")


def _is_privileged(container: Part) -> bool:
    return bool(_part(container, "securityContext").get("privileged"))


def _capabilities(container: Part) -> list[str]:
    return list(_part(_part(container, "securityContext"), "capabilities").get("add") or ())


def _containers(spec: Part) -> list[Part]:
    return [*_parts(spec, "containers"), *_parts(spec, "initContainers")]


def _named(holder: Part, field: str, key: str) -> Iterator[str]:
    if field in holder:
        yield str(_part(holder, field).get(key, ""))


def _part(holder: Part, field: str) -> Part:
    return holder.get(field) or {}


def _parts(holder: Part, field: str) -> list[Part]:
    return list(holder.get(field) or ())
