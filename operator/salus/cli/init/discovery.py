"""What a Prometheus knows of a workload: names of metrics by what ties them to it, and whose words these are.

Names only, over the last hour, so that five thousand series cost one small answer for each way of being tied.
"""

import asyncio
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from salus.cli.contract import CannotBeAsked
from salus.cli.init.anchors import ADDRESS, ANCHORS, EXPORTED_POD, POD, Anchor
from salus.cli.init.surroundings import Surroundings
from salus.cli.init.vocabularies import VOCABULARIES, Vocabulary, is_its_own
from salus.cli.metrics.ask import Metrics, Window
from salus.model.values.metrics import Error
from salus.sources.clusters import CLUSTER_LABELS

LATELY = timedelta(hours=1)
MOST_NAMES = 2000


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a workload's series."""

    names: Mapping[str, Set[str]]
    """Of metrics, by the anchor."""
    series: int = 0
    """Of its pods, now."""
    clusters: Sequence[str] = ()
    """Matchers of which each picks the series of another cluster; of one cluster none is needed."""
    vocabularies: Sequence[Vocabulary] = ()
    by_address: Sequence[str] = ()
    """Names of metrics that are tied to its pods by their addresses alone."""

    def at(self, anchor: Anchor) -> Set[str]:
        """The names that are tied by this."""
        return self.names.get(anchor.name, frozenset())

    @property
    def all(self) -> Set[str]:
        """The names that are tied by anything."""
        return {name for names in self.names.values() for name in names}

    @property
    def own(self) -> Sequence[str]:
        """Those that tell of what the service does."""
        return sorted(filter(is_its_own, self.all))

    @property
    def is_badly_scraped(self) -> bool:
        """kube-state-metrics is there, under the names of labels that it has without honor_labels."""
        return "kube_pod_info" in self.at(EXPORTED_POD) and "kube_pod_info" not in self.at(POD)


@dataclass(frozen=True, slots=True)
class Discovery:
    """One look at the series of a workload."""

    metrics: Metrics
    around: Surroundings
    now: datetime
    _window: Window = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_window", Window.before(self.now, LATELY))

    async def known(self) -> Known:
        """All that there is. Raises CannotBeAsked."""
        anchors = [anchor for anchor in ANCHORS if anchor.selector(self.around)]
        found = await asyncio.gather(*(self._names(anchor) for anchor in anchors))
        names = {anchor.name: one for anchor, one in zip(anchors, found, strict=True)}
        series, clusters = await self._counted()
        known = Known(names, series, clusters)
        told = tuple(one for one in VOCABULARIES if one.is_told_by(self._of(known, one)))
        return replace(known, vocabularies=told, by_address=() if known.own else await self._by_address())

    def _of(self, known: Known, vocabulary: Vocabulary) -> Set[str]:
        return {name for anchor in vocabulary.anchors for name in known.at(anchor)}

    async def _names(self, anchor: Anchor) -> frozenset[str]:
        found = await self.metrics.label_values("__name__", anchor.selector(self.around), self._window, MOST_NAMES)
        if isinstance(found, Error):
            raise CannotBeAsked("Prometheus cannot be asked which series there are", [("why", found.message)])
        return frozenset(found.items)

    async def _by_address(self) -> Sequence[str]:
        if not (selector := ADDRESS.selector(self.around)):
            return ()
        found = await self.metrics.label_values("__name__", selector, self._window, MOST_NAMES)
        return () if isinstance(found, Error) else sorted(filter(is_its_own, found.items))

    async def _counted(self) -> tuple[int, Sequence[str]]:
        """How many series its pods have, and of how many clusters."""
        by = ", ".join(CLUSTER_LABELS)
        found = await self.metrics.instant(f"count by ({by}) ({POD.selector(self.around)})")
        if isinstance(found, Error):
            return 0, ()
        told = [
            ",".join(f'{label}="{one.labels[label]}"' for label in CLUSTER_LABELS if one.labels.get(label))
            for one in found
        ]
        return round(sum(one.value for one in found)), sorted(filter(None, told))
