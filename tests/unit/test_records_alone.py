"""Whoever reads the records alone can tell each scenario: what was seen, decided, refused, done, and how it ended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from salus.core.objects.workloads import RESTARTED_AT
from salus.model.scalars import Body
from tests.reading import WORKED_EXAMPLE, story
from tests.unit.stage import TARGET, Stage, a_stage

RESTART: Mapping[str, Any] = {"name": "restart", "restart": {}}
GROW: Mapping[str, Any] = {"name": "grow", "scale": {"to": 5, "max": 5}}
SEEN = "seen: Deployment/checkout unhealthy by errors"
BECAUSE = "because errors was 0.3 (above 0.05)"


def never(_: Body) -> bool:
    return False


def was_restarted(body: Body) -> bool:
    return RESTARTED_AT in (body["spec"]["template"]["metadata"].get("annotations") or {})


def five(body: Body) -> bool:
    return int(body["spec"]["replicas"]) == 5


def undisturbed(_: Stage) -> None:
    """Nobody else does anything."""


def someone_sets_eight(stage: Stage) -> None:
    """A person scales while the change is verified."""
    if stage.remedial_writes:
        stage.cluster.edit(TARGET, lambda body: body["spec"].update(replicas=8))


def git_sets_three(stage: Stage) -> None:
    """A tool that knows three replicas."""
    stage.cluster.edit(TARGET, lambda body: body["spec"].update(replicas=3))


def it_is_deleted(stage: Stage) -> None:
    """The target goes in the middle of it."""
    if stage.remedial_writes and stage.cluster.objects(TARGET.resource):
        stage.cluster.remove(TARGET)


def somebody_answers(answer: str) -> Callable[[Stage], None]:
    def answer_one(body: Body) -> None:
        body["spec"]["approval"] = {"decision": answer, "by": "ada", "digest": body["spec"]["digest"]}

    def answering(stage: Stage) -> None:
        """A person decides."""
        for body in stage.changes:
            if body["spec"]["decision"] == "AwaitApproval" and "approval" not in body["spec"]:
                stage.cluster.edit(change_ref(stage, body), answer_one)

    return answering


def change_ref(stage: Stage, body: Body) -> Any:  # noqa: ANN401 — a Ref
    return next(write.ref for write in stage.cluster.writes if write.ref.name == body["metadata"]["name"])


@dataclass(frozen=True)
class Scenario:
    """A policy, what cures its service, what others do meanwhile, and what the records tell of it."""

    remedies: tuple[Mapping[str, Any], ...]
    is_cured: Callable[[Body], bool]
    told: tuple[str, ...]
    meanwhile: Callable[[Stage], None] = undisturbed
    spec: Mapping[str, Any] | None = None


SCENARIOS = {
    "a restart that helps": Scenario(
        (RESTART,),
        was_restarted,
        (f"1. did restart {BECAUSE}: another restartedAt, Recovered", "ended: Resolved, RecoveredByRemedy"),
    ),
    "a scaling that does not help": Scenario(
        (GROW,),
        never,
        (
            f"1. did scale {BECAUSE}: 3 → 5 replicas, NotRecovered",
            "2. took 1 back (Undo): 5 → 3 replicas, Undone",
            "3. called people: LadderExhausted",
            "ended: Escalated, LadderExhausted",
        ),
    ),
    "a ladder whose second rung helps": Scenario(
        (RESTART, GROW),
        five,
        (
            f"1. did restart {BECAUSE}: another restartedAt, NotRecovered",
            f"2. did scale {BECAUSE}: 3 → 5 replicas, Recovered",
            "ended: Resolved, RecoveredByRemedy",
        ),
    ),
    "a person's hand": Scenario(
        (GROW,),
        never,
        (
            f"1. did scale {BECAUSE}: 3 → 5 replicas, NotRecovered",
            "2. refused scale by UndoSkipped, UndoSkipped",
            "3. called people: LadderExhausted",
            "ended: Escalated, LadderExhausted",
        ),
        someone_sets_eight,
    ),
    "a field that someone holds": Scenario(
        (GROW, RESTART),
        never,
        (
            f"1. did scale {BECAUSE}: 3 → 5 replicas, Contested",
            "2. refused restart by Contested, again and again",
            "ended: Open, ",
        ),
        git_sets_three,
    ),
    "a guard that waits": Scenario(
        (RESTART,),
        never,
        ("1. refused restart by Suspended, again and again", "ended: Open, Suspended"),
        spec={"suspend": True},
    ),
    "a remedy that cannot be had": Scenario(
        ({"name": "undo", "rollback": {}},),
        never,
        (
            "1. refused rollback by NoKnownGoodRelease",
            "2. called people: LadderExhausted",
            "ended: Escalated, LadderExhausted",
        ),
    ),
    "a rehearsal": Scenario(
        (RESTART,),
        never,
        (f"1. would restart {BECAUSE}: another restartedAt", "ended: Open, "),
        spec={"mode": "Observe"},
    ),
    "a person's no": Scenario(
        (RESTART,),
        never,
        (
            f"1. proposed restart {BECAUSE}: Denied, Abandoned",
            "2. called people: LadderExhausted",
            "ended: Escalated, LadderExhausted",
        ),
        somebody_answers("Denied"),
        {"mode": "Approve"},
    ),
    "a person's yes": Scenario(
        (RESTART,),
        was_restarted,
        (f"1. did restart {BECAUSE}: another restartedAt, Recovered", "ended: Resolved, RecoveredByRemedy"),
        somebody_answers("Approved"),
        {"mode": "Approve"},
    ),
    "a target that is deleted": Scenario(
        (GROW,),
        never,
        (f"1. did scale {BECAUSE}: 3 → 5 replicas, Inconclusive", "ended: Resolved, TargetGone"),
        it_is_deleted,
    ),
}


def test_the_worked_example_of_the_documentation_is_told_by_its_records_alone() -> None:
    """What is shortened there is not needed to tell it; tests/cluster/test_record_alone.py plays it."""
    text = (Path(__file__).parents[2] / "docs/reference/records.md").read_text().partition("## A worked example")[2]
    incident, *changes = yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])["items"]

    assert story(incident, changes) == WORKED_EXAMPLE


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_scenario_is_told_by_its_records_alone(name: str) -> None:
    scenario = SCENARIOS[name]
    stage = a_stage(scenario.is_cured, *map(dict, scenario.remedies), **(scenario.spec or {}))
    policy = stage.policy
    for _ in range(24):
        if stage.cluster.objects(TARGET.resource):
            await stage.ticks(1)
        else:
            await stage.reconciler.tick([policy])
        scenario.meanwhile(stage)

    assert story(stage.incidents[0], stage.changes) == [SEEN, *scenario.told]
