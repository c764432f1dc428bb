"""From an answer to a finding: threshold, hysteresis, `for`, and what no data means.

The memory between two readings is a value, so a `for` in progress is recovered after a restart by folding the same
function over one range query (`recall`). An Unknown or Quiet reading neither counts towards `for` nor resets it, unless
it lasts too long.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from salus.contained import INTERNAL_ERROR
from salus.core.health.timing import has_lasted
from salus.model.policy import Verdict
from salus.model.scalars import format_decimal, format_duration
from salus.model.values.metrics import Answer, CheckState, Error, Finding, NoData, Past, Sample, Value
from salus.model.values.policies import CompiledCheck

STALE_INTERVALS = 5
STALE_AT_LEAST = timedelta(minutes=2)


def stale_after(interval: timedelta) -> timedelta:
    """A sample older than this is no data, and a gap longer than this starts every count anew."""
    return max(STALE_INTERVALS * interval, STALE_AT_LEAST)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was asked, what came back, and when."""

    query: str
    answer: Answer
    at: datetime
    volume: Answer | None = None
    """How much there is of what is judged; None: nobody asked."""


def evaluate(
    check: CompiledCheck, reading: Reading, state: CheckState, interval: timedelta
) -> tuple[Finding, CheckState]:
    """What the check says now, and what it will remember."""
    now, blank = reading.at, _blank(check, reading)
    if (held := _too_little(check, reading, blank)) is not None:
        return held, state
    match reading.answer:
        case Value(value=value, sampled_at=sampled_at):
            remembered = advance(check, value, state, now, interval)
            found = replace(blank, value=value, sampled_at=sampled_at)
            return _judged(check, found, remembered, now), remembered
        case NoData(empty=True) if check.on_no_data is not Verdict.UNKNOWN:
            return _as_declared(check, blank, state, now, interval)
        case NoData(reason="Infinite") if check.infinite is not None:
            said = check.infinite
            return replace(blank, reason=said.reason, message=said.message, without_data=True), state
        case NoData(reason=reason, message=message):
            return replace(blank, reason=reason, message=message, without_data=True), state
        case Error(reason=reason, message=message):
            return replace(blank, reason=reason, message=message), state


def _blank(check: CompiledCheck, reading: Reading) -> Finding:
    """What a check says of which nothing is known."""
    return Finding(
        check=check.name,
        verdict=Verdict.UNKNOWN,
        reason="",
        message="",
        query=reading.query,
        observed_at=reading.at,
        threshold=str(check.unhealthy),
    )


def _too_little(check: CompiledCheck, reading: Reading, blank: Finding) -> Finding | None:
    """What a check says where there is too little to judge, or nobody knows how much; None: enough."""
    wanted, there = check.volume, reading.volume
    if wanted is None or isinstance(reading.answer, Error):
        return None
    match there:
        case Value(value=value) if not wanted.is_reached(value):
            over = f" in {format_duration(wanted.window)}" if wanted.window else ""
            message = f"quiet, {format_decimal(value)}{over}, at least {format_decimal(wanted.at_least)} are needed"
            return replace(blank, verdict=Verdict.QUIET, reason="LowVolume", message=message)
        case Error(reason=reason, message=message):
            return replace(blank, reason=reason, message=f"volume: {message}")
        case NoData(reason=reason, message=message) if isinstance(reading.answer, Value):
            return replace(blank, reason=reason, message=f"volume: {message}", without_data=True)
        case _:
            return None


Told = Sequence[Sample] | Error
"""What one query answered over a stretch of the past."""


def past_of(check: CompiledCheck, values: Told, volume: Told = (), silence: Told = ()) -> Past | Error:
    """What a check was told in the past, where there was enough of what it judges.

    `values`, `volume`: by its query, and by its volume, if it has one. `silence`: by what answers where the query gives
    nothing, if that means something. Without that last answer there is still what the query itself gave.
    """
    if isinstance(values, Error):
        return values
    if isinstance(volume, Error):
        return volume
    if isinstance(silence, Error) and not values:
        return silence
    past = Past(values, () if isinstance(silence, Error) else tuple(sample.at for sample in silence))
    return enough(check, past, volume) if check.volume else past


def enough(check: CompiledCheck, past: Past, volume: Iterable[Sample]) -> Past:
    """That at which there was enough to judge; of its silence, all at which there was not known to be too little."""
    reached = {sample.at: check.volume is None or check.volume.is_reached(sample.value) for sample in volume}
    samples = [sample for sample in past.samples if reached.get(sample.at, False)]
    return Past(samples, tuple(at for at in past.silent if reached.get(at, True)))


def is_breach(check: CompiledCheck, reading: Reading) -> bool:
    """Whether an answer is beyond the bound, or declared to be, and there is enough of what is judged."""
    if _too_little(check, reading, _blank(check, reading)) is not None:
        return False
    match reading.answer:
        case Value(value=value):
            return check.unhealthy.crossed_by(value)
        case NoData(empty=True):
            return check.on_no_data is Verdict.UNHEALTHY
        case _:
            return False


def not_judged(check: CompiledCheck, message: str, now: datetime) -> Finding:
    """What a check says of which nobody knows what came of it, since Salus itself failed at it."""
    return Finding(
        check=check.name,
        verdict=Verdict.UNKNOWN,
        reason=INTERNAL_ERROR,
        message=message,
        query=check.template,
        observed_at=now,
        threshold=str(check.unhealthy),
    )


def advance(check: CompiledCheck, value: float, state: CheckState, now: datetime, interval: timedelta) -> CheckState:
    """The memory after one more trustworthy value at `now`."""
    breached = check.unhealthy.crossed_by(value)
    clear = not breached if check.healthy is None else check.healthy.crossed_by(value)
    return _step(check, _fresh(state, now, interval), now, breached=breached, clear=clear)


def recall(check: CompiledCheck, past: Past, interval: timedelta) -> CheckState:
    """The memory that a Salus which never stopped would have now."""
    told: list[tuple[datetime, float | None]] = [(sample.at, sample.value) for sample in past.samples]
    state = CheckState()
    for at, value in sorted([*told, *((at, None) for at in past.silent)], key=lambda one: one[0]):
        state = _declare(check, state, at, interval) if value is None else advance(check, value, state, at, interval)
    return state


def _declare(check: CompiledCheck, state: CheckState, now: datetime, interval: timedelta) -> CheckState:
    """The memory after one more empty answer, whose meaning the policy has declared."""
    breached = check.on_no_data is Verdict.UNHEALTHY
    return _step(check, _fresh(state, now, interval), now, breached=breached, clear=not breached)


def _fresh(state: CheckState, now: datetime, interval: timedelta) -> CheckState:
    """Forget after a gap that is too long to vouch for, or when the clock went back."""
    if state.seen_at is None or not timedelta(0) <= now - state.seen_at <= stale_after(interval):
        return CheckState()
    return state


def _step(check: CompiledCheck, state: CheckState, now: datetime, *, breached: bool, clear: bool) -> CheckState:
    if breached:
        since = state.breached_since or now
        return CheckState(state.unhealthy or has_lasted(since, now, check.hold), since, None, now)
    if clear or not state.unhealthy:
        return CheckState(False, None, state.healthy_since or now, now)
    return replace(state, healthy_since=None, seen_at=now)


def _judged(check: CompiledCheck, found: Finding, state: CheckState, now: datetime) -> Finding:
    value = format_decimal(found.value or 0.0)
    if state.unhealthy:
        bound = "Above" if check.unhealthy.above is not None else "Below"
        crossed = found.value is not None and check.unhealthy.crossed_by(found.value)
        reason = f"{bound}Threshold" if crossed else "NotYetClear"
        message = f"{value}, {'' if crossed else 'not clear again of '}{check.unhealthy}"
        return replace(found, verdict=Verdict.UNHEALTHY, reason=reason, message=message, since=state.breached_since)
    if state.breached_since is not None:
        held = format_duration(now - state.breached_since)
        message = f"{value}, {check.unhealthy} for {held} of {format_duration(check.hold)}"
        return replace(found, verdict=Verdict.HEALTHY, reason="Pending", message=message)
    message = f"{value}, not {check.unhealthy}"
    return replace(found, verdict=Verdict.HEALTHY, reason="WithinThreshold", message=message, since=state.healthy_since)


def _as_declared(
    check: CompiledCheck, blank: Finding, state: CheckState, now: datetime, interval: timedelta
) -> tuple[Finding, CheckState]:
    """An empty answer, read as the policy's `onNoData` says; `for` holds here too."""
    remembered = _declare(check, state, now, interval)
    verdict = Verdict.UNHEALTHY if remembered.unhealthy else Verdict.HEALTHY
    pending = check.on_no_data is Verdict.UNHEALTHY and not remembered.unhealthy
    found = replace(
        blank,
        verdict=verdict,
        reason="Pending" if pending else "NoDataDeclared",
        message=f"no data, which the policy declares {check.on_no_data}",
        since=remembered.breached_since if remembered.unhealthy else remembered.healthy_since,
        sampled_at=now,
    )
    return found, remembered
