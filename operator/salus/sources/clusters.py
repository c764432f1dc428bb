"""Whether a source holds the series of several clusters, which presets would take for one.

Two clusters often run the same workload in the same namespace. Where their series lie in one source, a preset sees the
sum of both, and a remedy here would answer a fault over there: `matchLabels` keep them apart, and until they do, it is
told: in the log, and by a metric.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from salus.core.policy.exporters import Trusted, tied
from salus.model.scalars import first_few
from salus.model.values.metrics import Error
from salus.sources.reply import Labels

log = structlog.get_logger(__name__)

CLUSTER_LABELS = ("cluster", "cluster_name", "cluster_id", "k8s_cluster", "k8s_cluster_name")
"""Labels by which agents and long-term stores tell clusters apart."""
_ONE_A_WORKLOAD = (
    "kube_deployment_spec_replicas",
    "kube_statefulset_replicas",
    "kube_daemonset_status_desired_number_scheduled",
)
QUESTION = " or ".join(f"count by ({', '.join(CLUSTER_LABELS)}) ({name}{{}})" for name in _ONE_A_WORKLOAD)
_SHOWN = 5


class Asked(Protocol):
    """A source, as far as it is looked at here."""

    async def labels_of(self, query: str) -> Sequence[Labels] | Error:
        """The labels of what a query of the operator's own gives, on behalf of no namespace."""
        ...


@dataclass(frozen=True, slots=True)
class Mixed:
    """The label that tells the clusters of a source apart, and what it says."""

    label: str
    values: tuple[str, ...]

    def advice(self, source: str, own: str) -> str:
        """What is wrong, and what to set; `own` is how the operator's configuration calls its cluster."""
        values = first_few([value or "none at all" for value in self.values], _SHOWN)
        mine = own if own in self.values else "…"
        return (
            f"source {source} holds series of kube-state-metrics with {len(self.values)} values of the label "
            f"{self.label} ({values}), which presets take for one cluster, so that a fault of another would be "
            f'acted upon here: set sources.{source}.matchLabels: {{{self.label}: "{mine}"}} to this cluster\'s own'
        )


def mixed(series: Iterable[Labels]) -> Mixed | None:
    """What tells several clusters apart in these series; None: nothing does."""
    series = tuple(series)
    for label in CLUSTER_LABELS:
        values = {labels.get(label, "") for labels in series}
        if len(values) > 1:
            return Mixed(label, tuple(sorted(values)))
    return None


@dataclass(slots=True)
class Lookout:
    """Looks at all sources, and tells what is new."""

    count: Callable[[Mapping[str, int]], None]
    """Told of each source that was asked how many clusters it holds."""
    _known: dict[str, Mixed | None] = field(default_factory=dict)

    async def look(self, sources: Mapping[str, Asked], exporters: Mapping[str, Trusted], own: str) -> bool:
        """Ask each source; False if one did not answer."""
        known: dict[str, Mixed | None] = {}
        for name, source in sources.items():
            found = await source.labels_of(tied(QUESTION, exporters.get(name, {})))
            if isinstance(found, Error):
                log.info("it is not known whether a source holds several clusters", source=name, error=found.message)
            else:
                known[name] = self._told(name, mixed(found), own)
        self._known = known
        self.count({name: len(one.values) if one else 1 for name, one in known.items()})
        return len(known) == len(sources)

    def _told(self, name: str, found: Mixed | None, own: str) -> Mixed | None:
        if found is not None and found != self._known.get(name):
            log.warning("a source holds several clusters", source=name, advice=found.advice(name, own))
        return found
