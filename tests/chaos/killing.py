"""Bad weather on the network, and an operator that is killed at moments of chance or at a write."""

import random
from collections import Counter
from dataclasses import dataclass, field

from tests.chaos.proxy import Fault, Kind, Proxy, Seen, When
from tools.devcluster.processes import NotInTimeError, wait_until
from tools.devcluster.salus import Salus

_LIFE = (1.0, 8.0)
"""Seconds from start to a kill by chance; the first two are Python's imports."""
_WRITES = 12
"""A kill at a write meets one of the next so many …"""
_GIVE_UP = 15.0
"""… within so many seconds, or else Salus is killed then."""


@dataclass
class Weather:
    """The plan of a proxy: a fault for a share of the requests, until it clears up."""

    share: float
    dice: random.Random

    def __call__(self, seen: Seen) -> Fault | None:
        """What goes wrong with this request."""
        if self.dice.random() >= self.share:
            return None
        if seen.watch:
            return Fault(Kind.CUT, seconds=self.dice.uniform(0.1, 3.0))
        kind = self.dice.choice([Kind.DROP_REQUEST, Kind.DROP_REPLY, Kind.RESET, Kind.DELAY, Kind.STATUS])
        status = self.dice.choice([429, 500, 503])
        return Fault(kind, self.dice.uniform(0.05, 1.0), status, "1" if status == 429 else "")


@dataclass
class ChaoticSalus(Salus):
    """A Salus that may be started without waiting until it is ready, since it is to be killed before as well."""

    patient: bool = True

    def _is_ready(self) -> bool:
        return not self.patient or super()._is_ready()


@dataclass
class Executioner:
    """Kills Salus, and counts how."""

    salus: ChaoticSalus
    proxy: Proxy
    dice: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    _due: tuple[When, int] | None = None

    def __post_init__(self) -> None:
        self.proxy.moment = self._at

    def one_life(self) -> None:
        """Start Salus, and see that it dies."""
        moments: list[When | None] = [None, None, "before", "after"]
        moment = self.dice.choice(moments)
        self.salus.patient = False
        process = self.salus.start().process
        assert process is not None
        self._due = (moment, self.proxy.writes + self.dice.randint(1, _WRITES)) if moment else None
        patience = _GIVE_UP if moment else self.dice.uniform(*_LIFE)
        try:
            wait_until(lambda: not process.alive, timeout=patience, what="the end of Salus")
        except NotInTimeError:
            self._due = None
            self.kills["at a moment of chance"] += process.alive
        process.kill()

    def _at(self, when: When, seen: Seen) -> bool:
        """Asked by the proxy at each write: False where it, or its reply, dies with Salus."""
        if self._due is None or self._due[0] != when or seen.write < self._due[1]:
            return True
        self._due = None
        process = self.salus.process
        assert process is not None
        process.popen.kill()
        self.kills[f"{when} a write was forwarded"] += 1
        return False
