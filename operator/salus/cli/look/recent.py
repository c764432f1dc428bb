"""What the checks of a policy said just before, as `salus status` has it from whoever asks Prometheus (`lookback`)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from salus.cli.look.situation import Situation
from salus.cli.person import Person
from salus.cli.reports.course import Course


@dataclass(frozen=True, slots=True)
class Recent:
    """What the checks of one policy said, by their names."""

    courses: Mapping[str, Course] = field(default_factory=dict)
    left_out: str = ""
    """Why there is nothing; empty: there is, or nobody asked."""


Lookback = Callable[[Person, Situation, datetime], Awaitable[Recent]]
"""Tells it of one policy, and never raises."""
