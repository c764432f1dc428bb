"""What the checks of a policy said over a stretch of time, asked of the person's Prometheus as the operator asks it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from salus.cli.contract import CannotBeAsked
from salus.cli.judged import Grid, Told, course_of
from salus.cli.metrics.as_source import AsSource
from salus.cli.metrics.ask import MOST_POINTS, Metrics
from salus.cli.metrics.choosing import Choose
from salus.cli.metrics.opening import prometheus_of
from salus.cli.metrics.wanted import Prometheus
from salus.cli.person import Person, Where
from salus.cli.reports.course import Course
from salus.cli.spans import span
from salus.cli.validate import catalog_of
from salus.core.policy.compile import SpecError, compile_policy
from salus.model.scalars import Body
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Error, Query, Sample
from salus.model.values.policies import CompiledCheck, Policy
from salus.reconcile.observe.measure import question, silence
from salus.settings import DEFAULT_SOURCE


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is asked about."""

    start: datetime
    end: datetime
    finest: timedelta = timedelta(seconds=1)
    """Two values need not be closer; nor than the policy's interval."""
    most: int = MOST_POINTS
    """Values of a check."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was answered, or why nothing was."""

    courses: tuple[Course, ...] = ()
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Asker:
    """The person's way to what was."""

    where: Where
    wanted: Prometheus
    choose: Choose | None = None
    """How to ask which of several is meant; None: on a terminal."""

    async def of(self, person: Person, body: Body, target: TargetKey, about: Stretch) -> Seen:
        """The checks of a policy on one of its targets."""
        try:
            policy = compile_policy(body, catalog_of(None))
            return await self._asked(person, policy, target, about)
        except SpecError:
            return Seen(why_not="the policy as it is cannot be asked about")
        except CannotBeAsked as error:
            return Seen(why_not=error.what)

    async def _asked(self, person: Person, policy: Policy, target: TargetKey, about: Stretch) -> Seen:
        """By the policy's own source, where the person names none. Raises CannotBeAsked."""
        own = policy.spec.source
        wanted = replace(self.wanted, source=self.wanted.source or ("" if own == DEFAULT_SOURCE else own))
        async with prometheus_of(wanted, self.where, person, self.choose) as there:
            if there.about.retention is not None and about.end < datetime.now(about.end.tzinfo) - there.about.retention:
                return Seen(why_not=f"{there.about.server or 'Prometheus'} keeps {span(there.about.retention)} only")
            found = await courses(there.metrics.within(policy.key.namespace), policy, target, about)
        if all(one.missing for one in found):
            return Seen(why_not=next((one.missing for one in found), "the policy has no checks"))
        return Seen(found)


async def courses(metrics: Metrics, policy: Policy, target: TargetKey, about: Stretch) -> tuple[Course, ...]:
    """Each check on this target."""
    step = max(policy.spec.interval, about.finest, (about.end - about.start) / MOST_POINTS)
    grid = Grid(about.start, about.end, timedelta(seconds=max(1, round(step.total_seconds()))))
    found = (_one(_Of(metrics, policy, target), check, grid, about.most) for check in policy.checks)
    return tuple(await asyncio.gather(*found))


@dataclass(frozen=True, slots=True)
class _Of:
    metrics: Metrics
    policy: Policy
    target: TargetKey


async def _one(of: _Of, check: CompiledCheck, grid: Grid, most: int) -> Course:
    own = [question(of.policy, check, of.target, template) for template in check.templates]
    asked = [*own, *silence(of.policy, check, of.target)]
    told = await asyncio.gather(*(_samples(of.metrics, one, grid) for one in asked))
    volume, silent = told[1 : len(own)], told[len(own) :]
    return course_of(check, Told(told[0], next(iter(volume), None), next(iter(silent), ())), grid, most)


async def _samples(metrics: Metrics, asked: Query, grid: Grid) -> Sequence[Sample] | Error:
    return asked.unclear or await AsSource(metrics).samples(asked, grid.start, grid.end, grid.step)
