"""Plays the demo: the operator's own loop over a cluster of values and a clock that nobody waits for."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.resources import files
from itertools import pairwise
from typing import Any

import yaml

from salus.cli.demo.shop import Shop
from salus.cli.demo.story import BEGIN, FAULTS, Fault, Turn
from salus.cli.look.happening import doing
from salus.cli.marks import State, state_of
from salus.cli.reports.demo import DemoFault, DemoLine, DemoPoint, DemoReport
from salus.core.policy.compile import Catalog
from salus.core.records.changes import past_change
from salus.model.change import Decision
from salus.model.scalars import Body
from salus.model.values.metrics import Answer, Error, Query, Sample, Value
from salus.model.values.policies import Policy
from salus.ports import CHANGE_EVENTS, DEPLOYMENTS, HEALTH_POLICIES, INCIDENTS, Ref
from salus.presets import load_presets
from salus.rehearsal.engine import Rehearsal, Setting
from salus.rehearsal.ports import VirtualClock
from salus.rehearsal.world import World

BEGINS = datetime(2026, 1, 1, tzinfo=UTC)
"""Of the virtual clock; lines count from there."""
TICK = timedelta(seconds=15)
TAKES = timedelta(seconds=20)
"""From another template until its pods are ready."""
NAMESPACE, NAME = "shop", "checkout"
_REF = Ref(DEPLOYMENTS, NAMESPACE, NAME)
_MARKS: Mapping[str, str] = {
    'code!="503"': "error-ratio",
    'code="499"': "hanging",
    "shop_capacity_rps": "utilisation",
    "histogram_quantile": "slow",
}
"""What tells a query of the policies from the others, and the check that it is of."""


def the_deployment() -> dict[str, Any]:
    """Three processes of release v1."""
    labels = {"app": NAME}
    container = {"name": "shop", "image": "shop:v1"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


@dataclass(slots=True)
class Metrics:
    """Both metric ports over the shop."""

    shop: Shop
    clock: VirtualClock
    told: dict[Query, list[Sample]] = field(default_factory=dict)

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        """What the shop's metrics say now."""
        return [self._answer(question) for question in questions]

    def _answer(self, question: Query) -> Answer:
        now = self.clock.now()
        if not self.shop.answers:
            return Error("Unreachable", "connection refused")
        check = next((check for mark, check in _MARKS.items() if mark in question.query), None)
        value = self.shop.value(check) if check else self.shop.requests()
        self.told.setdefault(question, []).append(Sample(now, value))
        return Value(value, now)

    async def samples(
        self, question: Query, start: datetime, end: datetime, step: timedelta
    ) -> Sequence[Sample] | Error:
        """What was said before."""
        del step
        return [one for one in self.told.get(question, ()) if start <= one.at <= end]


class Play:
    """One run of the demo, a tick after the other."""

    def __init__(self, faults: Sequence[Fault] = FAULTS) -> None:
        self.world = World(BEGINS, TAKES)
        self.world.put(the_deployment())
        self.shop, self.without = Shop(BEGINS), Shop(BEGINS)
        self._alone = deepcopy(dict(self._body()))
        self.metrics = Metrics(self.shop, self.world.clock)
        policies = [self._policy(body) for body in the_policies()]
        self._rehearsal = Rehearsal(self.world, policies, self.metrics, Setting(BEGINS))
        self._ahead = list(_turns(faults))
        self._faults, self._seen, self._now = faults, _Seen(), BEGINS
        self.lines: list[DemoLine] = []
        self.points: list[DemoPoint] = []
        self._counts: list[tuple[float, float]] = []
        self.ends = BEGINS + BEGIN + sum((fault.lasts for fault in faults), timedelta())

    def _policy(self, body: Body) -> Policy:
        return self.world.policy(body, Catalog(load_presets(), ["default"]))

    async def ticks(self) -> AsyncIterator[Sequence[DemoLine]]:
        """The lines of each tick, in order, until the end."""
        self._say(None, "checkout serves 60 requests a second, release v1")
        now = BEGINS
        while now <= self.ends:
            self._now = now
            for shop, body in ((self.shop, self._body()), (self.without, self._alone)):
                shop.measured(body)
                shop.pass_to(now, body)
            self._turn(now)
            await self._rehearsal.run(now)
            self._look(now)
            yield self._news()
            now += TICK
        self._end_fault()

    def report(self) -> DemoReport:
        """All of it."""
        return DemoReport(
            at=self.world.clock.now(),
            began=BEGINS,
            lines=tuple(self.lines),
            points=tuple(self.points),
            faults=tuple(self._fared()),
        )

    # --- what others do

    def _turn(self, now: datetime) -> None:
        while self._ahead and self._ahead[0][0] <= now:
            _, turn, is_first = self._ahead.pop(0)
            if is_first:
                self._end_fault()
                self._alone = deepcopy(dict(self._body()))
                self.without = deepcopy(self.shop)
            self._say(None, turn.text, is_turn=True)
            for shop, body, is_real in ((self.shop, self._body(), True), (self.without, self._alone, False)):
                changed = turn.act(shop, body)
                if changed is not None and is_real:
                    self.world.cluster.edit(_REF, partial(_become, changed))
                elif changed is not None:
                    self._alone = dict(changed)

    def _end_fault(self) -> None:
        self._counts.append((self.shop.failed, self.without.failed))

    def _body(self) -> Body:
        return self.world.cluster.now_at(_REF)

    # --- what Salus does

    def _look(self, now: datetime) -> None:
        """What is new on record, in words."""
        if self.shop.answers:
            values = {check: self.shop.value(check) for check in _MARKS.values()}
            self.points.append(DemoPoint(at=now, values=values))
        changes = sorted(self.world.cluster.objects(CHANGE_EVENTS), key=lambda one: one["spec"]["sequence"])
        for body in self.world.cluster.objects(INCIDENTS):
            self._opened(body)
        for body in changes:
            self._change(body)
        for body in self.world.cluster.objects(INCIDENTS):
            self._over(body)
        for body in self.world.cluster.objects(HEALTH_POLICIES):
            self._metrics(body)

    def _opened(self, body: Body) -> None:
        name, status = body["metadata"]["name"], body.get("status") or {}
        if self._seen.is_new("incident", name):
            ill = [row for row in self._rows(body["spec"]["policyRef"]["name"]) if row["verdict"] == "Unhealthy"]
            said = "; ".join(f"{row['name']} {row['message']}" for row in ill)
            self._say(State.BAD, said or f"incident {name}")
        blame = status.get("blame")
        if blame and self._seen.is_new("blame", name):
            self._say(None, f"blame: {blame['message']} ({blame['confidence']})")

    def _over(self, body: Body) -> None:
        name, status = body["metadata"]["name"], body.get("status") or {}
        if status.get("phase") == "Resolved" and self._seen.is_new("resolved", name):
            self._say(State.GOOD, f"incident over: {status.get('message', '')}")

    def _rows(self, policy: str) -> Sequence[Body]:
        body = self.world.cluster.now_at(Ref(HEALTH_POLICIES, NAMESPACE, policy))
        rows: Sequence[Body] = (body.get("status") or {}).get("checks") or ()
        return rows

    def _change(self, body: Body) -> None:
        change = past_change(body)
        if self._seen.is_new("decided", change.name):
            state = state_of(change.decision) or State.ASKS
            self._say(state, f"{change.decision} {doing(change)}: {change.message}")
        if change.outcome is not None and self._seen.is_new("ended", change.name):
            self._say(state_of(change.outcome), f"{change.outcome}: {change.note}")

    def _metrics(self, body: Body) -> None:
        conditions = (body.get("status") or {}).get("conditions") or ()
        found = next((one for one in conditions if one["type"] == "MetricsAvailable"), None)
        name = body["metadata"]["name"]
        if found is not None and self._seen.is_other(f"metrics {name}", found["status"]) and name == NAME:
            if found["status"] == "False":
                self._say(State.UNKNOWN, f"checkout is Unknown, {found['reason']}: nothing is done")
            else:
                self._say(State.GOOD, "every check has an answer again")

    def _say(self, state: State | None, text: str, *, is_turn: bool = False) -> None:
        self.lines.append(DemoLine(after=self._now - BEGINS, state=state, text=text, is_turn=is_turn))

    def _news(self) -> list[DemoLine]:
        news = self.lines[self._seen.told :]
        self._seen.told = len(self.lines)
        return news

    # --- how it went

    def _fared(self) -> Iterator[DemoFault]:
        began = BEGINS + BEGIN
        for fault, ((before, _), (after, alone)) in zip(self._faults, pairwise(self._counts), strict=False):
            yield DemoFault(
                name=fault.name,
                expected=fault.expected,
                became=self._became(fault, began, began + fault.lasts),
                failed=round(after - before),
                failed_without=round(alone - before),
            )
            began += fault.lasts

    def _became(self, fault: Fault, began: datetime, ends: datetime) -> str:
        changes = [past_change(body) for body in self.world.cluster.objects(CHANGE_EVENTS)]
        mine = [one for one in changes if began <= one.decided_at < ends]
        acted = [one for one in mine if one.decision is Decision.ACT and one.action.writes and not one.undoes]
        if fault.expected == "refused":
            return "refused" if not acted else f"{acted[0].action} was done"
        if fault.expected == "rehearsed":
            return (
                "rehearsed" if any(one.decision is Decision.DRY_RUN for one in mine) and not acted else "not rehearsed"
            )
        return "healed" if any(one.outcome == "Recovered" for one in acted) else "not healed"


def _become(new: Body, found: dict[str, Any]) -> None:
    found.update(spec=deepcopy(new["spec"]))


@dataclass(slots=True)
class _Seen:
    """What was told already."""

    told: int = 0
    _once: set[tuple[str, str]] = field(default_factory=set)
    _last: dict[str, str] = field(default_factory=dict)

    def is_new(self, kind: str, name: str) -> bool:
        """Whether this is seen for the first time."""
        new = (kind, name) not in self._once
        self._once.add((kind, name))
        return new

    def is_other(self, what: str, value: str) -> bool:
        """Whether this was another before; the first one is news only to whoever asks later."""
        before = self._last.get(what)
        self._last[what] = value
        return before is not None and before != value


def _turns(faults: Sequence[Fault]) -> Iterator[tuple[datetime, Turn, bool]]:
    """All turns by time, and whether each begins its fault."""
    at = BEGINS + BEGIN
    for fault in faults:
        for index, turn in enumerate(fault.turns):
            yield at + turn.after, turn, index == 0
        at += fault.lasts


def the_policies() -> list[Body]:
    """As they are shown to people."""
    text = (files(__package__) / "policies.yaml").read_text(encoding="utf-8")
    found: list[Body] = yaml.safe_load(text)
    return found


def clock_of(after: timedelta) -> str:
    """Minutes and seconds since the beginning."""
    minutes, seconds = divmod(int(after.total_seconds()), 60)
    return f"{minutes:02}:{seconds:02}"
