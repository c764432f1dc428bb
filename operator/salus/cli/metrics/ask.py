"""Asking a Prometheus, whichever way leads there: at most four requests at once, each with a bound and a timeout.

Every selector is sent with what the place is bound to. An answer is what was asked for, or an Error that says why not;
nothing raises for what a server does. What servers lack (Thanos, Mimir and VictoriaMetrics have no API of Prometheus'
own status) is None, or empty.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from salus.cli.metrics.about import About, Cost, age_in, cost_in, interval_of, server_in
from salus.cli.metrics.ways import LABELS, QUERY, SERIES, Way
from salus.core.policy.promql import Foreign, Matching, Probe, Selection, bound_to, matching, with_sample_times
from salus.model.values.metrics import Answer, Error, Query, Rule
from salus.sources.history import Span, joined
from salus.sources.reply import Course, Labels, Series, answer, data_in, listing_in, range_in, reply_in
from salus.sources.rules import rules_in
from salus.sources.settings import SourceSettings

IN_FLIGHT = 4
MOST_POINTS = 10_800
"""Of a series, in one request: two weeks are one of every two minutes. Prometheus gives 11,000."""
LIMIT = 500
"""Series, labels or values of one answer, unless somebody says otherwise."""
_SECOND = timedelta(seconds=1)
_SEEN = "15m"
"""How far back samples are looked at to tell how often they come."""
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ABSENT = frozenset({"HttpError", "NotPrometheus", "QueryFailed"})
"""What a server answers that does not have an API."""


@dataclass(frozen=True, slots=True)
class Found:
    """A list, and whether there was more."""

    items: tuple[str, ...]
    cut: bool = False


@dataclass(frozen=True, slots=True)
class FoundSeries:
    """Series by their labels, and whether there were more."""

    items: tuple[Labels, ...]
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a metric says of itself."""

    type: str
    unit: str
    help: str


@dataclass(frozen=True, slots=True)
class Window:
    """From one moment to another."""

    start: datetime
    end: datetime

    @classmethod
    def before(cls, now: datetime, span: timedelta) -> "Window":
        """So long before now."""
        return cls(now - span, now)


@dataclass(slots=True)
class Line:
    """The way to a server, and what is under way on it."""

    way: Way
    requests: int = 0
    """Sent so far."""
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT))


@dataclass(frozen=True, slots=True)
class Metrics:
    """One Prometheus, to be asked."""

    settings: SourceSettings
    """What it is called, how long it may take, and what it is bound to."""
    line: Line
    namespace: str = ""
    """On whose behalf, where a source has tenants."""

    def within(self, namespace: str) -> "Metrics":
        """The same, asked on behalf of a namespace."""
        return replace(self, namespace=namespace)

    def bound(self, labels: Mapping[str, str]) -> "Metrics":
        """The same, with exactly these labels in every selector."""
        binding = replace(self.settings.binding, labels=labels)
        return replace(self, settings=replace(self.settings, binding=binding))

    async def instant(self, query: str, at: datetime | None = None) -> tuple[Series, ...] | Error:
        """What a query gives now, or gave then."""
        data = await self._queried(query, at)
        reply = data if isinstance(data, Error) else reply_in(self._title, data, Probe(query, ()))
        return reply if isinstance(reply, Error) else reply.series

    async def raw(self, ranged: str) -> tuple[Course, ...] | Error:
        """The samples themselves, as `x[5m]` has them."""
        data = await self._queried(ranged, None)
        return data if isinstance(data, Error) else range_in(self._title, data)

    async def over(self, query: str, start: datetime, end: datetime, step: timedelta) -> tuple[Course, ...] | Error:
        """What it gave over time, oldest first, in as many requests as that takes. Gaps stay gaps."""
        bound = self._bound(query)
        return bound if isinstance(bound, Error) else await self._in_pieces(bound, start, end, step)

    async def past(
        self, question: Query, start: datetime, end: datetime, step: timedelta
    ) -> tuple[Course, ...] | Error:
        """What the operator would have been answered over time: all series of it."""
        bound = self._bound(question.query, or_missing=question.or_missing)
        return bound if isinstance(bound, Error) else await self._in_pieces(bound, start, end, step)

    async def _in_pieces(
        self, bound: str, start: datetime, end: datetime, step: timedelta
    ) -> tuple[Course, ...] | Error:
        span = Span(start.replace(microsecond=0), end, _SECOND * max(1, round(step / _SECOND)))
        pieces = await asyncio.gather(*(self._piece(bound, piece) for piece in span.pieces(MOST_POINTS)))
        failed = next((one for one in pieces if isinstance(one, Error)), None)
        return failed or joined(one for one in pieces if not isinstance(one, Error))

    async def series(self, selector: str, window: Window, limit: int = LIMIT) -> FoundSeries | Error:
        """The labels of the series that a selector found in a window."""
        found = await self._listed(SERIES, selector, window, limit)
        if isinstance(found, Error):
            return found
        items, cut = found
        return FoundSeries(tuple(_labels(one) for one in items if isinstance(one, dict)), cut)

    async def label_names(self, selector: str, window: Window, limit: int = LIMIT) -> Found | Error:
        """The labels that these series had in a window, about; an empty selector: those of all."""
        return self._named(await self._listed(LABELS, selector, window, limit))

    async def label_values(self, label: str, selector: str, window: Window, limit: int = LIMIT) -> Found | Error:
        """The values that a label had on these series in a window, about: a server may count in older ones."""
        if not _LABEL.fullmatch(label):
            return Error("QueryFailed", f'"{label}" cannot be asked for as a label')
        return self._named(await self._listed(f"/api/v1/label/{label}/values", selector, window, limit))

    async def metadata(self, metric: str) -> Meaning | Error | None:
        """What is known of a metric; None: nothing."""
        data = await self._data("/api/v1/metadata", {"metric": metric, "limit": "1"})
        if isinstance(data, Error):
            return None if data.reason in _ABSENT else data
        told = data.get(metric)
        first = told[0] if isinstance(told, list) and told else None
        return _meaning(first) if isinstance(first, dict) else None

    async def rules(self) -> tuple[Rule, ...] | None:
        """The rules that it evaluates; None: it does not say, or has tenants, whose these would be."""
        if self.settings.tenant_header:
            return None
        data = await self._data("/api/v1/rules", {"exclude_alerts": "true"})
        found = data if isinstance(data, Error) else rules_in(self._title, data)
        return None if isinstance(found, Error) else tuple(found)

    async def cost(self, query: str) -> Cost | None:
        """What one evaluation takes; None: it does not say."""
        bound = self._bound(query)
        data = bound if isinstance(bound, Error) else await self._data(QUERY, {**self._question(bound), "stats": "all"})
        return None if isinstance(data, Error) else cost_in(data.get("stats"))

    async def about(self) -> About:
        """What it says of itself."""
        build, runtime, interval = await asyncio.gather(
            self._data("/api/v1/status/buildinfo", {}),
            self._data("/api/v1/status/runtimeinfo", {}),
            self.scraped_every(),
        )
        return About(
            server="" if isinstance(build, Error) else server_in(build),
            retention=None if isinstance(runtime, Error) else age_in(runtime.get("storageRetention")),
            scraped_every=interval,
        )

    async def scraped_every(self, selector: str = "up") -> timedelta | None:
        """How often the samples of one of these series come; None: that cannot be told."""
        found = await self.instant(f"topk(1, {selector})")
        if isinstance(found, Error) or not found:
            return None
        samples = await self.raw(f"{_exactly(found[0].labels)}[{_SEEN}]")
        return None if isinstance(samples, Error) or not samples else interval_of(samples[0].samples)

    async def answer(self, question: Query) -> Answer:
        """What the operator would be answered: one trustworthy number, or why there is none."""
        bound = self._bound(question.query, or_missing=question.or_missing)
        if isinstance(bound, Error):
            return bound
        try:
            probe = with_sample_times(bound, question.select[0] if question.select else "")
        except ValueError as error:
            return Error("QueryFailed", f"the query was not sent: {error}")
        data = await self._data(QUERY, self._question(probe.text))
        reply = data if isinstance(data, Error) else reply_in(self._title, data, probe)
        return reply if isinstance(reply, Error) else answer(reply, question)

    async def _queried(self, query: str, at: datetime | None) -> Mapping[str, Any] | Error:
        bound = self._bound(query)
        if isinstance(bound, Error):
            return bound
        return await self._data(QUERY, {**self._question(bound), **({"time": _at(at)} if at else {})})

    def _question(self, bound: str) -> Mapping[str, str]:
        return {"query": bound, "timeout": f"{self.settings.timeout.total_seconds():.3f}"}

    async def _piece(self, bound: str, piece: Span) -> Sequence[Course] | Error:
        async with self.line.slots:
            self.line.requests += 1
            return await self.line.way.courses(bound, piece, self.namespace)

    async def _listed(
        self, path: str, selector: str, window: Window, limit: int
    ) -> tuple[tuple[object, ...], bool] | Error:
        bound = self._bound(selector) if selector else self._everything()
        if isinstance(bound, Error):
            return bound
        matched = {"match[]": bound} if bound else {}
        asked = {**matched, "start": _at(window.start), "end": _at(window.end), "limit": str(limit)}
        sent = await self._send(path, asked)
        listing = sent if isinstance(sent, Error) else listing_in(self._title, *sent, self.settings.method)
        if isinstance(listing, Error):
            return listing
        return listing.items[:limit], listing.cut or len(listing.items) > limit

    def _named(self, listed: tuple[tuple[object, ...], bool] | Error) -> Found | Error:
        if isinstance(listed, Error):
            return listed
        items, cut = listed
        return Found(tuple(one for one in items if isinstance(one, str)), cut)

    async def _data(self, path: str, asked: Mapping[str, str]) -> Mapping[str, Any] | Error:
        sent = await self._send(path, asked)
        return sent if isinstance(sent, Error) else data_in(self._title, *sent, self.settings.method)

    async def _send(self, path: str, asked: Mapping[str, str]) -> tuple[int, bytes] | Error:
        async with self.line.slots:
            self.line.requests += 1
            return await self.line.way.get(path, asked, self.namespace)

    def _bound(self, query: str, *, or_missing: bool = False) -> str | Error:
        """The query as it is sent."""
        binding = self.settings.binding
        try:
            return bound_to(query, binding.matchers(self.namespace), or_missing=binding.labels if or_missing else ())
        except Foreign as error:
            return Error(error.reason, f"{self._title}: {error}")
        except ValueError as error:
            return Error("QueryFailed", f"the query was not sent: {error}")

    def _everything(self) -> str:
        """A selector for all that may be asked for; empty: for all there is."""
        own = matching(self.settings.binding.matchers(self.namespace))
        return f"{{{own}}}" if own else ""

    @property
    def _title(self) -> str:
        return self.settings.title


def _meaning(told: Mapping[str, Any]) -> Meaning:
    return Meaning(*(str(told.get(one) or "") for one in ("type", "unit", "help")))


def _exactly(labels: Labels) -> str:
    """A selector for one series."""
    own = [Matching(name, "=", value) for name, value in labels.items() if name != "__name__"]
    return Selection(labels.get("__name__", ""), tuple(own)).text


def _labels(found: Mapping[Any, Any]) -> Labels:
    return {name: value for name, value in found.items() if isinstance(name, str) and isinstance(value, str)}


def _at(moment: datetime) -> str:
    return f"{moment.timestamp():.3f}"
