"""The operator's own loop over the past of some policies. It asks for nothing but what their checks were told."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from salus.cli.replay.lives import Life
from salus.core.objects.stamps import KNOWN
from salus.core.policy.compile import Catalog
from salus.model.policy import Mode, Verdict
from salus.model.scalars import Body, format_duration
from salus.model.values.configuration import Bounds, Stamps, Switches
from salus.model.values.keys import PolicyKey, TargetKey
from salus.model.values.metrics import Error, Query, Sample
from salus.model.values.policies import Policy
from salus.rehearsal.engine import Rehearsal, Rehearsed, Setting
from salus.rehearsal.history import Asked, History, always_unknown, by_heartbeat
from salus.rehearsal.world import Past

LEAD = timedelta(hours=2)
"""Of the past before the first tick: a `for` and a release do not begin with the replay."""

Given = Mapping[Query, Sequence[Sample] | Error]
"""What each query was answered from `LEAD` before the beginning on, at every step; an Error: why that is not known."""
Ask = Callable[[Mapping[Query, timedelta]], Awaitable[Given]]
"""Answers queries, each at these steps."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Over which time, and as if what were so."""

    begins: datetime
    ends: datetime
    catalog: Catalog
    mode: Mode | None = Mode.ENFORCE
    """None: each policy's own."""
    step: timedelta | None = None
    """Instead of each policy's interval."""
    switches: Switches = field(default_factory=Switches)
    bounds: Bounds = field(default_factory=Bounds)
    stamps: Stamps = KNOWN
    heartbeat: Sequence[Sample] | None = None
    """What a query answered that always has an answer; None: nobody knows when the source was there."""
    heard: Callable[[datetime], None] = lambda _: None
    """Told of each tick that was not left out."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A policy and one of its targets."""

    policy: Policy
    target: TargetKey
    asked: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Played:
    """What came of it."""

    wish: Wish
    bodies: Mapping[PolicyKey, Body]
    watched: tuple[Watched, ...]
    lives: Mapping[TargetKey, Life]
    rehearsed: Rehearsed
    history: History
    refused: Mapping[Query, Error]
    """Queries whose past is not known."""
    cut: asyncio.CancelledError | None = None
    """Somebody had enough: it goes until the end of its wish, and not until that of the one that it was given."""


async def play(bodies: Sequence[Body], lives: Iterable[Life], ask: Ask, wish: Wish) -> Played:
    """Run it. Raises SpecError for a policy that cannot be used."""
    world, known = Past(wish.begins - LEAD, stamps=wish.stamps), {life.key: life for life in lives}
    for life in known.values():
        life.enter(world)
    policies = [world.policy(as_if(body, wish), wish.catalog, wish.mode) for body in bodies]
    watched = tuple(
        Watched(policy, target, world.asked(policy, target))
        for policy in policies
        for target in targets_of(policy, known.values())
    )
    given = await ask({query: one.policy.spec.interval for one in watched for query in _queries(one.asked)})
    told = {query: samples for query, samples in given.items() if not isinstance(samples, Error)}
    longest = max((policy.spec.interval for policy in policies), default=timedelta(seconds=15))
    gaps = by_heartbeat(wish.heartbeat) if wish.heartbeat is not None else always_unknown
    history = History.of_steps(world.clock, longest, gaps)
    history.tell(told)
    reached = _Reached(wish.heard, wish.begins)
    setting = Setting(wish.begins, wish.switches, wish.bounds, answers=history.course, heard=reached.hear)
    rehearsal, cut = Rehearsal(world, policies, history, setting), None
    try:
        await rehearsal.run(wish.ends)
    except asyncio.CancelledError as error:
        wish, cut = replace(wish, ends=reached.at), error
    by_key = {policy.key: body for policy, body in zip(policies, bodies, strict=True)}
    refused = {query: error for query, error in given.items() if isinstance(error, Error)}
    return Played(wish, by_key, watched, known, rehearsal.result(), history, refused, cut)


@dataclass(slots=True)
class _Reached:
    """How far it has come."""

    heard: Callable[[datetime], None]
    at: datetime

    def hear(self, now: datetime) -> None:
        """A tick is over."""
        self.at = now
        self.heard(now)


def as_if(body: Body, wish: Wish) -> Body:
    """The policy as it is replayed: not suspended, and at the step that was asked for."""
    metadata, spec = body["metadata"], {key: value for key, value in body["spec"].items() if key != "suspend"}
    if wish.step is not None:
        spec["interval"] = format_duration(wish.step)
    named = {"namespace": metadata["namespace"], "name": metadata["name"]}
    return {"apiVersion": "salus.dev/v1alpha1", "kind": "HealthPolicy", "metadata": named, "spec": spec}


def targets_of(policy: Policy, lives: Iterable[Life]) -> Iterator[TargetKey]:
    """The workloads of this policy, among those whose past is known."""
    target = policy.spec.target
    for life in lives:
        if (life.key.namespace, life.key.kind) != (policy.key.namespace, target.kind):
            continue
        labels: Mapping[str, Any] = life.body["metadata"].get("labels") or {}
        wanted = dict(target.selector.match_labels) if target.selector is not None else {}
        if target.name == life.key.name or (target.name is None and wanted.items() <= labels.items()):
            yield life.key


def needs_heartbeat(policies: Iterable[Policy]) -> bool:
    """Whether an empty answer means something to one of them."""
    return any(check.on_no_data is not Verdict.UNKNOWN for policy in policies for check in policy.checks)


def told_already(given: Given) -> Ask:
    """Answers what is known, and nothing else."""

    async def ask(queries: Mapping[Query, timedelta]) -> Given:
        return {query: given[query] for query in queries if query in given}

    return ask


def again(played: Played, changed: Mapping[PolicyKey, Body]) -> tuple[list[Body], Ask]:
    """The same with other wordings of these policies, over the very same answers."""
    bodies = [changed.get(key, body) for key, body in played.bodies.items()]
    return bodies, _of_history(played)


def _of_history(played: Played) -> Ask:
    async def ask(queries: Mapping[Query, timedelta]) -> Given:
        there = {query: played.history.samples_of(query) for query in queries}
        found: dict[Query, Sequence[Sample] | Error] = dict(played.refused)
        return found | {query: samples for query, samples in there.items() if samples is not None}

    return ask


def _queries(asked: Iterable[Asked]) -> Iterator[Query]:
    for one in asked:
        yield one.query
        if one.volume is not None:
            yield one.volume


def with_heartbeat(wish: Wish, samples: Sequence[Sample] | Error) -> Wish:
    """The wish that knows when the source was there."""
    return wish if isinstance(samples, Error) else replace(wish, heartbeat=samples)
