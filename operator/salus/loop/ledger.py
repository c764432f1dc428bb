"""What was done of late to all targets, and how they are: what budgets and the fleet brake count.

The records are listed at most once a minute, and only while something is being planned; between two lists this
process' own writes are entered as they are made, the intent before its first byte is sent. A watch would lag behind
what was just written, and fifty plans of one tick would all find the budget unspent; here the second plan sees the
first. Nothing in it is lost by a restart: it is listed again.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from salus.core.budgets import deed_of
from salus.core.decide import overall
from salus.core.records import past_change, target_id
from salus.model.policy import Verdict
from salus.model.types import Body
from salus.model.values import Deed, Finding, Fleet, PastChange, TargetKey
from salus.ports import CHANGE_EVENTS, Cluster

LIST_EVERY = timedelta(minutes=1)
_WORST_FIRST = (Verdict.UNHEALTHY, Verdict.HEALTHY, Verdict.UNKNOWN)
"""A target of two policies counts once; what one of them cannot judge, the other may."""


@dataclass(slots=True)
class Ledger:
    """Deeds by record, and the verdict on each target."""

    _deeds: dict[str, Deed] = field(default_factory=dict)
    _under_way: set[str] = field(default_factory=set)
    """Records whose creation was not answered yet; a list may not have them."""
    _listed_at: datetime | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _verdicts: dict[TargetKey, Verdict] = field(default_factory=dict)

    async def refresh(self, cluster: Cluster, namespaces: Sequence[str], now: datetime) -> None:
        """List the records of these namespaces (none: of all), if the last list is too old. Raises ClusterError."""
        async with self._lock:
            if self._listed_at is not None and timedelta(0) <= now - self._listed_at < LIST_EVERY:
                return
            before = set(self._deeds) - self._under_way
            for namespace in namespaces or (None,):
                for body in await cluster.list(CHANGE_EVENTS, namespace):
                    before.discard(_key(body))
                    self._enter(body)
            for gone in before:
                del self._deeds[gone]
            self._listed_at = now

    def outdated(self) -> None:
        """Someone else may have acted meanwhile: the next plan lists anew."""
        self._listed_at = None

    def intend(self, body: Body) -> None:
        """A record is about to be created: what it means to do is spent from now on."""
        self._under_way.add(_key(body))
        self._enter(body)

    def intended(self, body: Body, *, refused: bool) -> None:
        """The creation was answered, or may never be; only `refused` says for certain that there is no record."""
        self._under_way.discard(_key(body))
        if refused:
            self._deeds.pop(_key(body), None)

    def note(self, body: Body) -> None:
        """A record was written: applied, finished, given up."""
        self._enter(body)

    def see(self, findings: Iterable[tuple[TargetKey, Sequence[Finding]]]) -> None:
        """How all targets are now."""
        verdicts: dict[TargetKey, Verdict] = {}
        for target, found in findings:
            both = (overall(found), verdicts.get(target, Verdict.UNKNOWN))
            verdicts[target] = min(both, key=_WORST_FIRST.index)
        self._verdicts = verdicts

    def fleet(self, target: TargetKey, known: Iterable[PastChange] = ()) -> Fleet:
        """Everything that budgets and the brake ask, for an action on this target.

        A record of the target that is not among the `known` ones is the very change that is judged: right before the
        deed it must not count against itself.
        """
        mine, names = f"{target.namespace}/{target_id(target)}-", {change.name for change in known}
        others = [d for key, d in self._deeds.items() if not key.startswith(mine) or key.partition("/")[2] in names]
        verdicts = self._verdicts.values()
        return Fleet(
            targets=len(verdicts),
            in_namespace=sum(other.namespace == target.namespace for other in self._verdicts),
            healthy=sum(verdict is Verdict.HEALTHY for verdict in verdicts),
            unhealthy=sum(verdict is Verdict.UNHEALTHY for verdict in verdicts),
            deeds=tuple(others),
        )

    def _enter(self, body: Body) -> None:
        deed = deed_of(past_change(body), body["metadata"]["namespace"])
        if deed is None:
            self._deeds.pop(_key(body), None)
        else:
            self._deeds[_key(body)] = deed


def _key(body: Body) -> str:
    return f"{body['metadata']['namespace']}/{body['metadata']['name']}"
