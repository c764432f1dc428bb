"""How often a check would have been unhealthy: the operator's own steps over what was there, with other bounds too."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from salus.core.health.evaluate import advance
from salus.model.policy import Threshold
from salus.model.scalars import format_decimal
from salus.model.values.metrics import CheckState, Sample
from salus.model.values.policies import CompiledCheck

HOLDS = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30, 60))
"""What may be proposed for `for`."""
_FEW = 10
"""Of so many breaches a longer `for` should leave one at most."""


@dataclass(frozen=True, slots=True)
class Course:
    """What a check was told, and how far its samples are apart."""

    check: CompiledCheck
    samples: Sequence[Sample]
    apart: timedelta

    def times(self, hold: timedelta | None = None, bound: Threshold | None = None) -> int:
        """How often it became unhealthy, with its own bound and `for` unless others are given."""
        other = replace(
            self.check,
            hold=self.check.hold if hold is None else hold,
            unhealthy=self.check.unhealthy if bound is None else bound,
        )
        count, state = 0, CheckState()
        for sample in self.samples:
            before, state = state, advance(other, sample.value, state, sample.at, self.apart)
            count += state.unhealthy and not before.unhealthy
        return count

    def share_beyond(self) -> float:
        """Of the samples."""
        beyond = sum(self.check.unhealthy.crossed_by(one.value) for one in self.samples)
        return beyond / len(self.samples) if self.samples else 0.0

    def longer_hold(self) -> tuple[timedelta, int] | None:
        """The first longer `for` that leaves a tenth, or else the first that leaves fewer; and how many."""
        now = self.times()
        left = [(hold, self.times(hold=hold)) for hold in HOLDS if hold > self.check.hold]
        few = next((one for one in left if one[1] * _FEW <= now), None)
        return few or next((one for one in left if one[1] < now), None)

    def farther_bound(self) -> tuple[Threshold, int] | None:
        """The bound beyond all stretches but the worst, in round numbers; and how many are left."""
        peaks = sorted(self._peaks(), reverse=self.check.unhealthy.above is not None)
        if not peaks:
            return None
        bound = _round(peaks[min(1, len(peaks) - 1)], self.check.unhealthy)
        left = self.times(bound=bound)
        return (bound, left) if left < self.times() else None

    def _peaks(self) -> Iterator[float]:
        """The worst value of each stretch beyond the bound."""
        worse = max if self.check.unhealthy.above is not None else min
        worst: float | None = None
        for sample in self.samples:
            if self.check.unhealthy.crossed_by(sample.value):
                worst = sample.value if worst is None else worse(worst, sample.value)
            elif worst is not None:
                yield worst
                worst = None
        if worst is not None:
            yield worst


def _round(value: float, bound: Threshold) -> Threshold:
    """To two digits, away from what is well."""
    if not value or not math.isfinite(value):
        return bound
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    word, ends = ("above", math.ceil) if bound.above is not None else ("below", math.floor)
    return Threshold.model_validate({word: format_decimal(ends(round(value / unit, 6)) * unit)})
