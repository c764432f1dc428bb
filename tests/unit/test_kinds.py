"""The promise that a new action is one module and one line: one that is made up, and nobody who asks for its name.

`Steady` has pods count as available only after a while, by `spec.minReadySeconds`: no fact on record shows that field.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import Field

from salus.core.actions import KINDS, inverse, kind_of, plan
from salus.core.actions.kind import Kind, Need, PlanRequest, Written
from salus.core.actions.patch import applies, diff, guarded
from salus.core.guards import permissions as needed_permissions
from salus.core.guards.chain import GUARDS, INFEASIBLE, review
from salus.core.objects.workloads import workload_from
from salus.core.remedy import undo
from salus.model.change import ActionKind, ChangeEventSpec, Facts, Outcome
from salus.model.policy import HealthPolicySpec, Remedy
from salus.model.scalars import Body, MapList, Resource, Rule, cel_exactly_one, exactly_one
from salus.model.values.changes import Action, Infeasible, Refusal
from salus.model.values.objects import Autoscaler, Workload
from salus.model.values.permissions import Permission
from salus.rehearsal import server
from tests.builders import a_deployment_body, a_finished_change, a_plan, a_policy, an_observation
from tests.unit.stage import UNSCALED, Stage
from tests.unit.test_reconcile import Story, assert_books_balance, play, writes_of

SALUS = Path(__file__).parents[2] / "operator/salus"
ACTIONS = SALUS / "core/actions"
_ASKED = re.compile(r"(?:is|is not|==|!=|case|in) \(?ActionKind\.\w+|\bremedy\.(?:rollback|restart|scale)\b")
_REASON = re.compile(r'Infeasible\(\s*"(\w+)"')


@pytest.mark.parametrize("module", sorted(SALUS.rglob("*.py")), ids=lambda path: str(path.relative_to(SALUS)))
def test_which_kind_an_action_is_nobody_asks_but_its_own_module(module: Path) -> None:
    """And the schema, to which a notification is the one that writes nothing."""
    if module.parent != ACTIONS and module != SALUS / "model/change.py":
        assert _ASKED.findall(module.read_text(encoding="utf-8")) == []


def test_every_reason_of_a_planner_is_one_of_its_kind() -> None:
    told = {kind.field: kind.infeasible for kind in KINDS.values() if kind.field}
    found = {name: set(_REASON.findall((ACTIONS / f"{name}.py").read_text(encoding="utf-8"))) for name in told}

    assert {name: reasons - told[name] for name, reasons in found.items()} == {name: set() for name in found}
    assert set().union(*told.values()) <= INFEASIBLE


# --- its words in the schema: a member of ActionKind, a field of Remedy

STEADY = str.__new__(ActionKind, "Steady")
STEADY._name_, STEADY._value_ = "STEADY", "Steady"
_FIELDS = ("rollback", "restart", "scale", "notify", "steady")


class Steady(Resource):
    """Count a pod as available only after a while."""

    seconds: int = 30
    """How long."""


class SteadyRemedy(Remedy):
    """A remedy of a Salus that knows this action too."""

    RULES: ClassVar = (Rule(cel_exactly_one(*_FIELDS), "set exactly one", exactly_one(*_FIELDS)),)
    steady: Steady | None = None
    """Count a pod as available only after a while."""


class SteadySpec(HealthPolicySpec):
    """The policy of such a Salus."""

    remedies: Annotated[tuple[SteadyRemedy, ...], Field(max_length=8), MapList("name")] = ()
    """The ladder."""


# --- its module


def plan_steady(asked: PlanRequest) -> Action | Infeasible:
    """Write the seconds, and how to get back to what was there."""
    assert isinstance(asked.remedy, SteadyRemedy)
    assert asked.remedy.steady
    workload, wanted = asked.seen.workload, asked.remedy.steady.seconds
    was = {name: value for name, value in asked.body["spec"].items() if name == "minReadySeconds"}
    if was.get("minReadySeconds", 0) >= wanted:
        return Infeasible("SteadyAlready", f"{asked.path('steady.seconds')}: {workload.key} waits as long already")
    before, after = {"spec": was}, {"spec": {"minReadySeconds": wanted}}
    return Action(
        kind=STEADY,
        remedy=asked.remedy.name,
        target=workload.key,
        target_uid=workload.uid,
        message=f"have {workload.key} wait {wanted} seconds for each pod",
        before=workload.facts(),
        intended=workload.facts(),
        patch=guarded(asked.body, diff(before, after)),
        inverse=({"op": "test", "path": "/spec/minReadySeconds", "value": wanted}, *diff(after, before)),
    )


def _differs(_: Facts, __: Facts) -> str | None:
    return None


def _restored(workload: Workload, _: Facts) -> Facts:
    return workload.facts()


def _rights(plural: str, targets: Sequence[Workload], _: Sequence[Autoscaler]) -> Iterator[Need]:
    yield Permission("steady", "apps", plural), tuple(target.key.name for target in targets)


KIND = Kind(
    name=STEADY,
    field="steady",
    plan=plan_steady,
    infeasible=frozenset({"SteadyAlready"}),
    written=Written(("f:spec", "f:minReadySeconds"), _differs, _restored),
    permissions=_rights,
    undone_after=frozenset({Outcome.NOT_RECOVERED, Outcome.WORSE}),
)

# --- its line in the registry


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kind]:
    """A Salus that has this kind as well."""
    with monkeypatch.context() as patched:
        patched.setitem(ActionKind._member_map_, "STEADY", STEADY)
        patched.setitem(ActionKind._value2member_map_, "Steady", STEADY)
        patched.setattr("salus.core.policy.compile.HealthPolicySpec", SteadySpec)
        patched.setattr(server, "SPECS", {**server.SPECS, "HealthPolicy": SteadySpec})
        ChangeEventSpec.model_rebuild(force=True)

        patched.setitem(KINDS, KIND.name, KIND)
        yield KIND
    ChangeEventSpec.model_rebuild(force=True)


REMEDY: Mapping[str, Any] = {"name": "wait", "steady": {"seconds": 30}}


def asked(body: Body) -> PlanRequest:
    request = a_plan({"name": "restart", "restart": {}}, body)
    return PlanRequest(SteadyRemedy.parse(REMEDY), 0, request.because, request.seen, body)


def seconds(body: Body) -> int | None:
    found: int | None = body["spec"].get("minReadySeconds")
    return found


@pytest.mark.usefixtures("steady")
def test_it_is_planned() -> None:
    body = a_deployment_body()
    action, again = plan(asked(body)), plan(asked(a_deployment_body(spec={"minReadySeconds": 30})))

    assert isinstance(action, Action)
    assert applies(action.patch, body)
    assert kind_of(asked(body).remedy) is KIND
    assert again == Infeasible(
        "SteadyAlready", "spec.remedies[0].steady.seconds: Deployment/checkout waits as long already"
    )


def test_it_is_asked_every_guard_that_its_kind_does_not_rule_out(steady: Kind) -> None:
    """It takes no pod away, makes none, and is nothing that Git holds."""
    assert [guard.reason for guard in GUARDS if not guard.kinds(steady)] == [
        "HpaOwnsReplicas",
        "GitOpsOwnsField",
        "DisruptionBudget",
        "PodsRefused",
        "QuotaExceeded",
    ]
    action = plan(asked(a_deployment_body()))
    assert isinstance(action, Action)
    assert review(a_policy(), action, an_observation()) is None
    assert review(a_policy(suspend=True), action, an_observation()) == Refusal("Suspended", "spec.suspend is true")


@pytest.mark.usefixtures("steady")
def test_its_account_needs_what_it_takes() -> None:
    policy = a_policy()
    policy = replace(policy, spec=SteadySpec.parse({**policy.spec.to_dict(), "remedies": [REMEDY]}))
    needed = [right.verb for right, _ in needed_permissions.needs(policy, [workload_from(a_deployment_body())])]

    assert needed == ["get", "patch", "steady"]
    assert needed_permissions.acts(policy)


@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize("outcome", list(Outcome))
def test_it_is_undone_when_its_kind_says_so(outcome: Outcome) -> None:
    assert undo.wants_undo(a_finished_change(action=STEADY), outcome, a_policy()) is (outcome in KIND.undone_after)


@pytest.mark.usefixtures("steady")
def test_hands_off_where_someone_changed_its_field_since_though_no_fact_shows_it() -> None:
    action = plan(asked(a_deployment_body()))
    assert isinstance(action, Action)
    there = a_deployment_body(spec={"minReadySeconds": 99})
    record = a_finished_change(action=STEADY, before=action.before, intended=action.intended)
    back = inverse.plan(
        record, action.inverse, inverse.Live(workload_from(there), there), inverse.UNDO, "outcome Worse"
    )

    assert back == Infeasible("UndoSkipped", "someone changed /spec/minReadySeconds since")


def cured(body: Body) -> bool:
    return seconds(body) == 30


def never(_: Body) -> bool:
    return False


HELPED, DID_NOT = Story(REMEDY, cured, ("Recovered",)), Story(REMEDY, never, ("NotRecovered", "Undone"))


@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize(("story", "left"), [(HELPED, 30), (DID_NOT, None)], ids=["it helped", "it did not"])
async def test_it_is_recorded_done_verified_and_taken_back(story: Story, left: int | None) -> None:
    stage = await play(story, lambda _: None)

    assert_books_balance(stage, story)
    assert {change["spec"]["action"] for change in stage.changes if change["spec"]["remedy"]} == {"Steady"}
    assert stage.changes[0]["spec"]["message"] == "have Deployment/checkout wait 30 seconds for each pod"
    assert seconds(stage.deployment) == left
    assert stage.deployment["spec"]["replicas"] == UNSCALED


@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("story", [HELPED, DID_NOT], ids=["it helped", "it did not"])
async def test_killed_at_any_write_its_books_balance_too(story: Story, after: bool) -> None:
    for number in range(1, await writes_of(story) + 1):
        stage = await play(story, _killed_at(number, after))

        assert stage.cluster.dies_at == 0
        assert_books_balance(stage, story)


def _killed_at(number: int, after: bool) -> Callable[[Stage], None]:
    def doom(stage: Stage) -> None:
        stage.cluster.begun, stage.cluster.dies_at, stage.cluster.after = 0, number, after

    return doom
