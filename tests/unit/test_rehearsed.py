"""Whether people did what Salus had rehearsed, and what that argues for."""

from collections.abc import Sequence
from datetime import datetime

import pytest

from salus.core.records.rehearsed import Compared, Seen, Then, argued, compare, is_rehearsal, seen_after
from salus.model.change import ActionKind, Facts
from salus.model.scalars import format_time
from salus.model.values.changes import Change
from salus.model.values.deeds import Deed, DeedKind
from tests.builders import NOW, a_change, ago, later

BEFORE = Facts(release="bad", replicas=4, restarted_at="")


def rehearsal(action: ActionKind = ActionKind.ROLLBACK, **intended: object) -> Change:
    wanted: dict[ActionKind, dict[str, object]] = {
        ActionKind.ROLLBACK: {"release": "good"},
        ActionKind.SCALE: {"replicas": 6},
    }
    after = BEFORE.model_copy(update={**wanted.get(action, {}), **intended})
    return a_change(decision="DryRun", action=action, before=BEFORE, intended=after)


ROLLBACK, RESTART, SCALE = (rehearsal(kind) for kind in (ActionKind.ROLLBACK, ActionKind.RESTART, ActionKind.SCALE))


def deed(kind: DeedKind, seconds: float, release: str = "", replicas: int | None = None, by: str = "kubectl") -> Deed:
    return Deed(kind, later(seconds), by, release=release, replicas=replicas)


def seen(seconds: float, **facts: object) -> Seen:
    return Seen(later(seconds), BEFORE.model_copy(update=facts))


UNDONE, FIXED = deed(DeedKind.RELEASE, 600, "good"), deed(DeedKind.RELEASE, 900, "better")
SOMETIME = Deed(DeedKind.RELEASE, ago(60), release="good", came_back=True, by_then=later(90_000))
RESTARTED = deed(DeedKind.RESTART, 300, "bad")


@pytest.mark.parametrize(
    ("change", "deeds", "found", "ended", "then"),
    [
        pytest.param(ROLLBACK, [UNDONE], [], None, Then.SAME, id="they went back to the same release"),
        pytest.param(ROLLBACK, [FIXED], [], None, Then.OTHER, id="they rolled out another one"),
        pytest.param(ROLLBACK, [RESTARTED, UNDONE], [], None, Then.SAME, id="at last they did the same"),
        pytest.param(
            ROLLBACK, [deed(DeedKind.RELEASE, 1801, "good")], [], None, Then.UNKNOWN, id="half an hour later is late"
        ),
        pytest.param(
            ROLLBACK,
            [deed(DeedKind.RELEASE, -1, "good")],
            [seen(1900)],
            None,
            Then.NOTHING,
            id="what was before is none",
        ),
        pytest.param(
            ROLLBACK,
            [],
            [seen(9000, release="good")],
            later(900),
            Then.SAME,
            id="it was found undone, and was well in time",
        ),
        pytest.param(
            ROLLBACK,
            [],
            [seen(9000, release="good")],
            None,
            Then.UNKNOWN,
            id="it was found undone, and nobody knows when",
        ),
        pytest.param(ROLLBACK, [], [seen(9000)], later(300), Then.NOTHING, id="it was found as it had been"),
        pytest.param(ROLLBACK, [], [], later(300), Then.UNKNOWN, id="it was not found again"),
        pytest.param(
            ROLLBACK, [], [seen(5), seen(900)], None, Then.UNKNOWN, id="the time to do something is not over yet"
        ),
        pytest.param(
            ROLLBACK,
            [],
            [seen(5), seen(900, release="good")],
            None,
            Then.SAME,
            id="a record in between tells nothing yet",
        ),
        pytest.param(ROLLBACK, [], [seen(5), seen(1900)], None, Then.NOTHING, id="nobody did anything, and it lasts"),
        pytest.param(ROLLBACK, [SOMETIME], [], later(900), Then.SAME, id="they went back, and it was well in time"),
        pytest.param(ROLLBACK, [SOMETIME], [], later(9000), Then.UNKNOWN, id="they went back, perhaps too late"),
        pytest.param(RESTART, [RESTARTED], [], None, Then.SAME, id="they restarted it"),
        pytest.param(
            RESTART,
            [],
            [seen(9000, restarted_at=format_time(later(120)))],
            None,
            Then.SAME,
            id="its template says when",
        ),
        pytest.param(
            RESTART, [], [seen(9000, restarted_at=format_time(later(7200)))], later(60), Then.UNKNOWN, id="not in time"
        ),
        pytest.param(SCALE, [deed(DeedKind.SCALE, 60, replicas=5)], [], None, Then.SAME, id="they scaled the same way"),
        pytest.param(
            SCALE, [deed(DeedKind.SCALE, 60, replicas=2)], [], None, Then.OTHER, id="they scaled the other way"
        ),
        pytest.param(
            SCALE,
            [deed(DeedKind.SCALE, 60, replicas=5, by="hpa/checkout")],
            [seen(60, replicas=5), seen(1900)],
            None,
            Then.NOTHING,
            id="an autoscaler is not people",
        ),
    ],
)
def test_what_people_then_did(
    change: Change, deeds: Sequence[Deed], found: Sequence[Seen], ended: datetime | None, then: Then
) -> None:
    assert compare(change, deeds, found, ended).then is then


@pytest.mark.parametrize(
    ("thens", "ready", "why"),
    [
        pytest.param("sss", True, "3 rehearsals: people did the same 3 times within 30m", id="three of three"),
        pytest.param("ss", False, "2 rehearsals: people did the same twice within 30m", id="too few to tell"),
        pytest.param(
            "sssn",
            True,
            "4 rehearsals: people did the same 3 times, nothing once within 30m",
            id="three of four",
        ),
        pytest.param(
            "sssoo",
            False,
            "5 rehearsals: people did the same 3 times, something else twice within 30m",
            id="too often something else",
        ),
        pytest.param(
            "sssuu",
            True,
            "5 rehearsals: people did the same 3 times within 30m; of 2 it is not known",
            id="what nobody knows counts for nothing",
        ),
        pytest.param("n", False, "1 rehearsal: people did nothing once within 30m", id="one"),
    ],
)
def test_what_rehearsals_argue_for(thens: str, ready: bool, why: str) -> None:
    words = {"s": Then.SAME, "o": Then.OTHER, "n": Then.NOTHING, "u": Then.UNKNOWN}

    said = argued([Compared(ROLLBACK, words[word]) for word in thens])

    assert (said.ready, said.why) == (ready, why)


def test_how_a_target_was_found_next() -> None:
    own = a_change(1, decision="DryRun", before=BEFORE)
    earlier, next_one = a_change(2, decided_at=NOW, before=BEFORE), a_change(3, decided_at=later(60), before=BEFORE)
    live = Seen(later(30), Facts())

    assert seen_after(own, [own, earlier, next_one], None) == [Seen(later(60), BEFORE)]
    assert seen_after(own, [own, next_one], live) == [live, Seen(later(60), BEFORE)]
    assert seen_after(own, [], None) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(ROLLBACK, True, id="an action"),
        pytest.param(rehearsal(ActionKind.NOTIFY), False, id="a call to people"),
        pytest.param(a_change(), False, id="what was done"),
    ],
)
def test_what_is_a_rehearsal(change: Change, *, expected: bool) -> None:
    assert is_rehearsal(change) is expected
