"""Asks the questions of a tick, all at once, and turns the answers into findings.

Looks into the past are made side by side, since they are slow; how many there are at a time is the source's to say.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog

from salus.contained import apology, contained
from salus.core.health.evaluate import Reading, enough, evaluate, not_judged, recall, stale_after
from salus.core.policy import promql
from salus.model.values.metrics import Answer, CheckState, Error, Query, Sample, Value
from salus.model.values.policies import CompiledCheck, Policy
from salus.reconcile import defects
from salus.reconcile.cases import Case
from salus.reconcile.context import Context

log = structlog.get_logger(__name__)

BEFORE = timedelta(hours=1)
"""How far before a breach it is seen whether a check had data while all was well."""

Job = tuple[Policy, Case]


@dataclass(frozen=True, slots=True)
class Row:
    """A check, what was asked for it, and what came back."""

    check: CompiledCheck
    query: str
    answer: Answer
    volume: Answer | None = None


def question(policy: Policy, check: CompiledCheck, case: Case, template: str = "") -> Query:
    """One check of one target as PromQL; `template`: what is asked instead of the check's own query."""
    template = template or check.template
    shared = check.target_label is not None and "$target" not in template
    return Query(
        source=policy.spec.source,
        query=promql.render(template, namespace=policy.key.namespace, target=case.target.name),
        stale_after=stale_after(policy.spec.interval),
        select=(check.target_label, case.target.name) if shared and check.target_label else None,
        namespace=policy.key.namespace,
        or_missing=check.or_missing and template == check.template,
    )


def questions(policy: Policy, case: Case) -> Sequence[Query]:
    """All checks of one target, made once for each generation of the policy."""
    return case.asks(policy, lambda: tuple(q for check in policy.checks for q in _asked(policy, check, case)))


def _asked(policy: Policy, check: CompiledCheck, case: Case) -> Sequence[Query]:
    """The check's query, and that of its volume."""
    templates = [check.template, *([check.volume.template] if check.volume else [])]
    return [question(policy, check, case, template) for template in templates]


@dataclass(frozen=True, slots=True)
class Answered:
    """What the checks of a case were told, and when."""

    rows: Sequence[Row]
    at: datetime


@dataclass(frozen=True, slots=True)
class Measurer:
    """Measures cases; what a check remembers lies in the case."""

    context: Context

    async def measure(self, jobs: Sequence[Job]) -> None:
        """Ask for all jobs in one go and put the findings into their cases: Unknown, where that itself fails."""
        answered = await self.ask(jobs)
        await asyncio.gather(*(self.judge(job, told) for job, told in zip(jobs, answered, strict=True)))

    async def ask(self, jobs: Sequence[Job]) -> Sequence[Answered | None]:
        """Ask for all jobs in one go; None where that failed, which is then what the findings say."""
        with contained(partial(self._failed, jobs)):
            asked = [questions(policy, case) for policy, case in jobs]
            flat = [q for of_job in asked for q in of_job]
            told = zip(flat, await self.context.metrics.ask(flat), strict=True)
            now = self.context.clock.now()
            return [Answered([_row(check, told) for check in policy.checks], now) for policy, _ in jobs]
        return [None] * len(jobs)

    async def judge(self, job: Job, told: Answered | None) -> None:
        """Turn answers into findings; this may take a look into the past."""
        if told is not None:
            policy, case = job
            with contained(partial(self._failed, [job])):
                await self._recover_for(policy, case, told)
                if case.questions is not None and case.questions[0] is policy:  # else it was edited meanwhile
                    self._evaluate(policy, case, told)

    def _failed(self, jobs: Sequence[Job], error: BaseException) -> None:
        for key in dict.fromkeys(policy.key for policy, _ in jobs):
            defects.note(self.context, "measure", key, error)
        now, message = self.context.clock.now(), apology("measured this", error)
        for policy, case in jobs:
            case.found(tuple(not_judged(check, message, now) for check in policy.checks))

    def _evaluate(self, policy: Policy, case: Case, told: Answered) -> None:
        findings = []
        for row in told.rows:
            state, interval = case.states.get(row.check.name, CheckState()), policy.spec.interval
            reading = Reading(row.query, row.answer, told.at, row.volume)
            finding, state = evaluate(row.check, reading, state, interval)
            case.remember(row.check.name, state)
            findings.append(finding)
            self.context.telemetry.evaluated(finding.verdict.value)
        case.found(tuple(findings), policy)

    async def _recover_for(self, policy: Policy, case: Case, told: Answered) -> None:
        """A breach seen for the first time may have begun before this process did: look back once, over `for`."""
        breached = [row.check for row in told.rows if _is_first_breach(row, case)]
        if breached:
            await asyncio.gather(*(self._look_back((policy, case), check, check.hold, told.at) for check in breached))

    async def recover(self, policy: Policy, case: Case, span: timedelta) -> bool:
        """Look back over `span`, or `for`, for all checks: how long they have been as they are is not lost with us.

        False: the past of one could not be told.
        """
        now = self.context.clock.now()
        spans = ((check, max(span, check.hold)) for check in policy.checks)
        told = await asyncio.gather(*(self._look_back((policy, case), check, span, now) for check, span in spans))
        return all(told)

    async def lacked(self, policy: Policy, case: Case, began: datetime) -> tuple[str, ...]:
        """The checks without data that had none either in the hour before the breach; in doubt, one had some."""
        checks = {check.name: check for check in policy.checks}
        asked = [checks[found.check] for found in case.findings if found.without_data and found.check in checks]
        had = await asyncio.gather(*(self._had_data((policy, case), check, began) for check in asked))
        return tuple(check.name for check, some in zip(asked, had, strict=True) if not some)

    async def _had_data(self, job: Job, check: CompiledCheck, began: datetime) -> bool:
        span = max(BEFORE, stale_after(job[0].spec.interval))
        past = await judged_past(self.context, job, check, began - span, began)
        return isinstance(past, Error) or bool(past)

    async def _look_back(self, job: Job, check: CompiledCheck, span: timedelta, now: datetime) -> bool:
        policy, case = job
        interval = policy.spec.interval
        start = now - span - 2 * interval
        samples = await judged_past(self.context, job, check, start, now)
        if isinstance(samples, Error):
            log.warning("no look into the past", check=check.name, reason=samples.reason, error=samples.message)
            return False
        state = recall(check, [sample for sample in samples if sample.at <= now], interval)
        present = case.states.get(check.name, CheckState())
        case.remember(check.name, _longer(state, present))
        return True


async def judged_past(
    context: Context, job: Job, check: CompiledCheck, start: datetime, end: datetime
) -> Sequence[Sample] | Error:
    """What a check was told in the past, where there was enough of what it judges."""
    policy, case = job
    asked = (context.history.samples(q, start, end, policy.spec.interval) for q in _asked(policy, check, case))
    samples, *volume = await asyncio.gather(*asked)
    counted = volume[0] if volume else ()
    if isinstance(samples, Error) or isinstance(counted, Error):
        return samples if isinstance(samples, Error) else counted
    return enough(check, samples, counted) if volume else samples


def _row(check: CompiledCheck, told: Iterator[tuple[Query, Answer]]) -> Row:
    """The check's own answer, and after it that of its volume."""
    asked, answer = next(told)
    return Row(check, asked.query, answer, next(told)[1] if check.volume else None)


def _is_first_breach(row: Row, case: Case) -> bool:
    check, answer, volume = row.check, row.answer, row.volume
    first = case.states.get(check.name, CheckState()).seen_at is None  # errors teach nothing
    breached = isinstance(answer, Value) and check.unhealthy.crossed_by(answer.value)
    judged = check.volume is None or (isinstance(volume, Value) and check.volume.is_reached(volume.value))
    return first and bool(check.hold) and breached and judged


def _longer(past: CheckState, present: CheckState) -> CheckState:
    """The past, where it tells of the same stretch as the present and knows more of it."""
    if past.seen_at is None:
        return present
    if present.seen_at is None:
        return past
    same = (past.breached_since is None) == (present.breached_since is None) and past.unhealthy == present.unhealthy
    begun, known = (state.breached_since or state.healthy_since for state in (past, present))
    return past if same and begun is not None and (known is None or begun < known) else present
