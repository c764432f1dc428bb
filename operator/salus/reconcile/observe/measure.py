"""Asks the questions of a tick, all at once, and turns the answers into findings.

Looks into the past are made side by side, since they are slow; how many there are at a time is the source's to say.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from salus.contained import apology, contained
from salus.core.health.evaluate import Reading, evaluate, is_breach, not_judged, past_of, recall, stale_after
from salus.core.policy import pod_names, promql
from salus.model.policy import Verdict, names_target
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Answer, CheckState, Error, Past, Query
from salus.model.values.policies import CompiledCheck, Policy
from salus.ports import Workloads
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


Rivals = tuple[TargetKey, ...]


def question(policy: Policy, check: CompiledCheck, target: TargetKey, template: str, rivals: Rivals = ()) -> Query:
    """What is asked for a check of one target, as PromQL."""
    shared = check.target_label is not None and not names_target(template)
    pods, unclear = _pods(target, rivals) if promql.names_pods(template) else (None, None)
    return Query(
        source=policy.spec.source,
        query=promql.render(template, policy.key.namespace, target.name, pods),
        stale_after=stale_after(policy.spec.interval),
        select=(check.target_label, target.name) if shared and check.target_label else None,
        namespace=policy.key.namespace,
        or_missing=check.or_missing and template == check.template,
        unclear=unclear,
    )


def _pods(target: TargetKey, rivals: Rivals) -> tuple[str, Error | None]:
    try:
        return pod_names.pods(target.kind, target.name, rivals), None
    except pod_names.PodsUnclear as error:
        return pod_names.pods(target.kind, target.name), Error(error.reason, str(error))


def questions(context: Context, policy: Policy, case: Case) -> Sequence[Query]:
    """All checks of one target, made once for each generation of the policy."""
    rivals = _rivals(context.workloads, policy, case.target)
    return case.asks(policy, rivals, lambda: tuple(_asked(policy, policy.checks, case.target, rivals)))


def wording(workloads: Workloads, policy: Policy, target: TargetKey) -> tuple[Query, ...]:
    """The same, for a target that nobody looks at yet."""
    return tuple(_asked(policy, policy.checks, target, _rivals(workloads, policy, target)))


def _asked(policy: Policy, checks: Sequence[CompiledCheck], target: TargetKey, rivals: Rivals) -> Iterator[Query]:
    """Each check's query, and that of its volume."""
    for check in checks:
        for template in check.templates:
            yield question(policy, check, target, template, rivals)


def _rivals(workloads: Workloads, policy: Policy, target: TargetKey) -> Rivals:
    """Workloads whose pods may bear the names that the target's may have, where it is asked for by these."""
    if not any(promql.names_pods(template) for check in policy.checks for template in check.templates):
        return ()
    kinds = pod_names.neighbour_kinds(target)
    return pod_names.rivals(target, (one.key for kind in kinds for one in workloads.select(target.namespace, kind, {})))


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
            asked = [q for policy, case in jobs for q in questions(self.context, policy, case)]
            told = iter(await self._told(asked))
            now = self.context.clock.now()
            return [Answered([_row(check, told) for check in policy.checks], now) for policy, _ in jobs]
        return [None] * len(jobs)

    async def _told(self, asked: Sequence[Query]) -> Sequence[tuple[Query, Answer]]:
        """Each question with its answer; what is unclear is not sent."""
        answers = iter(await self.context.metrics.ask([one for one in asked if one.unclear is None]))
        return [(one, one.unclear or next(answers)) for one in asked]

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
        breached = [row.check for row in told.rows if _is_first_breach(row, case, told.at)]
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
        return isinstance(past, Error) or bool(past.samples)

    async def _look_back(self, job: Job, check: CompiledCheck, span: timedelta, now: datetime) -> bool:
        policy, case = job
        interval = policy.spec.interval
        start = now - span - 2 * interval
        past = await judged_past(self.context, job, check, start, now)
        if isinstance(past, Error):
            log.warning("no look into the past", check=check.name, reason=past.reason, error=past.message)
            return False
        state = recall(check, past.until(now), interval)
        present = case.states.get(check.name, CheckState())
        case.remember(check.name, _longer(state, present))
        return True


async def judged_past(context: Context, job: Job, check: CompiledCheck, start: datetime, end: datetime) -> Past | Error:
    """What a check was told in the past, where there was enough of what it judges."""
    policy, case = job
    rivals = _rivals(context.workloads, policy, case.target)
    own = list(_asked(policy, [check], case.target, rivals))
    silent = silence(policy, check, case.target, rivals)
    if unclear := next((one.unclear for one in (*own, *silent) if one.unclear), None):
        return unclear
    told = await asyncio.gather(
        *(context.history.samples(query, start, end, policy.spec.interval) for query in (*own, *silent))
    )
    values, *volume = told[: len(own)]
    nothing = told[len(own) :]
    return past_of(check, values, volume=next(iter(volume), ()), silence=next(iter(nothing), ()))


def silence(policy: Policy, check: CompiledCheck, target: TargetKey, rivals: Rivals = ()) -> Sequence[Query]:
    """What tells when there was nothing, if the policy says that this is health.

    Where nothing is a breach, its `for` is counted from what this process has seen: of the time before the workload was
    there, or before its first sample, any other service of the namespace would vouch for silence.
    """
    if check.on_no_data is not Verdict.HEALTHY:
        return ()
    label = "" if names_target(check.template) else check.target_label or ""
    template = promql.where_empty(check.template, label)
    return [replace(question(policy, check, target, template, rivals), select=None)]


def _row(check: CompiledCheck, told: Iterator[tuple[Query, Answer]]) -> Row:
    """The check's own answer, and after it that of its volume."""
    asked, answer = next(told)
    return Row(check, asked.query, answer, next(told)[1] if check.volume else None)


def _is_first_breach(row: Row, case: Case, at: datetime) -> bool:
    first = case.states.get(row.check.name, CheckState()).seen_at is None  # errors teach nothing
    return first and bool(row.check.hold) and is_breach(row.check, Reading(row.query, row.answer, at, row.volume))


def _longer(past: CheckState, present: CheckState) -> CheckState:
    """The past, where it tells of the same stretch as the present and knows more of it."""
    if past.seen_at is None:
        return present
    if present.seen_at is None:
        return past
    same = (past.breached_since is None) == (present.breached_since is None) and past.unhealthy == present.unhealthy
    begun, known = (state.breached_since or state.healthy_since for state in (past, present))
    return past if same and begun is not None and (known is None or begun < known) else present
