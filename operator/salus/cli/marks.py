"""The one table of what a state looks like: a mark, a word, a colour; never a colour alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How something stands, as far as a person has to see it at a glance."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"
    WARNING = "warning"
    ASKS = "asks"
    """It waits for a person."""
    HELD = "held"
    """A guard holds it back."""
    QUIET = "quiet"
    """It has too little to say, or does not apply."""
    REHEARSED = "rehearsed"


@dataclass(frozen=True, slots=True)
class Mark:
    """How a state is shown."""

    sign: str
    plain: str
    """Where the terminal's character set has no such sign."""
    style: str


MARKS: Mapping[State, Mark] = {
    State.GOOD: Mark("✔", "ok", "green"),
    State.BAD: Mark("✖", "!!", "red"),
    State.UNKNOWN: Mark("?", "??", "magenta"),
    State.WARNING: Mark("▲", "!", "yellow"),
    State.ASKS: Mark("→", "->", "bold"),
    State.HELD: Mark("‖", "||", "yellow"),
    State.QUIET: Mark("–", "-", "dim"),  # noqa: RUF001 — the dash that is meant
    State.REHEARSED: Mark("◌", "o", "cyan"),
}

_OF_WORD: Mapping[str, State] = {
    **dict.fromkeys(("Healthy", "Recovered", "Delivered"), State.GOOD),
    **dict.fromkeys(("Unhealthy", "Failed", "Worse", "NotRecovered", "Contested"), State.BAD),
    **dict.fromkeys(("Unknown", "Inconclusive"), State.UNKNOWN),
    **dict.fromkeys(("Quiet", "Abandoned", "Expired", "Undone"), State.QUIET),
    **dict.fromkeys(("Escalated", "UndoSkipped"), State.WARNING),
    "AwaitApproval": State.ASKS,
    "AwaitingApproval": State.ASKS,
    "Refuse": State.HELD,
    "Observe": State.REHEARSED,
    "DryRun": State.REHEARSED,
}


def state_of(word: str) -> State | None:
    """The state that a verdict, a phase, a decision or an outcome of the API stands for, if a mark is due at all."""
    return _OF_WORD.get(word)
