"""What is next for a target by what is on record, and what a move makes of what it finds."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.core.actions.stamp import Reading, Stamp
from salus.core.records.incidents import incident_body
from salus.core.remedy import change_lifecycle
from salus.core.remedy.change_lifecycle import (
    Applied,
    Climb,
    CloseOut,
    Do,
    Finish,
    Keeper,
    LetGo,
    Moment,
    Post,
    Settle,
    TakeBack,
    Verify,
    Wait,
)
from salus.model.change import ActionKind, Outcome, Proof
from salus.model.change import TakeBack as Terms
from salus.model.policy import OnFailure, Verdict
from salus.model.scalars import Body
from salus.model.values.changes import Change
from salus.model.values.metrics import Finding
from salus.model.values.objects import Workload
from tests.builders import NOW, RESTART, a_change, a_finding, a_policy, a_workload, ago, healthy

POLICY = a_policy(remedies=[{"name": "scale", "scale": {"by": "1", "max": 9}}, RESTART])
WORKLOAD = a_workload()
UNHEALTHY, WELL = a_finding(since=ago(60)), a_finding(Verdict.HEALTHY, value=0.0, since=ago(3600))
UNDO = Terms(on_failure=OnFailure.UNDO)
LENT = Terms(on_failure=OnFailure.UNDO, revert_after=timedelta(minutes=10))


def scaled(sequence: int = 1, **fields: Any) -> Change:  # noqa: ANN401 — handed on
    """A scaling that was applied an hour ago."""
    usual: dict[str, Any] = {
        "action": ActionKind.SCALE,
        "remedy": "scale",
        "applied_at": ago(3600),
        "take_back": UNDO,
        "format": 1,
    }
    return a_change(sequence, **{**usual, **fields})


def ended(outcome: Outcome, sequence: int = 1, **fields: Any) -> Change:  # noqa: ANN401 — handed on
    """The same, finished."""
    return scaled(sequence, outcome=outcome, completed_at=ago(3000), **fields)


@dataclass(frozen=True)
class Row:
    """Records, a moment, and the move that follows."""

    told: str
    move: type
    changes: tuple[Change, ...] = ()
    moment: dict[str, Any] = field(default_factory=dict)
    state: str = ""
    """The state of the newest change, as the drawing in docs/concepts/architecture.md calls it."""


ASKED: dict[str, Any] = {
    "decision": "AwaitApproval",
    "expires_at": NOW + timedelta(hours=1),
    "before": WORKLOAD.facts(),
}
OUTDATED: Workload = a_workload(generation=99)
ROWS = (
    Row("nothing is on record, and all is well", CloseOut, moment={"findings": (WELL,)}),
    Row("nothing is on record, and a check is unhealthy", Climb),
    Row("a check is unknown: nothing is climbed", CloseOut, moment={"findings": (a_finding(Verdict.UNKNOWN),)}),
    Row("meant a moment ago by this step", Do, (a_change(),), {"intended": a_change().name}, "meant"),
    Row("meant, and nobody knows whether it was done", Settle, (a_change(),), state="meant"),
    Row("meant, while another one's intent is new", Settle, (a_change(),), {"intended": "other"}),
    Row("applied", Verify, (scaled(),), state="applied"),
    Row("applied, and all is well", Verify, (scaled(),), {"findings": (WELL,)}),
    Row("an undo that was applied", Verify, (ended(Outcome.WORSE), scaled(2, undoes=scaled().name))),
    Row("a call to people", Post, (a_change(action=ActionKind.NOTIFY),), state="notification"),
    Row("asked, and nobody answered yet", Climb, (a_change(**ASKED),), state="asked"),
    Row("asked, and allowed", Settle, (a_change(**ASKED, approval="Approved"),), state="approved"),
    Row("asked, and denied", Finish, (a_change(**ASKED, approval="Denied"),), state="asked"),
    Row("asked, and the time is over", Finish, (a_change(**{**ASKED, "expires_at": ago(1)}),), state="asked"),
    Row("asked, and the workload is another one by now", Finish, (a_change(**ASKED),), {"workload": OUTDATED}),
    Row("a scaling that did not help", TakeBack, (ended(Outcome.NOT_RECOVERED),), state="failed"),
    Row("the same while its undo is held back", Climb, (ended(Outcome.NOT_RECOVERED),), {"held_until": ago(-30)}),
    Row("the same when it is time to look again", TakeBack, (ended(Outcome.WORSE),), {"held_until": ago(0)}),
    Row("the same after another policy's record", TakeBack, (ended(Outcome.WORSE), a_change(2, policy="other"))),
    Row(
        "the same, taken back already",
        Climb,
        (ended(Outcome.WORSE), ended(Outcome.UNDONE, 2, undoes=scaled().name)),
        state="undone",
    ),
    Row("a scaling of which nobody knows whether it helped", Climb, (ended(Outcome.INCONCLUSIVE),)),
    Row("a scaling that is to be kept", Climb, (ended(Outcome.WORSE, take_back=Terms(on_failure=OnFailure.KEEP)),)),
    Row("a restart that did not help", Climb, (a_change(outcome=Outcome.NOT_RECOVERED, applied_at=ago(99)),)),
    Row("a scaling that helped", CloseOut, (ended(Outcome.RECOVERED),), {"findings": (WELL,)}, "recovered"),
    Row(
        "one that helped and is to go back by now",
        TakeBack,
        (ended(Outcome.RECOVERED, take_back=LENT),),
        {"findings": (WELL,)},
        "lent",
    ),
    Row(
        "the same while an incident lasts",
        CloseOut,
        (ended(Outcome.RECOVERED, take_back=LENT),),
        {"findings": (WELL,), "has_incident": True},
    ),
    Row("the same, and a check is unhealthy", Climb, (ended(Outcome.RECOVERED, take_back=LENT),)),
    Row("a change has just come to its end", Wait, (ended(Outcome.RECOVERED),), {"ended": True}),
    Row("an undo is owed after that at once", TakeBack, (ended(Outcome.WORSE),), {"ended": True}),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.told)
def test_what_is_next_follows_from_the_records(row: Row) -> None:
    moment = Moment(**{"now": NOW, "workload": WORKLOAD, "findings": (UNHEALTHY,), **row.moment})
    move = change_lifecycle.next_move(
        POLICY, change_lifecycle.standing(POLICY, row.changes, change_lifecycle.unfinished(POLICY, row.changes)), moment
    )
    assert type(move) is row.move, move


KEEPERS = (
    (Keeper.THERE, ago(99999), False, "its policy is there, however late it is"),
    (Keeper.GONE, NOW, True, "its policy is gone"),
    (Keeper.UNUSABLE, NOW, False, "its policy is in error since a moment ago"),
    (Keeper.UNUSABLE, ago(99999), True, "its policy measures nothing for a long time"),
)


@pytest.mark.parametrize(("keeper", "applied", "is_let_go", "told"), KEEPERS, ids=[row[3] for row in KEEPERS])
def test_a_change_is_let_go_when_nobody_carries_it_on(keeper: Keeper, applied: Any, is_let_go: bool, told: str) -> None:  # noqa: ANN401, ARG001
    other = a_change(policy="other", policy_uid="uid-of-other", decided_at=applied, applied_at=applied)
    move = change_lifecycle.forsaken(POLICY, (other,), lambda _: keeper, NOW)
    assert (move == LetGo(other, move.why)) if move else not is_let_go
    assert bool(move) is is_let_go


def test_a_policy_that_was_made_anew_is_another_one() -> None:
    old = a_change(policy_uid="uid-of-the-one-before")
    move = change_lifecycle.forsaken(POLICY, (old,), lambda _: Keeper.THERE, NOW)
    assert move is not None
    assert "is gone" in move.why
    assert change_lifecycle.standing(POLICY, (old,), {old.name}).under_way is None


def test_what_another_process_is_about_to_do_is_left_to_it() -> None:
    """Nobody but who carries a change on ends it, unless it is so late that nobody does."""
    meant = a_change(proof=None)
    theirs = change_lifecycle.standing(POLICY, (meant,), frozenset())
    assert (theirs.under_way, theirs.newest) == (None, meant)
    assert type(change_lifecycle.next_move(POLICY, theirs, Moment(NOW, WORKLOAD, (UNHEALTHY,)))) is Climb
    late = NOW + timedelta(hours=1)
    assert change_lifecycle.left_behind(POLICY, (meant,), frozenset(), NOW) == frozenset()
    assert change_lifecycle.left_behind(POLICY, (meant,), frozenset(), late) == {meant.name}
    assert change_lifecycle.left_behind(POLICY, (meant,), {meant.name}, late) == frozenset()


READINGS = (
    (Stamp.SOUND, ago(0), Applied, "the object shows it"),
    (Stamp.SOUND, ago(9999), Applied, "the object shows it, long after"),
    (Stamp.DOUBTFUL, ago(0), Finish, "nobody can tell"),
    (Stamp.ABSENT, ago(0), Do, "it was not done"),
    (Stamp.ABSENT, ago(9999), Finish, "it was not done, and is too old"),
    (Stamp.FORGED, ago(0), Do, "somebody else wrote its name there"),
)


@pytest.mark.parametrize(("stamp", "decided", "what", "told"), READINGS, ids=[row[3] for row in READINGS])
def test_the_object_tells_whether_it_was_done(stamp: Stamp, decided: Any, what: type, told: str) -> None:  # noqa: ANN401, ARG001
    found = change_lifecycle.settled(POLICY, a_change(decided_at=decided), Reading(stamp, "?"), NOW)
    assert type(found) is what


def test_what_was_approved_late_is_not_too_old_since_people_were_asked() -> None:
    change = a_change(decided_at=ago(3000), **{**ASKED, "approval": "Approved"})
    assert change_lifecycle.settled(POLICY, change, Reading(Stamp.ABSENT), NOW) == Do(change)


LEFT = (
    (scaled(), None, Outcome.INCONCLUSIVE, False),
    (a_change(), None, Outcome.ABANDONED, False),
    (a_change(), Stamp.ABSENT, Outcome.ABANDONED, False),
    (a_change(), Stamp.FORGED, Outcome.ABANDONED, False),
    (a_change(), Stamp.SOUND, Outcome.INCONCLUSIVE, True),
    (a_change(), Stamp.DOUBTFUL, Outcome.INCONCLUSIVE, True),
)


@pytest.mark.parametrize(("change", "stamp", "outcome", "perhaps"), LEFT)
def test_what_is_let_go_counts_as_done_if_it_may_have_been(
    change: Change, stamp: Stamp | None, outcome: Outcome, perhaps: bool
) -> None:
    found = None if stamp is None else Reading(stamp)
    assert change_lifecycle.left(change, found, "why") == Finish(change, outcome, "why", perhaps=perhaps)


DRAWN = re.compile(r"^(\w+) ─+(\w+)─+▶", re.MULTILINE)


STARTED = incident_body(POLICY, WORKLOAD, ago(3600), 1)
PROOF = Proof(settle=timedelta(0), stable=timedelta(minutes=1), timeout=timedelta(minutes=3), checks="0" * 64)


@pytest.mark.parametrize(
    ("finding", "incident", "undoes", "outcome"),
    [
        pytest.param(UNHEALTHY, STARTED, "", None, id="while the target is ill it waits, past its deadline"),
        pytest.param(healthy(since=ago(59)), STARTED, "", None, id="as long as nobody knows whether health lasts"),
        pytest.param(healthy(since=ago(299)), STARTED, "", None, id="and whether the incident will be over"),
        pytest.param(healthy(since=ago(300)), STARTED, "", Outcome.INCONCLUSIVE, id="then nobody knows what it did"),
        pytest.param(UNHEALTHY, None, "", Outcome.INCONCLUSIVE, id="an incident that is over is waited for by nobody"),
        pytest.param(UNHEALTHY, STARTED, "x-1", Outcome.UNDONE, id="an undo was owed, and waits for nothing"),
    ],
)
def test_what_a_replay_has_done_waits_for_the_past(
    finding: Finding, incident: Body | None, undoes: str, outcome: Outcome | None
) -> None:
    change = scaled(undoes=undoes, proof=PROOF)

    found = change_lifecycle.unseen(change, incident, (finding,), timedelta(minutes=5), NOW)
    assert (found.outcome if isinstance(found, Finish) else None) == outcome


def test_the_drawing_shows_the_moves_that_are_made() -> None:
    """docs/concepts/architecture.md names, for each state of a change, the move that follows."""
    drawn = set(DRAWN.findall(Path("docs/concepts/architecture.md").read_text(encoding="utf-8")))
    made = {(row.state, row.move.__name__) for row in ROWS if row.state}
    made -= {(state, move) for state, move in made if move in {"Climb", "CloseOut"}}
    assert drawn == made


RECORDS = st.lists(
    st.builds(
        lambda sequence, action, decision, outcome, applied, undoes, policy: a_change(
            sequence,
            action=action,
            decision=decision,
            outcome=outcome,
            applied_at=ago(50) if applied else None,
            completed_at=ago(10) if outcome else None,
            undoes=f"checkout-0a1b2c3d-{undoes}" if undoes else "",
            policy=policy,
            take_back=UNDO,
            format=1,
        ),
        st.integers(1, 9),
        st.sampled_from(ActionKind),
        st.sampled_from(["Act", "DryRun", "Refuse", "AwaitApproval"]),
        st.sampled_from(["", *Outcome]),
        st.booleans(),
        st.integers(0, 9),
        st.sampled_from([POLICY.key.name, "other"]),
    ),
    max_size=6,
    unique_by=lambda change: change.sequence,
)


@given(RECORDS, st.sampled_from([(UNHEALTHY,), (WELL,), ()]), st.booleans())
def test_whatever_is_on_record_nothing_new_begins_while_something_is_open(
    changes: list[Change], findings: tuple[Any, ...], ended: bool
) -> None:
    changes = sorted(changes, key=lambda change: change.sequence)
    now = change_lifecycle.standing(POLICY, changes, change_lifecycle.unfinished(POLICY, changes))
    move = change_lifecycle.next_move(POLICY, now, Moment(NOW, WORKLOAD, findings, ended=ended))
    if now.under_way is not None:
        assert not isinstance(move, TakeBack | Climb | CloseOut | Do)
    if isinstance(move, TakeBack):
        assert move.change.policy == POLICY.key.name
        assert move.change.applied_at is not None
        assert not move.change.undoes, "an undo is never undone"
