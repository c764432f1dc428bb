"""What `salus report` tells of an incident and of some days, by objects that the operator itself has written."""

import io
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from salus.cli.app import app
from salus.cli.contract import CannotBeAsked
from salus.cli.past import incident_text, period_text
from salus.cli.past.period import spread
from salus.cli.past.report_command import Ask, incident_page, of_incident, of_period, period_page
from salus.cli.past.times import Times
from salus.cli.reports.history import Counted
from salus.cli.reports.incident import IncidentReport
from salus.cli.reports.period import PeriodReport, PolicyCompared, Spread
from salus.cli.show import Look, Screen, screen, show
from salus.model.scalars import Body, format_time
from salus.ports import CHANGE_EVENTS, DEPLOYMENTS, HEALTH_POLICIES, INCIDENTS, REPLICA_SETS, Ref
from tests.builders import NOW, a_template, later
from tests.unit.cli.people import person
from tests.unit.cli.test_history import RESTART, UNDO, never, played, restarted, with_releases
from tests.unit.cli.test_pages import elements
from tests.unit.cli.worlds import a_world
from tests.unit.stage import NAME, NAMESPACE, TARGET, Stage, a_stage
from tests.unit.test_rollbacks import roll_out

COMMANDS = frozenset({"history", "explain"})


async def incident(stage: Stage, name: str = "") -> IncidentReport:
    asked = Ask(name or f"inc/{stage.incidents[0]['metadata']['name']}", commands=COMMANDS)
    return await of_incident(person(stage.cluster), asked, stage.clock.now())


async def period(stage: Stage, namespace: str | None = NAMESPACE, **asked: Any) -> PeriodReport:  # noqa: ANN401
    return await of_period(person(stage.cluster, namespace), Ask("period", **asked), stage.clock.now())


def in_utc() -> Screen:
    return screen(Look(utc=True), io.StringIO())


def text(report: IncidentReport | PeriodReport) -> list[str]:
    out = io.StringIO()
    if isinstance(report, IncidentReport):
        show(report, Look(utc=True), incident_text.text, out)
    else:
        show(report, Look(utc=True), period_text.text, out)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    return lines


def markdown(report: IncidentReport | PeriodReport) -> list[str]:
    if isinstance(report, IncidentReport):
        return list(incident_text.markdown(report, in_utc()))
    return list(period_text.markdown(report, in_utc()))


# --- an incident


CAUSE = "Likely cause (Low): nothing is known to have changed in the 1h before the breach."


@pytest.mark.parametrize(
    ("is_cured", "spec", "ticks", "began", "ended"),
    [
        pytest.param(
            restarted,
            {},
            40,
            "was unhealthy for 25s",
            "Salus did Restart 10s after the breach: Recovered. "
            "It is over: recovered after Restart (checkout-f7524989-1).",
            id="a restart helped",
        ),
        pytest.param(
            never,
            {},
            40,
            "has been unhealthy for 3m20s",
            "Salus did Restart 10s after the breach: NotRecovered. People were told 45s after the breach. "
            "It is Escalated: LadderExhausted: errors: every remedy that fits was tried, advised or refused.",
            id="nothing helped, and people were told",
        ),
        pytest.param(
            never,
            {"mode": "Observe", "remedies": [RESTART]},
            3,
            "has been unhealthy for 15s",
            "Salus did nothing, and would have done Restart: it observes. It is Open: the next tick decides.",
            id="it was only rehearsed",
        ),
        pytest.param(
            never,
            {"mode": "Approve", "remedies": [RESTART]},
            3,
            "has been unhealthy for 15s",
            "Salus asked a person, and did nothing. It is AwaitingApproval: the next tick decides.",
            id="a person was asked",
        ),
        pytest.param(
            never,
            {"remedies": [UNDO]},
            3,
            "has been unhealthy for 15s",
            "Salus did nothing: NoKnownGoodRelease. People were told 10s after the breach. "
            "It is Escalated: LadderExhausted: errors: every remedy that fits was tried, advised or refused.",
            id="it was refused",
        ),
    ],
)
async def test_an_incident_in_one_paragraph(
    is_cured: Callable[[Body], bool], spec: dict[str, Any], ticks: int, began: str, ended: str
) -> None:
    stage = await played(is_cured, ticks, **spec)

    said = (await incident(stage)).summary

    assert said == f"Deployment/checkout in shop {began}: errors 0.3, above 0.05. {CAUSE} {ended}"


async def test_how_long_an_incident_took() -> None:
    said = await incident(await played(restarted, 40))

    assert (said.detect, said.act, said.recover) == tuple(timedelta(seconds=count) for count in (10, 10, 25))
    assert (said.healthy_at, said.resolved_at) == (later(25), later(25))
    assert "Took     10s to detect, 10s to act, 25s to recover" in text(said)


async def test_each_attempt_says_what_became_of_it() -> None:
    said = await incident(await played(ticks=40))

    restart, refused, told = said.attempts
    assert (restart.outcome, restart.note) == ("NotRecovered", "after 30s still errors: 0.3, above 0.05")
    assert restart.patch == (
        'add /spec/template/metadata/annotations {"kubectl.kubernetes.io/restartedAt": "2026-11-22T12:00:10Z"}',
    )
    assert (refused.decision, refused.reason, refused.objection) == ("Refuse", "NoKnownGoodRelease", None)
    assert (told.doing, told.reason) == ("Notify", "AboveThreshold")
    assert [(one.at, one.sinks) for one in said.told] == [(later(45), ())]


async def test_a_guard_that_held_something_back_is_named() -> None:
    stage = await played(
        ticks=20,
        limits={"cooldown": "24h", "maxActions": 10},
        remedies=[RESTART, {"name": "again", "restart": {}}],
    )

    held = (await incident(stage)).attempts[-1]

    assert held.objection is not None
    assert (held.objection.reason, held.not_asked > 0) == ("CooldownActive", True)


async def test_what_people_did_stands_beside_what_salus_did() -> None:
    said = await incident(await with_releases())

    assert [(line.what, line.by) for line in said.people] == [
        ("release", ""),
        ("release", "argocd"),
        ("edit", "kubectl-edit"),
    ]
    assert [line.what for line in said.timeline if line not in said.people] == ["incident", "rehearse"]
    assert said.attempts[0].images == "registry.example/shop:v2 → registry.example/shop:v1"
    assert said.blame is not None
    assert said.blame.kind == "Release"


async def test_records_that_are_gone_are_told() -> None:
    stage = await played(ticks=40)
    stage.cluster.remove(Ref(CHANGE_EVENTS, NAMESPACE, stage.changes[0]["metadata"]["name"]))

    said = await incident(stage)

    assert said.notes == ("1 of its records are no longer kept: checkout-f7524989-1; the log and the sinks have them.",)


async def test_what_comes_next_is_what_this_program_can_do() -> None:
    said = await incident(await played(ticks=3))

    assert [step.command.split()[1] for step in said.next_steps] == ["history", "explain"]


async def test_markdown_has_everything_and_no_text_of_a_record_is_a_mark() -> None:
    stage = await with_releases()
    stage.cluster.edit(TARGET, lambda body: body["metadata"]["managedFields"][0].update(manager="a|b<script>"))

    said = markdown(await incident(stage))

    headings = [line for line in said if line.startswith("#")]
    assert headings == [
        "# Incident checkout-3d5f39f9-1",
        "## What was seen",
        "## Likely cause",
        "## Timeline",
        "## What Salus decided",
        "### 22 Nov 12:02:40 DryRun Rollback to c259284419",
        "## For the post-mortem",
    ]
    assert any("a\\|b\\<script\\>" in line for line in said)


@pytest.mark.parametrize(
    ("name", "lacking", "what"),
    [
        pytest.param("inc/nothing", False, "there is no Incident nothing", id="one that is not there"),
        pytest.param("deploy/checkout", False, '"deploy/checkout" names nothing', id="no incident"),
        pytest.param("inc/checkout-3d5f39f9-1", True, "you may not get incidents", id="one that they may not see"),
    ],
)
async def test_what_cannot_be_reported(name: str, lacking: bool, what: str) -> None:
    stage = await played()
    if lacking:
        stage.cluster.unreadable.add(INCIDENTS)

    with pytest.raises(CannotBeAsked, match=what):
        await incident(stage, name)


@pytest.mark.parametrize("lacking", [CHANGE_EVENTS, DEPLOYMENTS, REPLICA_SETS], ids=lambda kind: kind.plural)
async def test_what_lies_around_and_may_not_be_read_is_named(lacking: Any) -> None:  # noqa: ANN401
    stage = await with_releases()
    stage.cluster.unreadable.add(lacking)

    said = await incident(stage)

    assert [one.what for one in said.not_looked_at] == [lacking.plural]


# --- a period


async def test_a_period_in_numbers() -> None:
    said = await period(await played(ticks=40))

    assert (said.policies, said.workloads, said.modes) == (1, 1, (Counted(word="Enforce", count=1),))
    assert (said.incidents, said.resolved, said.still_open, said.escalated) == (1, 0, 1, 1)
    assert (said.acts, said.outcomes) == (1, (Counted(word="NotRecovered", count=1),))
    assert (said.refused, said.refusals) == (1, (Counted(word="NoKnownGoodRelease", count=1),))
    assert said.most == (Counted(word="shop/checkout", count=1),)
    assert said.detect == Spread(count=1, p50=timedelta(seconds=10), p90=timedelta(seconds=10))
    assert said.recover is None
    assert text(said)[:5] == [
        "shop on prod-eu, 15 Nov to 22 Nov 2026 UTC",
        "",
        "Policies   1 (1 Enforce), 1 workload",
        "Incidents  1: resolved 0, open 1, people told 1",
        "p50        detect 10s, act 10s",
    ]


@pytest.mark.parametrize(
    ("asked", "incidents"),
    [
        pytest.param({"since": timedelta(hours=1)}, 1, id="the last hour"),
        pytest.param({"begins": later(60)}, 0, id="from a time after it"),
        pytest.param({"begins": later(-3600), "ends": later(-60)}, 0, id="until a time before it"),
    ],
)
async def test_which_days(asked: dict[str, Any], incidents: int) -> None:
    assert (await period(await played(ticks=40), **asked)).incidents == incidents


async def test_a_period_that_ends_before_it_begins() -> None:
    with pytest.raises(CannotBeAsked, match="ends before it begins"):
        await period(await played(), begins=later(60), ends=NOW)


@pytest.mark.parametrize(
    ("seconds", "p50", "p90"),
    [
        pytest.param([10], 10, 10, id="one"),
        pytest.param([10, 20], 10, 20, id="two"),
        pytest.param(list(range(1, 11)), 5, 9, id="ten: the fifth and the ninth"),
        pytest.param([1] * 9 + [3600], 1, 1, id="one in ten is not seen"),
    ],
)
def test_percentiles_are_times_that_there_were(seconds: Sequence[int], p50: int, p90: int) -> None:
    found = spread([Times(NOW, detected=later(count)) for count in seconds], lambda one: one.detected)

    assert found == Spread(count=len(seconds), p50=timedelta(seconds=p50), p90=timedelta(seconds=p90))


# --- what speaks for Enforce


class Days:
    """An Observe policy over some bad releases, each of which a person deals with."""

    def __init__(self) -> None:
        self.stage = a_stage(lambda body: "v1" in str(body["spec"]["template"]["spec"]), dict(UNDO), mode="Observe")
        self.number = 1

    async def begin(self) -> None:
        roll_out(self.stage, 1, a_template("shop:v1"))
        await self.stage.ticks(6)

    async def bad_release(self) -> None:
        """Another release, which is ill, and the rehearsal of its rollback."""
        self.stage.clock.advance(timedelta(hours=3))
        self.number += 1
        roll_out(self.stage, self.number, a_template(f"shop:bad{self.number}"))
        await self.stage.ticks(3)

    async def undo(self, after: timedelta = timedelta(minutes=5)) -> None:
        """`kubectl rollout undo`: the first ReplicaSet gets the next number."""
        self.stage.clock.advance(after)
        self.number += 1
        number = str(self.number)

        def renumber(body: dict[str, Any]) -> None:
            annotations = body["metadata"]["annotations"]
            own, earlier = "deployment.kubernetes.io/revision", "deployment.kubernetes.io/revision-history"
            annotations[earlier] = ",".join(filter(None, [annotations.get(earlier, ""), annotations[own]]))
            annotations[own] = number

        def put_back(body: dict[str, Any]) -> None:
            body["spec"]["template"] = a_template("shop:v1")
            body["metadata"]["managedFields"] = [wrote_template(self.stage.clock.now())]

        self.stage.cluster.edit(Ref(REPLICA_SETS, NAMESPACE, f"{NAME}-1"), renumber)
        self.stage.cluster.edit(TARGET, put_back)
        await self.stage.ticks(8)


def wrote_template(at: datetime) -> Body:
    entry = {"manager": "kubectl", "operation": "Update", "time": format_time(at)}
    return {**entry, "fieldsV1": {"f:spec": {"f:template": {}}}}


async def compared(days: Days) -> PolicyCompared:
    (found,) = (await period(days.stage)).compared
    return found


async def test_who_did_the_same_each_time_is_ready_to_let_salus_do_it() -> None:
    days = Days()
    await days.begin()
    for _ in range(3):
        await days.bad_release()
        await days.undo()

    said = await period(days.stage)
    (found,) = said.compared

    assert (found.rehearsals, found.same, found.ready) == (3, 3, True)
    assert found.why == "3 rehearsals: people did the same 3 times within 30m"
    assert any(line.startswith("Ready for Enforce  shop/checkout (3 rehearsals") for line in text(said))
    assert any("ready for Enforce" in line for line in markdown(said))


async def test_who_waits_until_it_ends_by_itself_is_not_ready() -> None:
    days = Days()
    await days.begin()
    await days.bad_release()
    days.stage.service.is_cured = lambda _: True
    await days.stage.ticks(8)
    days.stage.clock.advance(timedelta(hours=1))

    found = await compared(days)

    assert (found.nothing, found.ready) == (1, False)
    assert found.items[0].ended_after is not None


async def test_what_was_done_late_is_no_answer() -> None:
    days = Days()
    await days.begin()
    await days.bad_release()
    await days.undo(after=timedelta(hours=2))

    found = await compared(days)

    assert (found.same, found.unknown) == (0, 1)


async def test_a_policy_that_acts_is_not_told_to_become_ready() -> None:
    days = Days()
    await days.begin()
    for _ in range(3):
        await days.bad_release()
        await days.undo()
    policy = Ref(HEALTH_POLICIES, NAMESPACE, NAME)
    days.stage.cluster.edit(policy, lambda found: found["spec"].update(mode="Enforce"))

    found = await compared(days)

    assert (found.same, found.ready, found.mode) == (3, False, "Enforce")


# --- pages


async def pages(stage: Stage) -> list[str]:
    return [
        incident_page(await incident(stage), Look(utc=True)),
        period_page(await period(stage), Look(utc=True)),
    ]


async def test_a_page_asks_nobody_and_holds_its_document() -> None:
    stage = await with_releases()

    for text_ in await pages(stage):
        parsed = elements(text_)
        assert not [one for _, one in parsed.found if {"src", "href", "action"} & set(one)]
        assert [one["id"] for one in parsed.of("script") if "id" in one] == ["salus-report"]
        assert len(list(parsed.of("svg"))) == 1


async def test_what_stands_in_records_is_no_mark_of_a_page() -> None:
    stage = await with_releases()
    evil = "<img src=x onerror=alert(1)>"
    stage.cluster.edit(TARGET, lambda body: body["metadata"]["managedFields"][0].update(manager=evil))

    page, _ = await pages(stage)

    assert "&lt;img src=x" in page
    assert list(elements(page).of("img")) == []


async def test_a_page_says_what_it_does_not_show() -> None:
    page = incident_page(await incident(await with_releases()), Look(utc=True))

    assert "are not drawn: no Prometheus was asked" in page


async def test_a_period_without_incidents_has_nothing_to_draw() -> None:
    report = await period(await played(ticks=40), begins=later(60))

    assert list(elements(period_page(report, Look(utc=True))).of("svg")) == []


def test_a_page_that_cannot_be_written(tmp_path: Path) -> None:
    with a_world(tmp_path) as world:
        where = ["--kubeconfig", str(world.kubeconfig)]
        good, bad = tmp_path / "week.html", tmp_path / "nowhere" / "week.html"
        written = CliRunner().invoke(app, ["report", "period", *where, "--html", str(good)])
        refused = CliRunner().invoke(app, ["report", "period", *where, "--html", str(bad)])

    assert (written.exit_code, written.stderr, good.exists()) == (0, f"written: {good}\n", True)
    assert (refused.exit_code, refused.stderr.splitlines()[0]) == (2, f"salus: error: {bad} cannot be written")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["period", "--since", "soon"], "expected a duration", id="a duration that is none"),
        pytest.param(["period", "--md", "-o", "json"], "ask for two forms", id="two forms"),
        pytest.param(["period", "--since", "7d", "--from", "2026-11-24"], "one of them says", id="two beginnings"),
    ],
)
def test_what_is_typed_wrongly_is_told(arguments: Sequence[str], said: str) -> None:
    ended = CliRunner().invoke(app, ["report", *arguments])

    assert (ended.exit_code, said in ended.output) == (2, True), ended.output
