"""Whose series the presets believe.

Who may write a series with another namespace's labels could make that namespace's presets act. An administrator can
therefore say, by source, how the series of an exporter are told from those of others (`{job: kube-state-metrics}`):
these matchers are put into the presets' selectors of that exporter's metrics. What people write stays as it is.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

from salus.core.policy import promql


class Exporter(StrEnum):
    """An exporter that presets read."""

    KUBE_STATE_METRICS = "kube-state-metrics"
    CADVISOR = "cadvisor"


PREFIXES: Mapping[Exporter, str] = {Exporter.KUBE_STATE_METRICS: "kube_", Exporter.CADVISOR: "container_"}
"""How the names of an exporter's metrics begin."""

Trusted = Mapping[Exporter, Mapping[str, str]]
"""By exporter, the labels that its series have, and no others."""


def tied(query: str, trusted: Trusted) -> str:
    """The query of a preset, in which each selector of a trusted exporter's metrics asks for its labels.

    A preset gives each selector braces.
    """
    for exporter, labels in trusted.items():
        matchers = ",".join(f"{label}={promql.quote(value)}" for label, value in sorted(labels.items()))
        query = _narrowed(query, PREFIXES[exporter], matchers)
    return query


def _narrowed(query: str, prefix: str, matchers: str) -> str:
    return re.sub(rf"\b{prefix}\w+\s*\{{", lambda opened: f"{opened[0]}{matchers}, ", query)
