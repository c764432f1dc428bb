"""What tests have reached: rungs that had their turn, checks that were unhealthy, guards that objected."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from salus.cli.reports.trial import Coverage, Covered
from salus.cli.trial.files import TestFile, Written
from salus.cli.trial.records import Row
from salus.core.guards.chain import GUARDS
from salus.model.change import Decision
from salus.model.policy import Verdict
from salus.rehearsal.engine import Rehearsed

_TAKEN = {Decision.ACT, Decision.DRY_RUN, Decision.AWAIT_APPROVAL}
Key = tuple[str, str, str]
"""A file, a policy in it, and the name of a remedy or of a check."""


@dataclass(slots=True)
class Reached:
    """Filled by runs."""

    remedies: set[Key] = field(default_factory=set)
    checks: set[Key] = field(default_factory=set)
    reasons: set[str] = field(default_factory=set)

    def note(self, of: TestFile, rows: Iterable[Row], found: Rehearsed) -> None:
        """What one test has reached."""
        files = {policy.name: _file(policy) for policy in of.policies}
        for row in rows:
            if row.decision in _TAKEN and row.remedy and not row.is_undo:
                self.remedies.add((files[row.policy], row.policy, row.remedy))
            elif row.decision not in _TAKEN:
                self.reasons.add(row.reason)
        for (policy, _, check), said in found.said.items():
            if any(one.verdict is Verdict.UNHEALTHY for one in said):
                self.checks.add((files[policy.name], policy.name, check))

    def coverage(self, policies: Mapping[tuple[str, str], Written]) -> Coverage:
        """Of all these policies."""
        those = policies.values()
        remedies = {(_file(one), one.name, name): None for one in those for name in one.remedies}
        checks = {(_file(one), one.name, name): None for one in those for name in one.checks}
        reasons = [guard.reason for guard in GUARDS]
        missing = tuple(one for one in reasons if one not in self.reasons)
        return Coverage(
            policies=len(policies),
            remedies=_covered(remedies, self.remedies),
            checks=_covered(checks, self.checks),
            reasons=Covered(reached=len(reasons) - len(missing), all=len(reasons), missing=missing),
        )


def _file(policy: Written) -> str:
    return str(Path(policy.file).resolve())


def _covered(there: Iterable[Key], reached: set[Key]) -> Covered:
    those = list(there)
    missing = tuple(f"{policy}/{name}" for file, policy, name in those if (file, policy, name) not in reached)
    return Covered(reached=len(those) - len(missing), all=len(those), missing=missing)
