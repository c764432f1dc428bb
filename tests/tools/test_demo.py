"""The demo's pure parts: how events read, what counts as told, what the table says, and who runs the pods."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from rich.console import Console

from examples.demo.faults import FAULTS
from examples.demo.judging import Evidence, Judge, Write, healed_by, left_alone, rehearsed, report_of
from examples.demo.pods import Pods, Wanted, choose
from examples.demo.stage import COOLDOWN_SECONDS, SHOP, change_named_by
from examples.demo.story import (
    Change,
    ChangeSeen,
    ConditionSeen,
    Event,
    FaultBegan,
    FaultEnded,
    Happening,
    Incident,
    IncidentSeen,
    Report,
    Step,
    Story,
    Told,
    Transition,
    Vitals,
    VitalsTaken,
)
from examples.demo.view import PlainView, panel, row, table
from examples.shop.load import Tally
from tools.devcluster.sandbox import SandboxUnavailableError

AT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


DECIDED = Change(
    name="checkout-1",
    policy="checkout",
    decision="Act",
    action="Rollback",
    reason="AboveThreshold",
    message="roll back",
    decided_at=later(14),
)
APPLIED = replace(DECIDED, applied_at=later(15))
RECOVERED = replace(APPLIED, completed_at=later(30), outcome="Recovered", result="all checks healthy")
REHEARSED = replace(DECIDED, decision="DryRun")
NOTIFIED = replace(DECIDED, name="checkout-9", action="Notify")
SCALED = replace(RECOVERED, action="Scale")
UNDONE = replace(SCALED, name="checkout-2", outcome="Undone", undoes="checkout-1")
REFUSED = replace(DECIDED, name="checkout-0", decision="Refuse", reason="CooldownActive")
INCIDENT = Incident("checkout-i", "checkout", "Verifying", AT, later(12), ("error-ratio",))
LOST, BACK = (
    Transition("checkout", "MetricsAvailable", status, later(n)) for status, n in (("False", 4), ("True", 24))
)


# --- how events read


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        pytest.param(Told("hello"), ["hello"], id="the narrator is quoted"),
        pytest.param(
            FaultBegan(2, 5, "a flood", "Water rises.", "Salus should swim."),
            ["── Fault 2 of 5: a flood", "   Water rises.", "   Salus should swim."],
            id="a fault says what is done and what is expected",
        ),
        pytest.param(
            ChangeSeen(RECOVERED, Step.DECIDED),
            ["ChangeEvent checkout-1: Act Rollback: roll back (AboveThreshold)"],
            id="a decision gives its reason",
        ),
        pytest.param(
            ChangeSeen(RECOVERED, Step.DONE),
            ["ChangeEvent checkout-1: Rollback done"],
            id="a write is not yet a success",
        ),
        pytest.param(
            ChangeSeen(RECOVERED, Step.ENDED),
            ["ChangeEvent checkout-1: Recovered: all checks healthy"],
            id="an outcome gives its proof",
        ),
        pytest.param(
            IncidentSeen(INCIDENT),
            ["Incident checkout-i: Verifying (error-ratio)"],
            id="an incident names its phase and checks",
        ),
        pytest.param(
            ConditionSeen("checkout", "MetricsAvailable", "False", "Unreachable"),
            ["HealthPolicy checkout: MetricsAvailable=False (Unreachable)"],
            id="a condition gives its reason",
        ),
        pytest.param(
            FaultEnded(Report("a flood", AT, differences=("it leaks", "it sank"))),
            ["── Not as told: a flood: it leaks; it sank"],
            id="a fault that went otherwise says how",
        ),
        pytest.param(FaultEnded(Report("a flood", AT)), ["── As told: a flood"], id="a fault that went as told"),
        pytest.param(
            VitalsTaken(Vitals(0.301, 2, 3, "4", "v1", "Verifying", Tally(10, 7, {"500": 3}))),
            ["errors 30.1%, replicas 2/3, release v1 (revision 4), incident Verifying; callers: 10 requests, 3 failed"],
            id="vitals say everything in one line",
        ),
        pytest.param(
            VitalsTaken(Vitals()),
            ["errors unknown, replicas 0/0, release none; callers: 0 requests, 0 failed"],
            id="what is not known is not a zero",
        ),
    ],
)
def test_an_event_reads(what: Happening, expected: list[str]) -> None:
    assert what.lines() == expected
    assert Event(12.345, what).lines() == [f"  12.3s  {line}" for line in expected]


def test_objects_of_the_api_server_are_read() -> None:
    change = {
        "metadata": {"name": "checkout-1"},
        "spec": {
            "policyRef": {"name": "checkout"},
            "decision": "Act",
            "action": "Rollback",
            "reason": "AboveThreshold",
            "message": "roll back",
            "decidedAt": "2026-01-01T12:00:14Z",
        },
        "status": {"appliedAt": "2026-01-01T12:00:15Z"},
    }
    incident = {
        "metadata": {"name": "checkout-i"},
        "spec": {"policyRef": {"name": "checkout"}, "openedAt": "2026-01-01T12:00:00Z"},
        "status": {"phase": "Verifying", "detectedAt": "2026-01-01T12:00:12Z", "checks": ["error-ratio"]},
    }

    assert Change.from_object(change) == APPLIED
    assert Incident.from_object(incident) == INCIDENT


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(DECIDED, [Step.DECIDED], id="an intent"),
        pytest.param(APPLIED, [Step.DECIDED, Step.DONE], id="a write"),
        pytest.param(RECOVERED, [Step.DECIDED, Step.DONE, Step.ENDED], id="a write and its outcome"),
        pytest.param(replace(DECIDED, outcome="Abandoned"), [Step.DECIDED, Step.ENDED], id="an abandoned intent"),
    ],
)
def test_a_change_goes_step_by_step(change: Change, expected: list[Step]) -> None:
    assert change.steps == expected


# --- the two views


def test_the_story_follows_the_fault_and_the_vitals() -> None:
    fault = FaultBegan(1, 5, "a flood", "", "")
    unhealthy = Vitals(error_ratio=0.3)

    story = Story().after(Event(1, fault)).after(Event(2, VitalsTaken(unhealthy)))

    assert (story.at, story.fault, story.vitals) == (2, fault, unhealthy)
    assert story.after(Event(3, FaultEnded(Report("a flood", AT)))).fault is None


def written(*renderables: object) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(*renderables)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_panel_shows_the_service() -> None:
    text = written(panel(Story(7, Vitals(0.3, 2, 3, "4", "v1"), FaultBegan(2, 5, "a flood", "", ""))))

    assert all(words in text for words in ("2 of 5: a flood", "30.0%", "2/3", "v1 (revision 4)"))


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        pytest.param(Event(1, VitalsTaken(Vitals(ready=1, callers=Tally(sent=9)))), 1, id="more requests are no news"),
        pytest.param(Event(1, VitalsTaken(Vitals(ready=2))), 2, id="another number of replicas is printed at once"),
        pytest.param(Event(11, VitalsTaken(Vitals(ready=1))), 2, id="after ten silent seconds anything is printed"),
        pytest.param(Event(1, Told("news")), 2, id="whatever happens is printed"),
    ],
)
def test_plain_lines_are_few(second: Event, expected: int) -> None:
    console = Console(file=io.StringIO(), width=120)
    view = PlainView(console)

    view.show(Event(0, VitalsTaken(Vitals(ready=1))))
    view.show(second)

    assert isinstance(console.file, io.StringIO)
    assert len(console.file.getvalue().splitlines()) == expected


# --- what counts as told

ROLLBACK = healed_by("Rollback", release="v1", replicas=3)
SCALE = healed_by("Scale", release="v1", replicas=3, taken_back=True)
WRITTEN = Write("patch", "checkout-1")
HEALED = Evidence(AT, [RECOVERED], [INCIDENT], writes=[WRITTEN], release="v1", replicas=3, failed=7)
GROWN = replace(HEALED, changes=[SCALED, UNDONE], writes=[WRITTEN, Write("patch", "checkout-2")])
BLIND = Evidence(AT, transitions=[LOST, BACK], release="v1", replicas=3)
WATCHED = Evidence(AT, [REHEARSED], [INCIDENT], release="v2-slow", replicas=3)


@pytest.mark.parametrize(
    ("judge", "evidence"),
    [
        pytest.param(ROLLBACK, HEALED, id="one write that recovered the service"),
        pytest.param(ROLLBACK, replace(HEALED, changes=[REFUSED, RECOVERED]), id="a refusal before it does no harm"),
        pytest.param(
            ROLLBACK,
            replace(HEALED, changes=[replace(DECIDED, name="checkout-0", outcome="Abandoned"), RECOVERED]),
            id="an abandoned write was none",
        ),
        pytest.param(SCALE, GROWN, id="a scaling that was taken back"),
        pytest.param(left_alone, BLIND, id="nothing done, and the metrics lost and found"),
        pytest.param(rehearsed("Rollback"), WATCHED, id="a rehearsal and no write"),
    ],
)
def test_this_is_as_told(judge: Judge, evidence: Evidence) -> None:
    assert judge(evidence) == []


@pytest.mark.parametrize(
    ("judge", "evidence", "difference"),
    [
        pytest.param(
            ROLLBACK,
            replace(HEALED, changes=[], writes=[]),
            "done was nothing, not one Rollback",
            id="no write",
        ),
        pytest.param(
            ROLLBACK,
            replace(HEALED, changes=[replace(RECOVERED, outcome="NotRecovered")]),
            "checkout-1 ended as NotRecovered, not as Recovered",
            id="a write that did not help",
        ),
        pytest.param(
            ROLLBACK,
            replace(HEALED, changes=[APPLIED]),
            "checkout-1 ended as not yet verified, not as Recovered",
            id="a write that was never verified",
        ),
        pytest.param(
            ROLLBACK,
            replace(HEALED, writes=[WRITTEN, WRITTEN]),
            "the audit log has writes for checkout-1, checkout-1, the records are checkout-1",
            id="the same write done twice",
        ),
        pytest.param(
            ROLLBACK,
            replace(HEALED, writes=[Write("patch", "")]),
            "the audit log has writes for a patch without a record, the records are checkout-1",
            id="a write that carries no record",
        ),
        pytest.param(
            ROLLBACK, replace(HEALED, release="v2-errors"), "release v2-errors is live, not v1", id="the wrong release"
        ),
        pytest.param(ROLLBACK, replace(HEALED, replicas=6), "there are 6 replicas, not 3", id="too many replicas"),
        pytest.param(
            SCALE,
            replace(GROWN, changes=[SCALED], writes=[WRITTEN]),
            "checkout-1 was not taken back",
            id="a scaling that stays",
        ),
        pytest.param(
            left_alone,
            replace(BLIND, changes=[DECIDED]),
            "checkout-1 records Act Rollback",
            id="a decision without metrics",
        ),
        pytest.param(
            left_alone,
            replace(BLIND, writes=[WRITTEN]),
            "the audit log has a patch of the Deployment by Salus",
            id="a write without metrics",
        ),
        pytest.param(
            left_alone,
            replace(BLIND, transitions=[BACK]),
            "MetricsAvailable never turned False",
            id="a loss that nobody reported",
        ),
        pytest.param(
            rehearsed("Rollback"),
            replace(WATCHED, changes=[NOTIFIED]),
            "rehearsed was nothing, not Rollback",
            id="no rehearsal",
        ),
        pytest.param(
            rehearsed("Rollback"),
            replace(WATCHED, changes=[REHEARSED, RECOVERED]),
            "Rollback was done: checkout-1",
            id="a rehearsal that was a write",
        ),
        pytest.param(
            rehearsed("Rollback"),
            replace(WATCHED, writes=[WRITTEN]),
            "the audit log has a patch of the Deployment by Salus",
            id="a write in Observe",
        ),
    ],
)
def test_this_is_not_as_told(judge: Judge, evidence: Evidence, difference: str) -> None:
    assert judge(evidence) == [difference]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            [{"op": "add", "path": "/metadata/annotations/salus.dev~1change", "value": "checkout-1"}],
            "checkout-1",
            id="an annotation among others",
        ),
        pytest.param(
            [{"op": "add", "path": "/metadata/annotations", "value": {"salus.dev/change": "checkout-1"}}],
            "checkout-1",
            id="the first annotation of all",
        ),
        pytest.param(
            [{"op": "test", "path": "/metadata/annotations/salus.dev~1change", "value": "checkout-0"}],
            "",
            id="a test writes nothing",
        ),
        pytest.param([{"op": "replace", "path": "/spec/replicas", "value": 6}], "", id="a write without a record"),
        pytest.param({"spec": {"replicas": 6}}, "", id="no JSON Patch at all"),
        pytest.param(None, "", id="no body"),
    ],
)
def test_a_write_names_its_change(body: object, expected: str) -> None:
    assert change_named_by(body) == expected


# --- the table


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        pytest.param(
            HEALED, ("a flood", "12:00:00", "+12 s", "Rollback, +15 s", "+30 s", "7", "yes"), id="a write that helped"
        ),
        pytest.param(
            replace(HEALED, changes=[APPLIED]),
            ("a flood", "12:00:00", "+12 s", "Rollback, +15 s", "-", "7", "yes"),
            id="a write without an outcome has not recovered anything",
        ),
        pytest.param(
            BLIND, ("a flood", "12:00:00", "+4 s", "nothing", "+24 s", "0", "yes"), id="metrics lost and found"
        ),
        pytest.param(
            replace(WATCHED, transitions=[LOST, BACK]),
            ("a flood", "12:00:00", "+12 s", "Rollback rehearsed, +14 s", "-", "0", "yes"),
            id="a rehearsal recovers nothing",
        ),
        pytest.param(
            replace(HEALED, incidents=[replace(INCIDENT, detected_at=later(16))]),
            ("a flood", "12:00:00", "+14 s", "Rollback, +15 s", "+30 s", "7", "yes"),
            id="a decision was not taken before the fault was seen",
        ),
        pytest.param(
            replace(HEALED, at=later(12.9)),
            ("a flood", "12:00:12", "+0 s", "Rollback, +2 s", "+17 s", "7", "yes"),
            id="nothing lies before the fault",
        ),
    ],
)
def test_a_fault_is_a_row(evidence: Evidence, expected: tuple[str, ...]) -> None:
    assert row(report_of("a flood", evidence, ())) == expected


def test_the_table_says_what_went_otherwise() -> None:
    text = written(table([report_of("a flood", HEALED, ()), report_of("a fire", HEALED, ("it burns",))]))

    assert ["yes" in line for line in text.splitlines() if "a flood" in line] == [True]
    assert ["NO" in line for line in text.splitlines() if "a fire" in line] == [True]


# --- who runs the pods


@pytest.mark.parametrize(
    ("wanted", "unavailable", "expected"),
    [
        pytest.param("auto", None, Pods(real=True, why="root and namespaces are here"), id="real ones where they can"),
        pytest.param("auto", "no root", Pods(real=False, why="no root"), id="else kwok, with the reason"),
        pytest.param("containers", None, Pods(real=True, why="as asked for"), id="real ones as asked for"),
        pytest.param("kwok", None, Pods(real=False, why="as asked for"), id="kwok as asked for"),
    ],
)
def test_who_runs_the_pods(wanted: Wanted, unavailable: str | None, expected: Pods) -> None:
    assert choose(wanted, unavailable) == expected
    assert expected.why in str(expected)


def test_real_containers_are_not_replaced_in_silence() -> None:
    with pytest.raises(SandboxUnavailableError, match="no root"):
        choose("containers", "no root")


# --- the faults


def test_the_faults_fit_the_shop() -> None:
    policies = [yaml.safe_load(path.read_text())["spec"] for path in (SHOP / "policies").glob("*.yaml")]

    assert len(FAULTS) == 5
    assert {policy["limits"]["cooldown"] for policy in policies} == {f"{COOLDOWN_SECONDS}s"}
