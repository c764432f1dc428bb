"""What the checks of a policy said over a stretch of time, asked of the person's Prometheus as the operator asks it."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from salus.cli.judged import Grid, Told, course_of
from salus.cli.metrics.as_source import AsSource
from salus.cli.metrics.ask import Metrics
from salus.cli.reports.course import Course
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Error, Query, Sample
from salus.model.values.policies import CompiledCheck, Policy
from salus.reconcile.observe.measure import question, silence


async def courses(metrics: Metrics, policy: Policy, target: TargetKey, grid: Grid, most: int) -> tuple[Course, ...]:
    """Each check on this target, with at most so many values."""
    return tuple(await asyncio.gather(*(_one(metrics, policy, check, target, grid, most) for check in policy.checks)))


async def _one(  # noqa: PLR0913, PLR0917 — one check of what `courses` is asked
    metrics: Metrics, policy: Policy, check: CompiledCheck, target: TargetKey, grid: Grid, most: int
) -> Course:
    own = [question(policy, check, target, template) for template in check.templates]
    asked = [*own, *silence(policy, check, target)]
    told = await asyncio.gather(*(_samples(metrics, one, grid) for one in asked))
    volume, silent = told[1 : len(own)], told[len(own) :]
    return course_of(check, Told(told[0], next(iter(volume), None), next(iter(silent), ())), grid, most)


async def _samples(metrics: Metrics, asked: Query, grid: Grid) -> Sequence[Sample] | Error:
    return asked.unclear or await AsSource(metrics).samples(asked, grid.start, grid.end, grid.step)


def whole_seconds(step: timedelta) -> timedelta:
    """A step that a server takes: one second at least, and no part of one."""
    return timedelta(seconds=max(1, round(step.total_seconds())))
