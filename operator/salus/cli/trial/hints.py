"""What a person may have meant whose test fails: one sentence, where one is likely."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from salus.cli.trial.judge import Miss
from salus.cli.trial.model import format_offset
from salus.cli.trial.records import Row, unknown_since
from salus.cli.trial.stage import Stage
from salus.model.change import Decision
from salus.rehearsal.engine import Rehearsed


@dataclass(frozen=True, slots=True)
class Failed:
    """A test that failed, and its run."""

    stage: Stage
    found: Rehearsed
    rows: Sequence[Row]
    miss: Miss

    @property
    def reason(self) -> str:
        """The one that was expected."""
        return (self.miss.expected.reason if self.miss.expected else None) or ""

    @property
    def wanted(self) -> str:
        """The record that was expected."""
        return (self.miss.expected.record if self.miss.expected else None) or ""


def hint(failed: Failed) -> str:
    """The first that applies; empty: none does."""
    return next((said for guess in _GUESSES if (said := guess(failed))), "")


def _no_freezes(failed: Failed) -> str:
    lacks = failed.reason == "FreezeWindow" and not failed.stage.setting.switches.freezes
    return "the test names no freezes; add them under config" if lacks else ""


def _no_kill_switch(failed: Failed) -> str:
    lacks = failed.reason == "KillSwitch" and not failed.stage.setting.switches.kill_switch
    return "the kill switch is off; config: {killSwitch: {enabled: true}}" if lacks else ""


def _no_good_release(failed: Failed) -> str:
    lacks = any(row.reason == "NoKnownGoodRelease" for row in failed.rows) and failed.wanted.startswith("Act")
    return "no release before the live one is good: true under workload.releases" if lacks else ""


def _mode(failed: Failed) -> str:
    near = failed.miss.nearest
    if not failed.wanted.startswith("Act") or near is None:
        return ""
    words = {Decision.DRY_RUN: "Observe: it rehearses", Decision.AWAIT_APPROVAL: "Approve: it asks people first"}
    return f"the mode is {words[near.decision]}; expect {near.words}" if near.decision in words else ""


def _beyond_the_end(failed: Failed) -> str:
    one = failed.miss.expected
    when = one.at if one and one.at is not None else one.by if one else None
    lasts = failed.stage.until - failed.stage.setting.since
    return f"the run ends at {format_offset(lasts)}: give more values, or lasts" if when and when > lasts else ""


def _one_interval_off(failed: Failed) -> str:
    one, near = failed.miss.expected, failed.miss.nearest
    if one is None or near is None or one.at is None or failed.wanted != near.words:
        return ""
    step = min(policy.spec.interval for policy in failed.stage.policies)
    late = near.at - one.at
    is_off = timedelta(0) < abs(late) <= step
    return f"{format_offset(abs(late))} apart: AxN is A and N times A after it, so N + 1 values" if is_off else ""


def _unknown(failed: Failed) -> str:
    """What cannot be judged leads to nothing."""
    if failed.miss.nearest is not None and not failed.wanted.startswith("Act"):
        return ""
    first = next(unknown_since(failed.found, failed.stage.setting.since), None)
    if first is None:
        return ""
    place, since, reason = first
    return f"{place[2]} is unknown from {format_offset(since)} on ({reason}): no values are written from there"


_GUESSES: Sequence[Callable[[Failed], str]] = (
    _no_freezes,
    _no_kill_switch,
    _mode,
    _no_good_release,
    _beyond_the_end,
    _one_interval_off,
    _unknown,
)
