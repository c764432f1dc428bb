"""Which targets count for the fleet brake and for budgets in percent, and how much those of each namespace do.

Anybody who may write policies can make targets up, so only those count that somebody means to act on and that have
pods. And whoever has many of them has no more say over the others for it: seen from a namespace, its own targets count
in full, and those of each other namespace as a sample that is at most a third of its own. So no other namespace alone
can put on the brake of a healthy one or take it off an unhealthy one, and none can widen another's share by more than a
third; a namespace that is alone is judged as if there were no such rule.
"""

from dataclasses import dataclass, field
from fractions import Fraction

from salus.core.guards.permissions import acts
from salus.model.policy import Verdict
from salus.model.values.keys import TargetKey
from salus.model.values.objects import Workload
from salus.model.values.policies import Policy

SHARE = 3
"""Of each other namespace, so many targets count as make this part of the own ones …"""
SMALLEST = 5
"""… where a namespace with fewer targets than this is taken for one that has so many."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How the targets of a namespace are; what is neither healthy nor unhealthy is Unknown."""

    targets: int = 0
    healthy: int = 0
    unhealthy: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(self.targets + other.targets, self.healthy + other.healthy, self.unhealthy + other.unhealthy)

    def __sub__(self, other: "Tally") -> "Tally":
        """What is left without the other."""
        return Tally(self.targets - other.targets, self.healthy - other.healthy, self.unhealthy - other.unhealthy)

    def sample(self, most: int) -> "Tally":
        """The same in small: at most so many targets, in the same proportions, rounded."""
        if self.targets <= most:
            return self
        unhealthy = self._scaled(self.unhealthy, most)
        return Tally(most, min(self._scaled(self.healthy, most), most - unhealthy), unhealthy)

    def _scaled(self, part: int, most: int) -> int:
        return (2 * part * most + self.targets) // (2 * self.targets)


@dataclass(slots=True)
class Census:
    """All targets that count, by namespace."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    changes: int = 0
    """How often anything of it has changed: what follows from it need not be worked out more often."""
    _verdicts: dict[TargetKey, Verdict] = field(default_factory=dict)
    _samples: dict[int, Tally] = field(default_factory=dict)
    """Most of each namespace → all of them together; there are few different ones."""

    def see(self, target: TargetKey, verdict: Verdict | None) -> None:
        """How a target is now; None: it counts no more."""
        known = self._verdicts.get(target)
        if verdict is known:
            return
        tally = self.tallies.get(target.namespace, Tally()) - _one(known) + _one(verdict)
        self.tallies[target.namespace] = tally
        if verdict is None:
            del self._verdicts[target]
        else:
            self._verdicts[target] = verdict
        if not tally.targets:
            del self.tallies[target.namespace]
        self._samples.clear()
        self.changes += 1

    def seen_from(self, namespace: str) -> Tally:
        """The fleet, as an action in this namespace is judged."""
        own, most = self.tallies.get(namespace, Tally()), self._most(namespace)
        if most not in self._samples:
            self._samples[most] = sum((tally.sample(most) for tally in self.tallies.values()), Tally())
        together, small = self._samples[most], own.sample(most)
        return together - small + own

    def weight(self, namespace: str, seen_from: str) -> Fraction:
        """How much a target of a namespace, and what is done to it, counts seen from another."""
        there = self.tallies.get(namespace, Tally()).targets
        most = self._most(seen_from)
        return Fraction(1) if namespace == seen_from or there <= most else Fraction(most, there)

    def _most(self, namespace: str) -> int:
        return max(self.tallies.get(namespace, Tally()).targets, SMALLEST) // SHARE


def _one(verdict: Verdict | None) -> Tally:
    return Tally(int(verdict is not None), int(verdict is Verdict.HEALTHY), int(verdict is Verdict.UNHEALTHY))


def is_real(policy: Policy, workload: Workload, size: int = 0) -> bool:
    """Whether the target counts, by this policy: it has pods, and the policy may act on it.

    `size`: how many it had when all was well, if it is unhealthy for having none. Such a number is on record only of
    what had pods for as long as a release has to bake.
    """
    return max(workload.replicas, size) > 0 and acts(policy) and not policy.spec.suspend
