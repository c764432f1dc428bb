"""What the checks of a test answer: by values that are written for them, or by PromQL on series that are."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from salus.cli.trial import promtool
from salus.cli.trial.files import TestFile
from salus.cli.trial.model import Case
from salus.cli.trial.notation import Values
from salus.cli.trial.written import Answered
from salus.core.policy.pod_names import HASH, RANDOM, pods
from salus.model.change import ActionKind
from salus.model.meta import WorkloadKind
from salus.model.policy import Threshold
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Query, Sample
from salus.model.values.policies import CompiledCheck, Policy
from salus.rehearsal.answers import AnsweringMetrics, Known
from salus.rehearsal.history import Asked, History, always_empty
from salus.rehearsal.world import World

_POD = re.compile(r'\bpod="([^"]*)"')


class CannotBeStaged(Exception):
    """A test does not fit its policies; the message says why."""


class Skipped(Exception):
    """A test was not run, and why."""


@dataclass(frozen=True, slots=True)
class Told:
    """For the queries of all policies."""

    world: World
    policies: Sequence[Policy]
    target: TargetKey
    of: TestFile
    case: Case
    begins: datetime
    step: timedelta
    lasts: timedelta

    def metrics(self, program: Path | None) -> AnsweringMetrics:
        """What was written, and how the world answers to deeds. Raises CannotBeStaged and Skipped."""
        asked = [(policy, one) for policy in self.policies for one in self.world.asked(policy, self.target)]
        known: Known = self._by_series(asked, program) if self.of.series_of(self.case) else self._by_values(asked)
        return AnsweringMetrics(self.world, known, self._replies(asked))

    # --- values

    def _by_values(self, asked: Sequence[tuple[Policy, Asked]]) -> History:
        told: dict[Query, tuple[str, Values]] = {}
        for policy, one in asked:
            _tell(told, one.query, policy, one.check, self.case.values)
            if one.volume is not None:
                _tell(told, one.volume, policy, one.check, self.case.volumes)
        for _, one in asked:
            told.setdefault(one.query, ("", self._always(well(one.check))))
            if one.volume is not None and one.check.volume is not None:
                told.setdefault(one.volume, ("", self._always(one.check.volume.at_least)))
        history = History.of_steps(self.world.clock, self.step, always_empty)
        history.tell({query: self._samples(values) for query, (_, values) in told.items()})
        return history

    def _always(self, value: float) -> Values:
        return (value,) * (self.lasts // self.step + 1)

    def _samples(self, values: Values) -> list[Sample]:
        each = enumerate(values)
        return [Sample(self.begins + number * self.step, value) for number, value in each if value is not None]

    # --- series

    def _by_series(self, asked: Sequence[tuple[Policy, Asked]], program: Path | None) -> Answered:
        if program is None:
            raise Skipped(promtool.NOT_THERE)
        those = [query for _, one in asked for query in (one.query, one.volume) if query is not None]
        queries = [query for query in dict.fromkeys(those) if query.unclear is None]
        intervals = {policy.spec.interval for policy in self.policies}
        ticks = sorted({number * every for every in intervals for number in range(self.lasts // every + 1)})
        for series, _ in self.of.series_of(self.case):
            _refuse_impossible_pods(series, self.target)
        there = promtool.Written(self.of.series_of(self.case), self.step, self.of.rules)
        try:
            told = promtool.asked(program, there, queries, ticks)
        except promtool.PromtoolFailed as error:
            raise CannotBeStaged(str(error)) from error
        moments = [self.begins + tick for tick in ticks]
        return Answered(
            self.world.clock,
            {
                query: {at: promtool.moved(one, self.begins) for at, one in zip(moments, answers, strict=True)}
                for query, answers in zip(queries, told, strict=True)
            },
        )

    # --- deeds

    def _replies(self, asked: Sequence[tuple[Policy, Asked]]) -> dict[ActionKind, dict[Query, float]]:
        return {
            action: {
                one.query: value for policy, one in asked if (value := of_check(replies, policy, one.check)) is not None
            }
            for action, replies in self.case.after.items()
        }


def _tell(
    known: dict[Query, tuple[str, Values]],
    query: Query,
    policy: Policy,
    check: CompiledCheck,
    told: Mapping[str, Values],
) -> None:
    """Take note of what a query answers. Raises CannotBeStaged where two checks that ask it differ."""
    values: Values | None = of_check(told, policy, check)
    if values is None:
        return
    name = f"{policy.key.name}/{check.name}"
    other, before = known.setdefault(query, (name, values))
    if before != values:
        raise CannotBeStaged(f"{other} and {name} ask the same, and are told different values")


def _refuse_impossible_pods(series: str, target: TargetKey) -> None:
    """A name that Kubernetes would never make is not among `$pods`, and a test of it would pass for nothing."""
    if target.kind is not WorkloadKind.DEPLOYMENT:
        return
    for name in _POD.findall(series):
        if _made_up(target.name).fullmatch(name) and not re.fullmatch(pods(target.kind, target.name), name):
            letters = f"a hash of {HASH} and five of {RANDOM}"
            raise CannotBeStaged(f"pod {name} is none of {target.kind}/{target.name}: its pods have {letters}")


def _made_up(name: str) -> re.Pattern[str]:
    """What somebody types who means a pod of a Deployment."""
    return re.compile(rf"{re.escape(name)}-[0-9a-z]*[0-9][0-9a-z]*-[0-9a-z]{{5}}")


def of_check(told: Mapping[str, Any], policy: Policy, check: CompiledCheck) -> Any:  # noqa: ANN401 — what the map holds
    """What is told of a check by its name, or by that and its policy's; None: nothing."""
    return told.get(f"{policy.key.name}/{check.name}", told.get(check.name))


def well(check: CompiledCheck) -> float:
    """A value at which a check is healthy: 0, if that is one."""
    bounds = [check.unhealthy, *([check.healthy] if check.healthy else [])]
    candidates = [0.0, *(value for one in bounds for value in _beside(one))]
    return next(one for one in candidates if _is_well(check, one))


def _beside(bound: Threshold) -> tuple[float, ...]:
    return bound.limit, bound.limit - 1, bound.limit + 1


def _is_well(check: CompiledCheck, value: float) -> bool:
    return not check.unhealthy.crossed_by(value) and (check.healthy is None or check.healthy.crossed_by(value))
