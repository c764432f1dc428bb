"""What all checks of a target say together."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from salus.model.policy import Verdict
from salus.model.values.metrics import Finding
from salus.model.values.policies import Policy


def overall(findings: Iterable[Finding]) -> Verdict:
    """The worst of the checks: Unhealthy, else Unknown, else Healthy; Unknown when there is nothing to judge by."""
    verdicts = {finding.verdict for finding in findings}
    for verdict in (Verdict.UNHEALTHY, Verdict.UNKNOWN, Verdict.HEALTHY):
        if verdict in verdicts:
            return verdict
    return Verdict.UNKNOWN


def healthy_for(findings: Sequence[Finding], now: datetime) -> timedelta | None:
    """How long all checks have been clear without a break; None when one is not."""
    starts = [finding.since for finding in findings]
    if overall(findings) is not Verdict.HEALTHY or None in starts:
        return None
    return now - max(start for start in starts if start is not None)


def widest_window(policy: Policy) -> timedelta:
    """The longest stretch of the past that any check looks at."""
    return max((check.window for check in policy.checks), default=timedelta(0))


def unknown_windows(policy: Policy) -> str:
    """Of which checks nobody knows how far back they look, as the end of a sentence; empty where that is known."""
    names = ", ".join(check.name for check in policy.checks if check.hidden)
    return names and f"; how far back {names} looks is not known, see its window"
