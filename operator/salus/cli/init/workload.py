"""One workload from its name to its proposal: look around, look at its series, ask for their past, and choose."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo

from salus.cli.contract import CannotBeAsked
from salus.cli.init.asking import STEPS, Asking, Wanted, finest
from salus.cli.init.candidates import Details, candidates
from salus.cli.init.discovery import Discovery, Known
from salus.cli.init.document import Basis, proposal
from salus.cli.init.proposing import Choice, outcomes
from salus.cli.init.rehearsing import rehearsal
from salus.cli.init.surroundings import Surroundings, surroundings
from salus.cli.lint.asking import MOST_A_POLICY, OfOnePolicy
from salus.cli.metrics.ask import Line, Metrics
from salus.cli.metrics.opening import Found
from salus.cli.person import Person
from salus.cli.reports.proposal import InitProposal
from salus.core.learn.history import Span
from salus.core.policy.compile import Catalog
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Error
from salus.presets import load_presets
from salus.settings import DEFAULT_SOURCE

_SCRAPED = timedelta(seconds=30)
"""Where nobody tells how often."""
_OF_LABELS = 6
"""Requests, at most, for labels of metrics and the like."""
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants of a proposal."""

    window: timedelta = timedelta(days=14)
    zone: tzinfo | None = None
    choice: Choice = field(default_factory=Choice)
    incidents: Sequence[Span] = ()
    normal: Sequence[Span] = ()
    explain: str = ""
    mode: str = "Observe"
    source: str = ""
    rehearse: bool = True


@dataclass(frozen=True, slots=True)
class Proposer:
    """Makes proposals for workloads of one namespace."""

    person: Person
    who: str
    found: Found
    now: datetime
    wish: Wish

    async def of(self, key: TargetKey, name: str = "") -> InitProposal:
        """The proposal; `name`: of the policy, if it is not that of the workload. Raises CannotBeAsked."""
        around = await surroundings(self.person, key)
        way = OfOnePolicy(self.found.metrics.line.way)
        metrics = replace(self.found.metrics, line=Line(way, slots=self.found.metrics.line.slots))
        known = await Discovery(metrics, around, self.now).known()
        details = Details(metrics, around, self.now)
        there = [await details.of(one) for one in candidates(load_presets(), known, key.kind)]
        catalog = self._catalog()
        asking = Asking(
            metrics, around, catalog, self.wish.source or DEFAULT_SOURCE, self._wanted(metrics, around, known)
        )
        first = {one.preset.name: one for one in reversed(there) if self.wish.choice.takes(one)}
        asking.step = finest(asking.wanted, list(first.values()))
        await asking.look_at_pods()
        found = await outcomes(asking, there, self.wish.choice)
        if way.away is not None:  # else what was not answered would look like what is not there
            raise CannotBeAsked("Prometheus went away midway", [("why", way.away.message)], ["again in a minute"])
        alerts = await self._alerts(metrics, around)
        basis = Basis(
            at=self.now,
            name=name or key.name,
            person=self.who,
            cluster=self.person.context,
            found=self.found,
            around=around,
            known=known,
            outcomes=found,
            window=asking.wanted.span,
            step=asking.step,
            requests=metrics.line.requests,
            mode=self.wish.mode,
            source=self.wish.source,
            alerts=alerts,
            explain=self.wish.explain,
        )
        proposed = proposal(basis, catalog)
        if not (self.wish.rehearse and proposed.checks):
            return proposed
        over = await rehearsal(proposed, self.person, self.found, catalog, self.now)
        return proposed.model_copy(update={"rehearsal": over})

    def _catalog(self) -> Catalog:
        """As the operator would compile the policy, as far as that is known."""
        source = self.wish.source or DEFAULT_SOURCE
        return Catalog(load_presets(), (source,), exporters={source: self.found.place.exporters})

    def _wanted(self, metrics: Metrics, around: Surroundings, known: Known) -> Wanted:
        about, wish, end = self.found.about, self.wish, self.now.replace(microsecond=0)
        span = min(wish.window, about.retention - _MINUTE) if about.retention else wish.window
        span = span // STEPS[-1] * STEPS[-1]  # so that the last point is now, whatever the step: there may be no other
        left = MOST_A_POLICY - metrics.line.requests - _OF_LABELS
        wanted = Wanted(
            start=end - span,
            end=end,
            scraped_every=about.scraped_every or _SCRAPED,
            requests=left,
            incidents=wish.incidents,
            normal=wish.normal,
            releases=around.releases,
            mixed=known.clusters if len(known.clusters) > 1 else (),
        )
        return replace(wanted, zone=wish.zone) if wish.zone is not None else wanted

    async def _alerts(self, metrics: Metrics, around: Surroundings) -> Sequence[str]:
        """Alerts that fired for these pods within the window, by their names."""
        key = around.key
        mine = (
            f'ALERTS{{namespace="{key.namespace}",pod=~"{around.pods}"}}'
            f' or ALERTS{{namespace="{key.namespace}",{key.kind.lower()}="{key.name}"}}'
        )
        found = await metrics.instant(f"count by (alertname) (last_over_time(({mine})[{self._days()}d:10m]))")
        return () if isinstance(found, Error) else sorted(filter(None, (one.labels.get("alertname") for one in found)))

    def _days(self) -> int:
        return max(1, self.wish.window // timedelta(days=1))
