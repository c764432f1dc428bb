"""Asks the questions of a tick, all at once, and turns the answers into findings.

Looks into the past are made side by side, since they are slow; how many there are at a time is the source's to say.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from salus.core import promql
from salus.core.evaluate import evaluate, recall, stale_after
from salus.loop.world import Case, World
from salus.model.values import Answer, CompiledCheck, Error, Memory, Policy, Question, Value

log = structlog.get_logger(__name__)

Job = tuple[Policy, Case]


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
        """Ask for all jobs in one go and put the findings into their cases."""
        asked = [
            (policy, case, check, question(policy, check, case)) for policy, case in jobs for check in policy.checks
        ]
        answers = await self.world.metrics.ask([q for *_, q in asked])
        now = self.world.clock.now()
        found: dict[int, list[tuple[CompiledCheck, Question, Answer]]] = {id(case): [] for _, case in jobs}
        for (_, case, check, q), answer in zip(asked, answers, strict=True):
            found[id(case)].append((check, q, answer))
        await asyncio.gather(*(self._recover_for(policy, case, found[id(case)], now) for policy, case in jobs))
        for policy, case in jobs:
            self._evaluate(policy, case, found[id(case)], now)

    def _evaluate(
        self, policy: Policy, case: Case, rows: Iterable[tuple[CompiledCheck, Question, Answer]], now: datetime
    ) -> None:
        findings = []
        for check, q, answer in rows:
            memory = case.memories.get(check.name, Memory())
            finding, case.memories[check.name] = evaluate(check, q.query, answer, memory, now, policy.spec.interval)
            findings.append(finding)
            self.world.telemetry.evaluated(finding.verdict.value)
        case.findings = tuple(findings)

    async def _recover_for(
        self, policy: Policy, case: Case, rows: Iterable[tuple[CompiledCheck, Question, Answer]], now: datetime
    ) -> None:
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
