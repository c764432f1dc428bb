"""How an incident stands, from its records alone: after a crash the same records give the same status."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from salus.core.records.incidents import (
    KEPT_ATTEMPTS,
    blamed,
    escalated,
    is_blamed,
    is_escalated,
    is_over,
    is_well,
    needs_incident,
    progress,
    recovered_for,
    resolved,
    settled_for,
)
from salus.model.change import ActionKind, Outcome
from salus.model.incident import Blame, BlameKind, Confidence, IncidentStatus, Phase
from salus.model.scalars import format_time
from salus.model.values.changes import Change
from salus.model.values.metrics import Finding
from tests.builders import NOW, a_change, a_finding, a_finished_change, a_refusal, ago, healthy, later, unknown


def an_incident(**status: Any) -> dict[str, Any]:  # noqa: ANN401 — handed on
    return {"metadata": {"name": "checkout-0a1b2c3d-1", "generation": 1}, "spec": {}, "status": status}


def stands(*changes: Change, findings: tuple[Finding, ...] = (a_finding(),), **written: Any) -> dict[str, Any]:  # noqa: ANN401 — handed on
    status = progress(an_incident(**written), changes, findings, NOW)
    IncidentStatus.parse(status)
    return status


@pytest.mark.parametrize(
    ("changes", "written", "phase"),
    [
        pytest.param([], {}, Phase.OPEN, id="nothing was tried"),
        pytest.param([a_change(1)], {}, Phase.REMEDIATING, id="on record, not done yet"),
        pytest.param([a_change(1, applied_at=NOW)], {}, Phase.VERIFYING, id="done, not proven yet"),
        pytest.param([a_finished_change(1)], {}, Phase.OPEN, id="done, and did not help"),
        pytest.param([a_finished_change(1), a_change(2)], {}, Phase.REMEDIATING, id="the next one is on its way"),
        pytest.param([a_change(1, decision="AwaitApproval")], {}, Phase.AWAITING_APPROVAL, id="a person is asked"),
        pytest.param(
            [a_change(1, decision="AwaitApproval", approval="Approved")], {}, Phase.REMEDIATING, id="a person said yes"
        ),
        pytest.param(
            [a_change(1, decision="AwaitApproval", outcome="Abandoned")], {}, Phase.OPEN, id="a person said no"
        ),
        pytest.param([a_refusal("CooldownActive")], {}, Phase.OPEN, id="a refusal changes nothing"),
        pytest.param([a_change(1, decision="DryRun")], {}, Phase.OPEN, id="a rehearsal changes nothing"),
        pytest.param(
            [a_finished_change(1)], {"phase": "Escalated"}, Phase.ESCALATED, id="people were called and still are"
        ),
        pytest.param(
            [a_change(2, applied_at=NOW)],
            {"phase": "Escalated"},
            Phase.VERIFYING,
            id="an undo after people were called",
        ),
        pytest.param(
            [a_finished_change(1)], {"phase": "Verifying"}, Phase.OPEN, id="what is written of the past does not count"
        ),
    ],
)
def test_the_phase(changes: list[Change], written: Mapping[str, Any], phase: Phase) -> None:
    assert stands(*changes, **written)["phase"] == phase


def test_the_same_records_give_the_same_status() -> None:
    changes = [a_finished_change(1, done=ago(60)), a_change(2)]
    first = stands(*changes, detectedAt=format_time(ago(90)))

    assert stands(*changes, **first) == first


@pytest.mark.parametrize(
    ("written", "findings", "checks"),
    [
        pytest.param([], (a_finding(),), ["error-ratio"], id="what is unhealthy"),
        pytest.param(["latency"], (a_finding(),), ["error-ratio", "latency"], id="beside what was unhealthy before"),
        pytest.param(["latency"], (healthy(),), ["latency"], id="what recovered is still told"),
        pytest.param([], (unknown(), healthy("latency")), [], id="an Unknown check is not unhealthy"),
    ],
)
def test_the_checks_that_were_unhealthy(written: list[str], findings: tuple[Finding, ...], checks: list[str]) -> None:
    assert stands(findings=findings, checks=written)["checks"] == checks


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        pytest.param([], None, id="nothing was done"),
        pytest.param([a_change(1)], None, id="on record is not done"),
        pytest.param(
            [a_finished_change(2, done=NOW), a_finished_change(1, done=ago(60))], ago(60), id="the earliest write"
        ),
    ],
)
def test_when_salus_first_acted(changes: list[Change], first: datetime | None) -> None:
    assert stands(*changes).get("firstActionAt") == (format_time(first) if first else None)


def test_detection_is_told_once() -> None:
    assert stands()["detectedAt"] == format_time(NOW)
    assert stands(detectedAt=format_time(ago(60)))["detectedAt"] == format_time(ago(60))


def test_the_newest_attempts_are_kept() -> None:
    changes = [a_refusal("CooldownActive", number) for number in range(1, 101)]
    status = stands(*changes)
    attempts = status["attempts"]

    assert len(attempts) == KEPT_ATTEMPTS
    assert status["attemptCount"] == 100
    assert attempts[-1]["changeRef"] == "checkout-0a1b2c3d-100"


@pytest.mark.parametrize(
    ("changes", "resolution", "message"),
    [
        pytest.param([], "RecoveredByItself", "the checks turned healthy by themselves", id="nothing was tried"),
        pytest.param(
            [a_finished_change(1)],
            "RecoveredByItself",
            "the checks turned healthy by themselves",
            id="what was tried did not help",
        ),
        pytest.param(
            [
                a_finished_change(1),
                a_finished_change(2, action=ActionKind.ROLLBACK, outcome="Recovered"),
                a_refusal("CooldownActive", 3),
            ],
            "RecoveredByRemedy",
            "recovered after Rollback (checkout-0a1b2c3d-2)",
            id="what helped is named",
        ),
    ],
)
def test_the_resolution(changes: list[Change], resolution: str, message: str) -> None:
    status = resolved(stands(*changes), changes, later(60))

    IncidentStatus.parse(status)
    assert (status["phase"], status["resolution"], status["message"]) == ("Resolved", resolution, message)
    assert status["resolvedAt"] == format_time(later(60))
    assert [(c["type"], c["status"], c["reason"]) for c in status["conditions"]] == [("Verified", "True", resolution)]


@pytest.mark.parametrize(
    ("resolution", "message"),
    [
        pytest.param("TargetGone", "the workload was deleted", id="the workload is gone"),
        pytest.param("PolicyGone", "the policy was deleted", id="the policy is gone"),
    ],
)
def test_an_incident_that_nobody_asks_about_any_more_proves_nothing(resolution: str, message: str) -> None:
    changes = [a_finished_change(1, outcome="Recovered")]
    status = resolved(stands(*changes), changes, NOW, resolution)

    IncidentStatus.parse(status)
    assert (status["phase"], status["resolution"], status["message"]) == ("Resolved", resolution, message)
    assert [c["status"] for c in status["conditions"]] == ["Unknown"]


def test_blame_is_told_once() -> None:
    found = Blame(kind=BlameKind.RELEASE, revision="8", started_at=ago(90), confidence=Confidence.HIGH, message="why")
    status = blamed(stands(), found)

    IncidentStatus.parse(status)
    assert status["blame"] == {
        "kind": "Release",
        "revision": "8",
        "startedAt": format_time(ago(90)),
        "confidence": "High",
        "message": "why",
    }
    assert (is_blamed(an_incident()), is_blamed(an_incident(**status))) == (False, True)


def test_a_hand_over_keeps_what_was_tried() -> None:
    status = escalated(stands(a_finished_change(1)), "x" * 2000)

    IncidentStatus.parse(status)
    assert status["phase"] == "Escalated"
    assert [row["changeRef"] for row in status["attempts"]] == ["checkout-0a1b2c3d-1"]


@pytest.mark.parametrize(
    ("incident", "over", "people"),
    [
        pytest.param(an_incident(phase="Resolved"), True, False, id="resolved is over"),
        pytest.param(an_incident(phase="Escalated"), False, True, id="escalated goes on"),
        pytest.param(an_incident(phase="Open"), False, False, id="open goes on"),
        pytest.param({"metadata": {}}, False, False, id="without a status it goes on"),
        pytest.param({"metadata": {}, "status": None}, False, False, id="with an empty status it goes on"),
    ],
)
def test_whether_it_is_over(incident: Mapping[str, Any], over: bool, people: bool) -> None:
    assert (is_over(incident), is_escalated(incident)) == (over, people)


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        pytest.param([a_finding()], True, id="an unhealthy check opens one"),
        pytest.param([a_finding(), unknown("latency")], True, id="beside an Unknown one too"),
        pytest.param([unknown()], False, id="an Unknown check opens none"),
        pytest.param([healthy()], False, id="a healthy check opens none"),
        pytest.param([], False, id="no findings open none"),
    ],
)
def test_what_opens_an_incident(findings: list[Finding], expected: bool) -> None:
    assert needs_incident(findings) is expected


@pytest.mark.parametrize(
    ("incident", "findings", "settled"),
    [
        pytest.param(an_incident(), (healthy(since=ago(60)),), 60, id="healthy for long enough"),
        pytest.param(an_incident(), (healthy(since=ago(29)),), None, id="not worth saying yet"),
        pytest.param(an_incident(), (a_finding(),), None, id="still unhealthy"),
        pytest.param(an_incident(), (unknown(),), None, id="nobody knows"),
        pytest.param(None, (healthy(since=ago(60)),), None, id="there is no incident"),
    ],
)
def test_when_it_is_worth_saying_that_a_target_is_healthy_again(
    incident: Mapping[str, Any] | None, findings: tuple[Finding, ...], settled: int | None
) -> None:
    found = settled_for(incident, findings, timedelta(seconds=30), timedelta(seconds=10), NOW)

    assert found == (None if settled is None else timedelta(seconds=settled))


@pytest.mark.parametrize(
    ("findings", "end", "clear"),
    [
        pytest.param((healthy(since=ago(60)),), Outcome.RECOVERED, True, id="it helped, and all is well"),
        pytest.param((a_finding(),), Outcome.RECOVERED, False, id="it helped, and something is unhealthy again"),
        pytest.param((healthy(since=ago(60)),), Outcome.INCONCLUSIVE, False, id="it did not prove itself"),
        pytest.param((healthy(since=ago(60)),), None, False, id="it goes on"),
    ],
)
def test_what_a_change_that_ends_proves(findings: tuple[Finding, ...], end: Outcome | None, clear: bool) -> None:
    assert (recovered_for(an_incident(), findings, end, NOW) is not None) is clear


@pytest.mark.parametrize(
    ("incident", "findings", "expected"),
    [
        pytest.param(None, (healthy(),), True, id="nothing to mend"),
        pytest.param(an_incident(), (healthy(),), False, id="mended of late"),
        pytest.param(None, (healthy(), unknown("latency")), False, id="one that nobody knows"),
        pytest.param(None, (), False, id="nothing was measured"),
    ],
)
def test_when_all_is_well(incident: Mapping[str, Any] | None, findings: tuple[Finding, ...], expected: bool) -> None:
    assert is_well(incident, findings) is expected
