"""What one replica of the shop does with its requests, as a function of values: `service/` without a process.

On nodes where no process runs, tools/devcluster/simulator.py serves the series that this model counts. It is a fluid
model: requests are amounts, not events, and time is the length of a step, given by the caller. Its series are held to
those of the Go service by one golden file, service/testdata/metrics.txt.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import durationpy

OK, GAVE_UP, ERROR, FULL = "200", "499", "500", "503"
CODES = (OK, GAVE_UP, ERROR, FULL)
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)  # of the duration histogram, seconds
LONGEST_QUEUE = 0.25  # seconds that a request may have to wait for its turn

_ROUNDING = 1e-6  # so that a sum of fractions which means 30 is not shown as 29


@dataclass(frozen=True)
class Settings:
    """The environment that makes one release differ from another; the same names as service/settings.go."""

    release: str = "v1"
    error_ratio: float = 0.0
    latency: float = 0.005  # seconds
    capacity: float = 50.0  # requests per second
    wedge_after: float = math.inf  # seconds of life
    crash: bool = False
    leak: float = 0.0  # KiB a request; where no process runs, the pod's annotation has it end as the kernel would

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read a container's environment; ValueError names the first variable that the service would refuse."""
        return cls(
            release=env.get("SHOP_RELEASE") or "v1",
            error_ratio=_number(env, "SHOP_ERROR_RATIO", 0.0, least=0, most=1),
            latency=_seconds(env, "SHOP_LATENCY", 0.005),
            capacity=_number(env, "SHOP_CAPACITY", 50.0, least=0.1, most=1e6),
            wedge_after=_seconds(env, "SHOP_WEDGE_AFTER", 0.0) or math.inf,
            crash=_truth(env, "SHOP_CRASH"),
            leak=_number(env, "SHOP_LEAK", 0.0, least=0, most=1e6),
        )


def _number(env: Mapping[str, str], name: str, default: float, *, least: float, most: float) -> float:
    text = env.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise ValueError(f"{name}: want a number from {least:g} to {most:g}, got {text!r}")
    return value


def _seconds(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name)
    if not text:
        return default
    try:
        value = durationpy.from_str(text).total_seconds()
    except durationpy.DurationError:
        value = -1.0
    if value < 0:
        raise ValueError(f"{name}: want a duration such as 250ms, got {text!r}")
    return value


def _truth(env: Mapping[str, str], name: str) -> bool:
    text = env.get(name) or "false"
    if text not in {"true", "false"}:
        raise ValueError(f"{name}: want true or false, got {text!r}")
    return text == "true"


@dataclass(frozen=True)
class Hanging:
    """Requests that arrived together and get no answer."""

    count: float
    age: float = 0.0  # seconds


@dataclass(frozen=True)
class Replica:
    """One process since its start: what it has counted, and the requests that it still holds."""

    age: float = 0.0  # seconds
    wedged: bool = False
    requests: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(CODES, 0.0))
    within: tuple[float, ...] = (0.0,) * len(BOUNDS)  # answered within each of BOUNDS
    seconds: float = 0.0  # sum of the durations of the answered
    queued: float = 0.0
    hanging: tuple[Hanging, ...] = ()
    working: float = 0.0  # requests being worked on, on the average of the last step

    @property
    def held(self) -> float:
        """Requests that have arrived and were not counted yet."""
        return self.queued + sum(group.count for group in self.hanging)

    @property
    def answered(self) -> float:
        """Requests that got an answer, good or bad."""
        return sum(count for code, count in self.requests.items() if code != GAVE_UP)


@dataclass(frozen=True)
class ShopModel:
    """The service and its callers, who wait `patience` seconds for an answer."""

    patience: float = 2.0

    def advance(self, state: Replica, settings: Settings, rate: float, dt: float) -> Replica:
        """Return `state` after `dt` seconds with `rate` requests per second."""
        age = state.age + dt
        aged = replace(state, age=age, wedged=state.wedged or age >= settings.wedge_after, working=0.0)
        if aged.wedged:
            return self._hang(aged, rate * dt, dt)
        return self._serve(aged, settings, rate * dt, dt)

    def _hang(self, state: Replica, arrived: float, dt: float) -> Replica:
        """Answer nobody; those whose patience has ended leave, and are counted as 499."""
        groups = [replace(group, age=group.age + dt) for group in state.hanging]
        groups.append(Hanging(state.queued + arrived))
        left = sum(group.count for group in groups if group.age >= self.patience)
        staying = tuple(group for group in groups if group.age < self.patience and group.count)
        return replace(state, queued=0.0, hanging=staying, requests=_plus(state.requests, {GAVE_UP: left}))

    def _serve(self, state: Replica, settings: Settings, arrived: float, dt: float) -> Replica:
        waiting = state.queued + arrived
        served = min(waiting, settings.capacity * dt)
        queued = min(waiting - served, settings.capacity * LONGEST_QUEUE)
        refused = waiting - served - queued
        latency = settings.latency + queued / settings.capacity
        working = served / dt * min(settings.latency, self.patience) if dt else 0.0
        if latency >= self.patience:
            given_up = _plus(state.requests, {GAVE_UP: served, FULL: refused})
            answered = replace(state, requests=given_up)
        else:
            errors = served * settings.error_ratio
            counted = _plus(state.requests, {OK: served - errors, ERROR: errors, FULL: refused})
            answered = _observe(replace(state, requests=counted), latency, served)
        return replace(_observe(answered, 0.0, refused), queued=queued, working=working)


def _plus(counts: Mapping[str, float], more: Mapping[str, float]) -> dict[str, float]:
    return {code: count + more.get(code, 0.0) for code, count in counts.items()}


def _observe(state: Replica, duration: float, count: float) -> Replica:
    """Enter `count` answers of the same `duration` into the histogram."""
    within = tuple(n + count * (duration <= bound) for n, bound in zip(state.within, BOUNDS, strict=True))
    return replace(state, within=within, seconds=state.seconds + count * duration)


def whole(amount: float) -> int:
    """Return the requests of a fluid amount that have come to pass as a whole."""
    return math.floor(amount + _ROUNDING)


_SIMULATED = "Simulated: no process runs."


def exposition(state: Replica, settings: Settings, started: float) -> str:
    """Write the series of the service in Prometheus' text format, saying in each HELP line that they are simulated.

    `started` is the start of the process, in seconds since 1970.
    """
    duration = "http_request_duration_seconds"
    answered = whole(state.answered)
    buckets = [(f"{bound:g}", whole(count)) for bound, count in zip(BOUNDS, state.within, strict=True)]
    in_flight = whole(state.held + state.working)
    return "".join(
        (
            _family("http_requests_total", "counter", *(f'{{code="{c}"}} {whole(state.requests[c])}' for c in CODES)),
            _head(duration, "histogram"),
            *(f'{duration}_bucket{{le="{bound}"}} {count}\n' for bound, count in [*buckets, ("+Inf", answered)]),
            f"{duration}_sum {state.seconds:.6g}\n{duration}_count {answered}\n",
            _family("http_requests_in_flight", "gauge", f" {in_flight}"),
            _family("shop_capacity_rps", "gauge", f" {settings.capacity:g}"),
            _family("process_start_time_seconds", "gauge", f" {started!r}"),
            _family("shop_build_info", "gauge", f'{{release="{_escaped(settings.release)}"}} 1'),
        )
    )


def _family(name: str, kind: str, *samples: str) -> str:
    return _head(name, kind) + "".join(f"{name}{sample}\n" for sample in samples)


def _head(name: str, kind: str) -> str:
    return f"# HELP {name} {_SIMULATED}\n# TYPE {name} {kind}\n"


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
