"""What all checks of a target say together."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from salus.model.policy import Verdict
from salus.model.values.metrics import Finding
from salus.model.values.policies import Policy


def overall(findings: Iterable[Finding]) -> Verdict:
    """The worst of the checks: Unhealthy, else Unknown, else Healthy, else Quiet; Unknown when nothing was asked."""
    verdicts = {finding.verdict for finding in findings}
    for verdict in (Verdict.UNHEALTHY, Verdict.UNKNOWN, Verdict.HEALTHY, Verdict.QUIET):
        if verdict in verdicts:
            return verdict
    return Verdict.UNKNOWN


def of_remedy(policy: Policy, remedy: str, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """What those checks say that the remedy of this name speaks of: the ones that it names, or all."""
    named = next((rung.checks for rung in policy.spec.remedies if rung.name == remedy), None)
    return tuple(finding for finding in findings if named is None or finding.check in named)


@dataclass(frozen=True, slots=True)
class Needed:
    """What a proof of health takes besides that nothing is unhealthy."""

    checks: Collection[str] = ()
    """These have to be healthy themselves; any other may be quiet."""
    without_data: Collection[str] = ()
    """Any other of these may be without data, as it was when all was well."""

    def lacks(self, findings: Iterable[Finding]) -> list[Finding]:
        """Those that stand against the proof."""
        return [found for found in findings if found.verdict is not Verdict.HEALTHY and not self._excuses(found)]

    def proof(self, findings: Sequence[Finding]) -> Sequence[Finding]:
        """Those that prove health: all that are healthy; none, if one stands against it."""
        return [] if self.lacks(findings) else [found for found in findings if found.verdict is Verdict.HEALTHY]

    def _excuses(self, found: Finding) -> bool:
        if found.check in self.checks:
            return False
        return found.verdict is Verdict.QUIET or (found.without_data and found.check in self.without_data)


ALL = Needed()
"""Every check has to be healthy, or quiet, and one healthy at least."""


def healthy_for(findings: Sequence[Finding], now: datetime, needed: Needed = ALL) -> timedelta | None:
    """How long all checks have been clear without a break; None when one is not."""
    starts = [finding.since for finding in needed.proof(findings)]
    if not starts or None in starts:
        return None
    return now - max(start for start in starts if start is not None)


def widest_window(policy: Policy) -> timedelta:
    """The longest stretch of the past that any check looks at."""
    return max((check.window for check in policy.checks), default=timedelta(0))


def unknown_windows(policy: Policy) -> str:
    """Of which checks nobody knows how far back they look, as the end of a sentence; empty where that is known."""
    names = ", ".join(check.name for check in policy.checks if check.hidden)
    return names and f"; how far back {names} looks is not known, see its window"
