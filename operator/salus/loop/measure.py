"""Asks the questions of a tick, all at once, and turns the answers into findings.

Looks into the past are made side by side, since they are slow; how many there are at a time is the source's to say.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog

from salus.contained import apology, contained
from salus.core import promql
from salus.core.evaluate import evaluate, not_judged, recall, stale_after
from salus.loop import defects
from salus.loop.world import Case, World
from salus.model.values import Answer, CompiledCheck, Error, Memory, Policy, Question, Value

log = structlog.get_logger(__name__)

Job = tuple[Policy, Case]
Row = tuple[CompiledCheck, Question, Answer]


def question(policy: Policy, check: CompiledCheck, case: Case) -> Question:
    """One check of one target as PromQL."""
    shared = check.target_label is not None and "$target" not in check.template
    return Question(
        source=policy.spec.source,
        query=promql.render(check.template, namespace=policy.key.namespace, target=case.target.name),
        stale_after=stale_after(policy.spec.interval),
        select=(check.target_label, case.target.name) if shared and check.target_label else None,
        namespace=policy.key.namespace,
    )


@dataclass(frozen=True, slots=True)
class Measurer:
    """Measures cases; what a check remembers lies in the case."""

    world: World

    async def measure(self, jobs: Sequence[Job]) -> None:
        """Ask for all jobs in one go and put the findings into their cases: Unknown, where that itself fails."""
        with contained(partial(self._failed, jobs)):
            answered = await self._answered(jobs)
            now = self.world.clock.now()
            judging = (self._judge(job, rows, now) for job, rows in zip(jobs, answered, strict=True))
            await asyncio.gather(*judging)

    async def _answered(self, jobs: Sequence[Job]) -> list[list[Row]]:
        """Question and answer for each check, job by job."""
        asked = [[(check, question(policy, check, case)) for check in policy.checks] for policy, case in jobs]
        answers = iter(await self.world.metrics.ask([q for of_job in asked for _, q in of_job]))
        return [[(check, q, next(answers)) for check, q in of_job] for of_job in asked]

    async def _judge(self, job: Job, rows: Sequence[Row], now: datetime) -> None:
        policy, case = job
        with contained(partial(self._failed, [job])):
            await self._recover_for(policy, case, rows, now)
            self._evaluate(policy, case, rows, now)

    def _failed(self, jobs: Sequence[Job], error: BaseException) -> None:
        for key in dict.fromkeys(policy.key for policy, _ in jobs):
            defects.note(self.world, "measure", key, error)
        now, message = self.world.clock.now(), apology("measured this", error)
        for policy, case in jobs:
            case.findings = tuple(not_judged(check, message, now) for check in policy.checks)

    def _evaluate(self, policy: Policy, case: Case, rows: Iterable[Row], now: datetime) -> None:
        findings = []
        for check, q, answer in rows:
            memory = case.memories.get(check.name, Memory())
            finding, case.memories[check.name] = evaluate(check, q.query, answer, memory, now, policy.spec.interval)
            findings.append(finding)
            self.world.telemetry.evaluated(finding.verdict.value)
        case.findings, case.asked = tuple(findings), policy

    async def _recover_for(self, policy: Policy, case: Case, rows: Iterable[Row], now: datetime) -> None:
        """A breach seen for the first time may have begun before this process did: look back once, over `for`."""
        breached = [check for check, _, answer in rows if _is_first_breach(check, answer, case)]
        await asyncio.gather(*(self._look_back(policy, case, check, check.hold, now) for check in breached))

    async def recover(self, policy: Policy, case: Case, span: timedelta) -> None:
        """Look back over `span`, or `for`, for all checks: how long they have been as they are is not lost with us."""
        now = self.world.clock.now()
        spans = ((check, max(span, check.hold)) for check in policy.checks)
        await asyncio.gather(*(self._look_back(policy, case, check, span, now) for check, span in spans))

    async def _look_back(
        self, policy: Policy, case: Case, check: CompiledCheck, span: timedelta, now: datetime
    ) -> None:
        interval = policy.spec.interval
        start = now - span - 2 * interval
        samples = await self.world.history.samples(question(policy, check, case), start, now, interval)
        if isinstance(samples, Error):
            log.warning("no look into the past", check=check.name, reason=samples.reason, error=samples.message)
            return
        memory = recall(check, [sample for sample in samples if sample.at <= now], interval)
        present = case.memories.get(check.name, Memory())
        case.memories[check.name] = _longer(memory, present)


def _is_first_breach(check: CompiledCheck, answer: Answer, case: Case) -> bool:
    first = case.memories.get(check.name, Memory()).seen_at is None  # errors teach nothing
    breached = isinstance(answer, Value) and check.unhealthy.crossed_by(answer.value)
    return first and bool(check.hold) and breached


def _longer(past: Memory, present: Memory) -> Memory:
    """The past, where it tells of the same stretch as the present and knows more of it."""
    if past.seen_at is None:
        return present
    if present.seen_at is None:
        return past
    same = (past.breached_since is None) == (present.breached_since is None) and past.unhealthy == present.unhealthy
    begun, known = (memory.breached_since or memory.healthy_since for memory in (past, present))
    return past if same and begun is not None and (known is None or begun < known) else present
