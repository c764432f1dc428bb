"""Pages with all that reports may have to show, and an empty one of each; made as the commands make them."""

import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from salus.cli.judged import Grid, Told, course_of
from salus.cli.marks import State
from salus.cli.past.report_command import incident_page, period_page
from salus.cli.reports.course import Course
from salus.cli.reports.document import NotLookedAt
from salus.cli.reports.explanation import GuardLine
from salus.cli.reports.history import Counted, Gap, HistoryLine, What
from salus.cli.reports.incident import AttemptLine, BlameLine, EvidenceLine, IncidentReport, Step, ToldLine
from salus.cli.reports.period import ComparedLine, IncidentLine, PeriodReport, PolicyCompared, Spread
from salus.cli.show import Look
from salus.model.policy import Threshold, Verdict
from salus.model.values.metrics import Sample
from salus.model.values.policies import CompiledCheck, CompiledVolume

ROOT = Path(__file__).parents[2]
OPENED = datetime(2026, 11, 30, 14, 2, 0, tzinfo=UTC)
STEP = timedelta(seconds=15)
LOOK = Look(utc=True)
LONG = "checkout-payments-reconciliation-worker-eu-west-1"
EVIL = "<img src=https://evil.example/x onerror=alert(1)>"


def at(minutes: float) -> datetime:
    return OPENED + timedelta(minutes=minutes)


def a_check(name: str, above: str, below: str, hold: float, *, at_least: float | None = None) -> CompiledCheck:
    return CompiledCheck(
        name=name,
        template="q",
        unhealthy=Threshold.parse({"above": above}),
        healthy=Threshold.parse({"below": below}),
        hold=timedelta(minutes=hold),
        on_no_data=Verdict.UNKNOWN,
        target_label=None,
        window=timedelta(minutes=2),
        volume=CompiledVolume("v", at_least, timedelta(minutes=2)) if at_least is not None else None,
    )


def course(check: CompiledCheck, value: Callable[[float], float | None], volume: Callable[[float], float]) -> Course:
    grid = Grid(at(-38), at(24), STEP)
    told = [(moment, value((moment - OPENED) / timedelta(minutes=1))) for moment in grid.moments()]
    counted = [Sample(moment, volume((moment - OPENED) / timedelta(minutes=1))) for moment in grid.moments()]
    values = [Sample(moment, found) for moment, found in told if found is not None]
    return course_of(check, Told(values, counted if check.volume else None), grid, 500)


def _errors(minute: float) -> float | None:
    if -25 <= minute < -17:
        return None
    return 0.31 + math.sin(minute) / 40 if 0 <= minute < 9 else max(0.004 + math.sin(minute / 3) / 400, 0)


def _slow(minute: float) -> float | None:
    return 0.2 if 1 <= minute < 4 else 0.02 + math.sin(minute / 7) / 60


COURSES: Sequence[Course] = (
    course(a_check("error-ratio", "0.05", "0.02", 1), _errors, lambda _: 1.0),
    course(
        a_check("slow-requests", "0.1", "0.05", 5, at_least=300), _slow, lambda minute: 90.0 if minute > 18 else 900.0
    ),
    Course(check="paging-alert", start=at(-38), step=STEP, bound=0, missing="no samples"),
)


def line(minutes: float, what: What, detail: str, by: str = "", **more: str) -> HistoryLine:
    return HistoryLine(
        at=at(minutes), namespace="shop", target="deploy/checkout", what=what, detail=detail, by=by, **more
    )


TIMELINE: Sequence[HistoryLine] = (
    line(-38, What.SCALE, "6 → 8", "hpa/checkout"),
    line(-0.6, What.RELEASE, "88f8484d49 registry.example/shop:v1.9.0", "argocd-application-controller"),
    line(0, What.INCIDENT, "error-ratio 0.31, above 0.05", "policy checkout", outcome="Recovered in 9m"),
    line(1, What.REFUSE, "Restart: CooldownActive", "salus"),
    line(1.5, What.ASKS, "Rollback to fe9ea46d52", "salus", outcome="Approved"),
    line(6, What.ANSWER, "Approved", "ines@example.com (CHG-4711)"),
    line(6.1, What.ACT, "Rollback to fe9ea46d52", "salus", outcome="Recovered"),
    line(20, What.EDIT, f"ConfigMap/{LONG} {EVIL}", "kubectl-edit"),
)
PATCH = (
    "replace /spec/template/spec/containers/0/image registry.example/shop:v1.8.2",
    "add /metadata/annotations/x " + "y" * 300,
)


def incident() -> IncidentReport:
    """One with everything."""
    held = GuardLine(reason="CooldownActive", state=State.HELD, message="the last action was 1m ago")
    return IncidentReport(
        cluster="prod-eu",
        at=at(45),
        name="checkout-3d5f39f9-1",
        namespace="shop",
        target="deploy/checkout",
        policy="checkout",
        severity="critical",
        summary="Deployment/checkout in shop was unhealthy for 9m: error-ratio 0.31, above 0.05. Likely cause (High): "
        "release 88f8484d49 (shop:v1.9.0) began 38s before the breach. Salus did Rollback 6m6s after the breach: "
        "Recovered. It is over.",
        phase="Resolved",
        resolution="RecoveredByRemedy",
        opened_at=OPENED,
        detected_at=at(1),
        first_action_at=at(6.1),
        healthy_at=at(9),
        resolved_at=at(11),
        detect=timedelta(minutes=1),
        act=timedelta(minutes=6, seconds=6),
        recover=timedelta(minutes=9),
        blame=BlameLine(kind="Release", confidence="High", message="release 88f8484d49 began 38s before the breach"),
        evidence=(
            EvidenceLine(
                check="error-ratio",
                value="0.31",
                bound="above 0.05",
                since=OPENED,
                query='sum(rate(http_requests_total{namespace="shop",pod=~"checkout-[4-9bcdf]{1,10}-[24-9b-df-hj-np-tv-xz]{5}",'
                'code=~"5.."}[2m])) / sum(rate(http_requests_total{namespace="shop"}[2m]))',
            ),
        ),
        attempts=(
            AttemptLine(
                record="checkout-f7524989-6",
                at=at(1),
                decision="Refuse",
                doing="Restart",
                reason="CooldownActive",
                message="the last action on this workload was 1m ago; limits.cooldown is 5m",
                objection=held,
                not_asked=5,
                times=4,
            ),
            AttemptLine(
                record="checkout-f7524989-7",
                at=at(1.5),
                decision="AwaitApproval",
                doing="Rollback to fe9ea46d52",
                reason="AboveThreshold",
                message="roll back to what was good",
                patch=PATCH,
                images="shop:v1.9.0 → shop:v1.8.2",
                outcome="Recovered",
                answered="Approved by ines@example.com (ticket CHG-4711)",
                note="healthy for 1m by newer samples",
            ),
        ),
        told=(ToldLine(at=at(1.5), message="checkout asks: roll back?", sinks=("chat", "oncall")),),
        timeline=TIMELINE,
        courses=COURSES,
        next_steps=(
            Step(
                command="salus history deploy/checkout -n shop \\\n"
                "  --from 2026-11-30T13:02:00Z --to 2026-11-30T14:43:00Z --with-refusals",
                what="all that happened, refusals too",
            ),
        ),
        notes=("2 of its records are no longer kept: checkout-f7524989-1; the log and the sinks have them.",),
        not_looked_at=(NotLookedAt(what="controllerrevisions", lacks="list controllerrevisions.apps in shop"),),
    )


def period() -> PeriodReport:
    """A week of three workloads."""
    names = ("checkout", LONG, "invoice")
    lines = tuple(
        IncidentLine(
            name=f"{names[day % 3]}-3d5f39f9-{day}",
            namespace="shop",
            target=f"deploy/{names[day % 3]}",
            policy=names[day % 3],
            opened_at=at(-day * 600),
            lasted=timedelta(minutes=9 + 40 * (day % 4)),
            phase="Resolved" if day else "AwaitingApproval",
            resolution=("RecoveredByRemedy", "RecoveredByItself")[day % 2] if day else "",
            seen="error-ratio 0.31, above 0.05",
        )
        for day in range(14)
    )
    rehearsals = tuple(
        ComparedLine(
            record=f"checkout-f7524989-{number}",
            at=at(-number * 700),
            target="deploy/checkout",
            rehearsed="Rollback to fe9ea46d52",
            then="Same",
            did="release fe9ea46d52 shop:v1.8.2",
            by="ines@example.com",
            after=timedelta(minutes=12),
            ended_after=timedelta(minutes=14),
        )
        for number in range(3)
    )
    compared = PolicyCompared(
        namespace="shop",
        policy="checkout",
        mode="Observe",
        rehearsals=60,
        same=60,
        other=0,
        nothing=0,
        unknown=0,
        ready=True,
        why="60 rehearsals: people did the same 60 times within 30m",
        items=rehearsals,
        items_left_out=57,
    )
    spread = Spread(count=14, p50=timedelta(minutes=4), p90=timedelta(minutes=22))
    return PeriodReport(
        cluster="prod-eu",
        at=at(60),
        begins=at(-7 * 1440),
        ends=at(0),
        policies=41,
        workloads=214,
        modes=(Counted(word="Observe", count=31), Counted(word="Enforce", count=10)),
        incidents=16,
        resolved=15,
        still_open=1,
        escalated=2,
        detect=spread,
        act=spread,
        recover=spread,
        acts=9,
        outcomes=(Counted(word="Recovered", count=7), Counted(word="NotRecovered", count=2)),
        rehearsed=60,
        advised=4,
        refused=12,
        refusals=(Counted(word="CooldownActive", count=8), Counted(word="GitOpsOwnsField", count=4)),
        most=(Counted(word=f"shop/{LONG}", count=5),),
        items=lines,
        items_left_out=2,
        compared=(compared,),
        gaps=(Gap(namespace="shop", target="deploy/checkout", kind="Incident", count=3, before=at(-9000)),),
    )


def demo(folder: Path) -> str:
    """The page of the demo's first fault."""
    file = folder / "demo.html"
    command = [
        sys.executable,
        "-m",
        "salus",
        "demo",
        "--fault",
        "1",
        "--speed",
        "1000000",
        "--html",
        str(file),
        "--utc",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "operator")}
    subprocess.run([*command, "-o", "json"], env=environment, stdout=subprocess.DEVNULL, check=True)
    return file.read_text(encoding="utf-8")


NAMES = ("incident", "incident-without-plots", "period", "period-calm", "demo")


def pages(folder: Path) -> Mapping[str, str]:
    """All of them, by name."""
    whole, week = incident(), period()
    nothing = {
        "courses": (),
        "attempts": (),
        "timeline": (),
        "told": (),
        "evidence": (),
        "blame": None,
        "next_steps": (),
    }
    calm = {"items": (), "compared": (), "gaps": (), "incidents": 0, "items_left_out": 0}
    return {
        "incident": incident_page(whole, LOOK),
        "incident-without-plots": incident_page(whole.model_copy(update={**nothing, "no_courses": "away"}), LOOK),
        "period": period_page(week, LOOK),
        "period-calm": period_page(week.model_copy(update=calm), LOOK),
        "demo": demo(folder),
    }
