"""Whether an action helped, from the same checks, by samples newer than the action; ready pods prove nothing.

Samples count from the action plus `settle`, and plus the widest window of the queries where that is longer: until then
a `rate(x[5m])` still sees the time before the action.

By which checks, how long, and what follows is fixed by the record: whoever edits the policy while a change is under way
may have no right on the workload, and must not have a good action taken back by calling it a failure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from salus.core.actions import KINDS
from salus.core.health.overall import Needed, unknown_windows, widest_window
from salus.core.health.timing import has_lasted
from salus.core.records.changes import checks_digest, is_by_this_text
from salus.model.change import Outcome, Proof
from salus.model.policy import Verdict, Verify
from salus.model.scalars import format_decimal, format_duration
from salus.model.values.changes import Change
from salus.model.values.metrics import Finding
from salus.model.values.policies import Policy

WORSE_FACTOR = 2.0
"""A value this many times as far beyond its threshold as before the action counts as worse …"""
WORSE_AT_LEAST = 0.25
"""… if it is also beyond it by this share of the threshold: a value that lay barely beyond doubles by chance."""
OVERDUE_AFTER = timedelta(minutes=15)
"""What a policy that cannot be used for a while, as at a change of the sources, has to come back and verify."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How the change stands: an outcome, or None while it is too early to tell."""

    outcome: Outcome | None
    message: str


def counts_from(change: Change, policy: Policy) -> datetime:
    """Samples from this moment on speak of the time after the action."""
    return _done_at(change) + max(_pace(change, policy).settle, widest_window(policy))


def _done_at(change: Change) -> datetime:
    return change.applied_at or change.decided_at


def is_overdue(change: Change, now: datetime) -> bool:
    """Whether the time for its proof has been over for long: whoever was to verify it does so no more."""
    return now - _done_at(change) > (change.proof.timeout if change.proof else timedelta(0)) + OVERDUE_AFTER


def _pace(change: Change, policy: Policy) -> Proof | Verify:
    """The windows on record; a record of format 0 has none."""
    return change.proof or policy.spec.verify


def asks_the_same(change: Change, policy: Policy) -> bool:
    """Whether the policy's checks are those by which the change was to be verified."""
    if change.format == 0:
        return is_by_this_text(change, policy)
    return change.proof is not None and change.proof.checks == checks_digest(policy)


def judge(change: Change, policy: Policy, findings: Sequence[Finding], now: datetime) -> Judgement:
    """Recovered, Worse, NotRecovered, Inconclusive, or not yet."""
    if not asks_the_same(change, policy):
        return _by_other_checks(change, policy, now)
    start, pace = counts_from(change, policy), _pace(change, policy)
    if now < start:
        return Judgement(None, f"settling, samples count from {start:%H:%M:%S} UTC{unknown_windows(policy)}")
    if worse := _worse(change, policy, findings, start):
        return Judgement(Outcome.WORSE, worse)
    needed = needed_by(change)
    clear = _clear_for(needed.proof(findings), start, now)
    stable = pace.stable
    if clear is not None and has_lasted(now - clear, now, stable):
        return Judgement(Outcome.RECOVERED, f"{_who(needed, findings)} healthy for {format_duration(clear)}")
    deadline = max(_done_at(change) + pace.timeout, start + stable)
    if now < deadline or (clear is not None and now < deadline + stable):
        so_far = f"healthy for {format_duration(clear)}" if clear is not None else "not healthy yet"
        return Judgement(None, f"{so_far}, needs {format_duration(stable)}")
    failed = _failed(needed, findings, start, pace.timeout)
    return replace(failed, message=f"{failed.message}{unknown_windows(policy)}")


def needed_by(change: Change) -> Needed:
    """What proves that the change helped: the checks of its evidence above all."""
    return Needed({check for check, _ in change.evidence}, change.proof.without_data if change.proof else ())


def _who(needed: Needed, findings: Sequence[Finding]) -> str:
    proof = needed.proof(findings)
    return "all checks" if len(proof) == len(findings) else ", ".join(finding.check for finding in proof)


def without_pods(
    judgement: Judgement, change: Change, policy: Policy, findings: Sequence[Finding], not_coming: str
) -> Judgement:
    """The same, where pods that were to come do not: the end of waiting, unless all is well without them."""
    if not not_coming or judgement.outcome is Outcome.RECOVERED or not asks_the_same(change, policy):
        return judgement
    if judgement.outcome is not None:
        return replace(judgement, message=f"{judgement.message}; {not_coming}")
    if needed_by(change).proof(findings):
        return judgement
    unhealthy = any(finding.verdict is Verdict.UNHEALTHY for finding in findings)
    return Judgement(Outcome.NOT_RECOVERED if unhealthy else Outcome.INCONCLUSIVE, not_coming)


def _by_other_checks(change: Change, policy: Policy, now: datetime) -> Judgement:
    """Nothing is concluded from them, good or bad; until time is up somebody may put the checks back."""
    edited = f"{policy.key.name} has other checks than when this was decided"
    timeout = _pace(change, policy).timeout
    if now < _done_at(change) + timeout:
        return Judgement(None, f"{edited}, which prove nothing of it")
    return Judgement(Outcome.INCONCLUSIVE, f"after {format_duration(timeout)} {edited}, which prove nothing of it")


def _clear_for(proof: Sequence[Finding], start: datetime, now: datetime) -> timedelta | None:
    """How long the checks that prove it have been clear, by samples from `start` on; None when one is not."""
    if not proof:
        return None
    since = start
    for finding in proof:
        if finding.since is None or finding.sampled_at is None or finding.sampled_at < start:
            return None
        since = max(since, finding.since)
    return now - since


def _worse(change: Change, policy: Policy, findings: Sequence[Finding], start: datetime) -> str | None:
    if change.before is not None and change.before.replicas == 0:
        return None  # where there was nothing, nothing can become worse: pods that start are not available yet
    then, unjudged = dict(change.evidence), change.proof.unjudged if change.proof else ()
    for finding in findings:
        if finding.verdict is not Verdict.UNHEALTHY or finding.sampled_at is None or finding.sampled_at < start:
            continue
        if finding.check in unjudged:  # how it was before the action nobody knows
            continue
        if finding.check not in then:
            if finding.since and change.applied_at and finding.since >= change.applied_at:
                return f"{finding.check} turned unhealthy after the action: {finding.message}"
        elif KINDS[change.action].can_worsen and _farther(policy, finding, then[finding.check]):
            before = format_decimal(then[finding.check] or 0.0)
            return f"{finding.check} was {before}, is {finding.message}"
    return None


def _farther(policy: Policy, finding: Finding, before: float | None) -> bool:
    """Whether the value lies much farther beyond its threshold than before the action."""
    check = next((check for check in policy.checks if check.name == finding.check), None)
    if check is None or before is None or finding.value is None:
        return False
    bound = check.unhealthy.limit
    if not check.unhealthy.crossed_by(before) or not check.unhealthy.crossed_by(finding.value):
        return False
    return abs(finding.value - bound) >= max(WORSE_FACTOR * abs(before - bound), WORSE_AT_LEAST * abs(bound))


def _failed(needed: Needed, findings: Sequence[Finding], start: datetime, timeout: timedelta) -> Judgement:
    waited = format_duration(timeout)
    unhealthy = [f"{f.check}: {f.message}" for f in findings if f.verdict is Verdict.UNHEALTHY]
    if unhealthy:
        return Judgement(Outcome.NOT_RECOVERED, f"after {waited} still {'; '.join(unhealthy)}")
    proof = needed.proof(findings)
    if not proof:
        missing = [f"{f.check}: {f.reason}" for f in needed.lacks(findings) or findings]
        return Judgement(
            Outcome.INCONCLUSIVE, f"after {waited} no trustworthy answer: {'; '.join(missing) or 'no findings'}"
        )
    if any(f.sampled_at is None or f.sampled_at < start for f in proof):
        return Judgement(Outcome.INCONCLUSIVE, f"after {waited} no sample newer than the action")
    return Judgement(Outcome.NOT_RECOVERED, f"after {waited} healthy only now and then")
