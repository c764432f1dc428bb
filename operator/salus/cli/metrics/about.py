"""What a server says of itself, read from replies that differ from one product to the next."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from statistics import median
from typing import Any

from salus.model.values.metrics import Sample

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .+_-]{0,40}")
_AGE = re.compile(r"([0-9]{1,6})(y|w|d|h|ms|m|s)")
_UNITS: Mapping[str, timedelta] = {
    "y": timedelta(days=365),
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}


@dataclass(frozen=True, slots=True)
class About:
    """What a server says of itself."""

    server: str = ""
    """`Prometheus 3.7`; empty: it does not say."""
    retention: timedelta | None = None
    scraped_every: timedelta | None = None
    """How often one of its targets is."""


def server_in(build: Mapping[str, Any]) -> str:
    """What a server is, from its build information; empty: it does not say.

    VictoriaMetrics gives the version of a Prometheus that it answers like, and nothing else.
    """
    application, version = build.get("application"), build.get("version")
    if not isinstance(version, str) or not _NAME.fullmatch(version):
        return ""
    short = ".".join(version.split(".")[:2])
    if isinstance(application, str) and _NAME.fullmatch(application):
        return f"{application} {short}"
    if set(build) == {"version"}:
        return "VictoriaMetrics"
    return f"Thanos {short}" if version.startswith("0.") else f"Prometheus {short}"


def age_in(text: object) -> timedelta | None:
    """How long samples are kept, from `15d`, or `15d or 50GiB`; None: that is not said."""
    first = text.split(" ")[0] if isinstance(text, str) else ""
    parts = [found.groups() for found in _AGE.finditer(first)]
    if not parts or "".join(map("".join, parts)) != first:
        return None
    return sum((int(number) * _UNITS[unit] for number, unit in parts), timedelta(0)) or None


def interval_of(samples: Sequence[Sample]) -> timedelta | None:
    """How far samples are apart, most of the time; None: there are too few to tell."""
    apart = [(after.at - before.at).total_seconds() for before, after in pairwise(samples)]
    if not apart:
        return None
    usual = median(apart)
    return timedelta(seconds=round(usual) if usual >= 1 else round(usual, 3))


@dataclass(frozen=True, slots=True)
class Cost:
    """What one evaluation of a query takes."""

    samples: int
    """That are read for it."""
    seconds: float


def cost_in(stats: object) -> Cost | None:
    """From what a server says of an evaluation; None: it does not, as most but Prometheus."""
    found = stats if isinstance(stats, dict) else {}
    timings, samples = found.get("timings"), found.get("samples")
    if not isinstance(timings, dict) or not isinstance(samples, dict):
        return None
    read, took = samples.get("totalQueryableSamples"), timings.get("evalTotalTime")
    if not isinstance(read, int) or not isinstance(took, int | float):
        return None
    return Cost(read, float(took))
