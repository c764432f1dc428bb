"""What a person typed of which Prometheus is meant, and what the ways to it take."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from salus.model.values.permissions import Permission
from salus.ports import CONFIG_MAPS, PODS, SERVICES, right


@dataclass(frozen=True, slots=True)
class Prometheus:
    """The options of every command that asks one."""

    at: str = ""
    """A URL, or NAMESPACE/SERVICE[:PORT] to be asked through the API server's proxy; empty: it is looked for."""
    token_file: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    ca: Path | None = None
    config: Path | None = None
    """The operator's configuration."""
    source: str = ""
    """One of its sources; empty: `default`."""
    match: Mapping[str, str] = field(default_factory=dict)
    """Labels that every selector asks for besides its own."""
    command: str = "salus"
    """As it was typed, for advice on what to type next."""


class Way(StrEnum):
    """How a Prometheus is found, in the order in which it is looked for."""

    URL = "--prometheus URL, or $SALUS_PROMETHEUS"
    CONFIG = "--config FILE"
    CONFIG_MAP = "the operator's ConfigMap"
    LABEL = "Services by label"


THE_PROOF = frozenset({right("list", PODS)})
"""In a namespace with pods: one of them has to be known there."""
THE_PROXY = frozenset({right("get", SERVICES, "proxy")})
"""Of the Service alone: `resourceNames` may say which, as NAME:PORT."""
RIGHTS: Mapping[Way, frozenset[Permission]] = {
    Way.URL: THE_PROOF,
    Way.CONFIG: THE_PROOF,
    Way.CONFIG_MAP: THE_PROOF | THE_PROXY | {right("list", CONFIG_MAPS)},
    Way.LABEL: THE_PROOF | THE_PROXY | {right("list", SERVICES)},
}
"""What of Kubernetes each way takes, the proof included."""

ENDPOINTS: Mapping[str, str] = {
    "instant": "/api/v1/query",
    "range": "/api/v1/query_range",
    "series": "/api/v1/series",
    "labels": "/api/v1/labels, /api/v1/label/NAME/values",
    "metadata": "/api/v1/metadata",
    "about": "/api/v1/status/buildinfo, /api/v1/status/runtimeinfo",
}
"""What of Prometheus is asked: the last two where it has them."""
