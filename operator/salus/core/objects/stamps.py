"""Which release a pod template is: what can be at fault in it, without the stamps that tools put there.

A restart, a redeploy, a chart's `now` change a template and nothing that runs: they are the release that was there. The
checksum of a ConfigMap or Secret is different: it changes when the configuration did, which is a change, but one that
no template brings back, since it refers to the same names. So it makes no release of its own either, and is told apart.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from re import IGNORECASE, Pattern
from re import compile as compiled
from typing import Any

from salus.core.objects.parts import part, parts
from salus.model.values.configuration import Marks, Stamps

_PER_CONTAINER = ("containers", "initContainers")

KNOWN = Stamps(
    moments=True,
    stamps=Marks(
        annotations=(
            "*/restartedAt",
            "*/restarted-at",
            "restartedAt",
            "cattle.io/timestamp",
            "field.cattle.io/*",
            "workload.cattle.io/*",
            "redeploy-timestamp",
            "qcloud-redeploy-timestamp",
            "timestamp",
            "date",
            "rollme",
            "releaseTime",
            "deployedAt",
            "deployed-at",
            "*/deployed-at",
            "flagger-id",
            "keel.sh/update-time",
            "operator.1password.io/last-restarted",
            "rollout.argoproj.io/*",
            "argocd.argoproj.io/*",
            "client.knative.dev/*",
            "artifact.spinnaker.io/*",
            "moniker.spinnaker.io/*",
            "azure-pipelines/*",
            "actions.github.com/k8s-deploy",
            "skaffold.dev/*",
            "tilt.dev/*",
            "dev.okteto.com/*",
            "kapp.k14s.io/*",
            "meta.helm.sh/*",
            "openshift.io/generated-by",
            "kubernetes.io/change-cause",
            "deployment.kubernetes.io/revision",
            "deprecated.daemonset.template.generation",
            "kubectl.kubernetes.io/last-applied-configuration",
        ),
        labels=(
            "date",
            "qcloud-redeploy-timestamp",
            "rollouts-pod-template-hash",
            "controller-revision-hash",
            "pod-template-generation",
            "helm.sh/chart",
            "chart",
            "heritage",
            "skaffold.dev/*",
            "tilt.dev/*",
            "Octopus.*",
        ),
        env=("LAST_MANUAL_RESTART", "LAST_RESTART", "DEPLOY_DATE"),
    ),
    checksums=Marks(
        annotations=(
            "*checksum*",
            "*Checksum*",
            "*config-hash",
            "*configmap-hash",
            "*secret-hash",
            "*configHash",
            "*ConfigHash",
            "*config-sha",
            "*config-sha256",
            "reloader.stakater.com/last-reloaded-from",
            "secrets.doppler.com/secretsupdate.*",
            "secrets.infisical.com/managed-secret.*",
            "*/secret-reload-count",
        ),
        env=("STAKATER_*",),
    ),
)
"""Those of the tools in use; the operator's configuration adds to them, or leaves them out."""

_REDEPLOYED = compiled(
    r"(?:.*/)?(?:last[-_]?)?(?:(?:re)?deploy(?:ed|ment)?|restart(?:ed)?|roll(?:ed|out)|releas(?:ed?)|reload(?:ed)?|updated?)"
    r"(?:[-_]?(?:at|on|time|date|timestamp))?",
    IGNORECASE,
)
"""Names that people make up for the time of a redeployment, as a whole."""
_MOMENT = compiled(
    r"20\d\d-\d\d-\d\d(?:[T _]\d\d[:.]?\d\d.*)?"  # RFC 3339, and what prints alike, as Go and Helm's now do
    r"|20\d{6}[T_-]?\d{6}Z?"
    r"|(?:1[4-9]|[2-9]\d)\d{8}(?:\d{3}){0,3}(?:\.\d+)?"  # since the epoch, in seconds to nanoseconds; from 2014 on
    r"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w*,? .*\d\d:\d\d:\d\d.*"  # RFC 1123, and what `date` prints
)
"""Values that are a moment."""

LEAST = 3
"""Characters in a row that a pattern says beside what stands for anything."""
_ANYTHING = compiled(r"\[[^\]]*\]|[*?]")
_ORDINARY = (
    "app",
    "version",
    "app.kubernetes.io/name",
    "cluster-autoscaler.kubernetes.io/safe-to-evict",
    "iam.amazonaws.com/role",
    "instrumentation.opentelemetry.io/inject-java",
    "k8s.v1.cni.cncf.io/networks",
    "linkerd.io/inject",
    "prometheus.io/scrape",
    "sidecar.istio.io/inject",
    "vault.hashicorp.com/agent-inject",
    "DATABASE_URL",
    "FEATURE_FAST",
    "HTTP_PROXY",
    "JAVA_TOOL_OPTIONS",
    "LOG_LEVEL",
)
"""Names of all sorts that something acts on."""


def too_wide(pattern: str) -> str:
    """What is wrong with a pattern that would make releases the same which are not; nothing where it may stand."""
    if not _ANYTHING.search(pattern):
        return ""
    if max(map(len, _ANYTHING.split(pattern))) < LEAST:
        return f"matches nearly every name; say which, by at least {LEAST} characters in a row"
    matches = compiled(translate(pattern)).match
    met = [name for name in _ORDINARY if matches(name)]
    return f"matches names as different as {met[0]} and {met[-1]}; say which are meant" if len(met) > 1 else ""


def unstamped(template: Mapping[str, Any], stamps: Stamps) -> Mapping[str, Any]:
    """The template without any stamp; itself where there is none. Whatever stands in it, there is an answer."""
    matchers = (_Matcher.of(stamps.stamps), _Matcher.of(stamps.checksums))

    def goes(place: str, key: str, value: str) -> bool:
        return (stamps.moments and _is_redeployed_at(key, value)) or any(one.has(place, key) for one in matchers)

    return _without_marks(template, goes) if any(goes(*mark) for mark in _marks(template)) else template


def _is_redeployed_at(name: str, value: str) -> bool:
    """Whether this says when something was deployed or restarted, by a name that no tool has."""
    return _REDEPLOYED.fullmatch(name) is not None and _MOMENT.fullmatch(value) is not None


def checksums_of(template: Mapping[str, Any], stamps: Stamps) -> tuple[tuple[str, str], ...]:
    """What speaks for the content of configuration, by the place of each, such as `annotation checksum/config`."""
    checked = _Matcher.of(stamps.checksums)
    return tuple(sorted((f"{place} {key}", value) for place, key, value in _marks(template) if checked.has(place, key)))


def configuration(checksums: Sequence[tuple[str, str]]) -> str:
    """One word for the configuration of a release; nothing where no checksum speaks of it."""
    return hashlib.sha256(json.dumps(checksums).encode()).hexdigest() if checksums else ""


def differing(before: Sequence[tuple[str, str]], after: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """The places of the checksums in which two releases differ."""
    return tuple(sorted({place for place, _ in set(before) ^ set(after)}))


@dataclass(frozen=True, slots=True)
class _Matcher:
    """The patterns of one sort, by place."""

    patterns: Mapping[str, Pattern[str]]

    @classmethod
    @lru_cache(maxsize=16)
    def of(cls, marks: Marks) -> "_Matcher":
        places = {"annotation": marks.annotations, "label": marks.labels, "env": marks.env}
        return cls({place: compiled("|".join(map(translate, found))) for place, found in places.items() if found})

    def has(self, place: str, key: str) -> bool:
        pattern = self.patterns.get(place)
        return pattern is not None and pattern.match(key) is not None


def _marks(template: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Place, name and value of all that may be a stamp."""
    metadata = part(template, "metadata")
    for place, field in (("annotation", "annotations"), ("label", "labels")):
        for key, value in part(metadata, field).items():
            yield place, str(key), str(value)
    containers = (one for field in _PER_CONTAINER for one in parts(part(template, "spec"), field))
    for container in containers:
        for variable in parts(container, "env"):
            yield _mark_of(variable)


def _mark_of(variable: Mapping[str, Any]) -> tuple[str, str, str]:
    """Of an environment variable; what it takes from elsewhere has its reference for a value."""
    value = variable.get("value")
    said = value if isinstance(value, str) else json.dumps(variable, sort_keys=True, default=str)
    return "env", str(variable.get("name")), said


_Goes = Callable[[str, str, str], bool]
"""Whether what has this place, name and value is left out."""


def _without_marks(template: Mapping[str, Any], goes: _Goes) -> dict[str, Any]:
    metadata, spec = dict(part(template, "metadata")), dict(part(template, "spec"))
    for place, field in (("annotation", "annotations"), ("label", "labels")):
        metadata[field] = {k: v for k, v in part(metadata, field).items() if not goes(place, str(k), str(v))}
    for field in _PER_CONTAINER:
        if isinstance(spec.get(field), list):
            spec[field] = [_without_env(container, goes) for container in spec[field]]
    return {**template, "metadata": metadata, "spec": spec}


def _without_env(container: object, goes: _Goes) -> object:
    """A container as it would be had nobody put a stamp there: without `env` where nothing else was in it."""
    if not isinstance(container, Mapping) or not isinstance(container.get("env"), list):
        return container
    left = [one for one in container["env"] if not isinstance(one, Mapping) or not goes(*_mark_of(one))]
    return {key: left if key == "env" else value for key, value in container.items() if key != "env" or left}
