"""When a release counts as known healthy: what every policy of its workload has to say for it.

A rollback trusts this with the service, so it takes more than one policy's word: for the longest `bake` of all, no
check may be unhealthy, unknown, or beyond its bound within its `for`, and one has to be healthy; and somebody who may
act on the workload must be among them. Whoever may only watch can hold a release back, and can prove none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from salus.core.health.overall import ALL, overall
from salus.core.health.timing import has_lasted
from salus.model.policy import Mode, Verdict
from salus.model.scalars import format_duration
from salus.model.values.metrics import Finding
from salus.model.values.policies import Policy


@dataclass(frozen=True, slots=True)
class Witness:
    """One policy of the workload, and what it says of it."""

    policy: str
    bake: timedelta = timedelta(0)
    acts: bool = False
    """Its author was asked whether they may change the workload themselves (authors.salus.dev)."""
    findings: tuple[Finding, ...] = ()
    """None: it was not measured yet, or cannot be used."""
    in_incident: bool = False


@dataclass(frozen=True, slots=True)
class Proven:
    """The release is known healthy."""

    rehearsed: bool
    """None of the policies acts: good enough for rehearsals alone."""


@dataclass(frozen=True, slots=True)
class NotProven:
    """Why it is not, or not yet."""

    message: str


def vouches(policy: Policy) -> bool:
    """Whether the author of this policy may change what it speaks of: the API server asks, unless it only watches."""
    return policy.spec.mode is not Mode.OBSERVE and not policy.spec.suspend


def longest_bake(witnesses: Sequence[Witness]) -> timedelta:
    """How long a release has to be healthy: the longest time that any policy asks for."""
    return max(witness.bake for witness in witnesses)


def prove(witnesses: Sequence[Witness], rolled_out: datetime, bake: timedelta) -> Proven | NotProven:
    """Whether all of them have seen the release healthy for `bake`, since it was rolled out.

    Each by its own last look: one that looks once an hour speaks an hour later, and not of what it has not seen.
    """
    for witness in witnesses:
        if doubt := _doubt(witness, rolled_out, bake):
            return NotProven(f"policy {witness.policy} {doubt}")
    return Proven(rehearsed=not any(witness.acts for witness in witnesses))


def _doubt(witness: Witness, rolled_out: datetime, bake: timedelta) -> str | None:
    if not witness.findings:
        return "has not been measured, or cannot be used"
    if witness.in_incident:
        return "has an incident that is not over"
    if overall(witness.findings) is not Verdict.HEALTHY:
        return f"says {overall(witness.findings)}"
    for finding in ALL.proof(witness.findings):
        if finding.since is None:
            return f"has {finding.check} beyond its bound, within its `for`"
        if not has_lasted(max(finding.since, rolled_out), finding.observed_at, bake):
            return f"has not seen {finding.check} healthy for {format_duration(bake)} since the release was there"
    return None
