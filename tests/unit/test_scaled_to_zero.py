"""A workload that somebody scales to zero, tick by tick: who is told, and who is given back what it had."""

from collections.abc import Sequence
from typing import Any

import pytest

from salus.model.scalars import Body
from salus.model.values.configuration import Brake, Switches
from salus.model.values.metrics import Answer, NoData, Query, Value
from salus.ports import AUTOSCALERS, DEPLOYMENTS, KEPT_RELEASES, SCALED_OBJECTS, Ref, Resource
from tests.builders import a_scaled_object_body, a_template, an_hpa_body
from tests.unit.stage import KEY, NAME, NAMESPACE, TARGET, Stage, a_reconciler, a_stage
from tests.unit.test_budgets import Fleet
from tests.unit.test_kept_releases import Many, beside

BACK = {"name": "back", "scale": {"to": "LastHealthy", "max": 9}}
PAGE = {"name": "page", "notify": {}}
MISSING = {"name": "missing", "query": 'available{t="$target"}', "unhealthy": {"below": "1"}, "for": "10s"}
BAKED = 8
"""Ticks after which a release and its size are on record."""


class Available:
    """The first check answers with how many pods are available, any other with a share of those that are wanted."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.slow = False
        """Pods start and do not become available."""
        self.samples = stage.service.samples

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        """The present value, fresh."""
        wanted, now = size(self._stage), self._stage.clock.now()
        available = 0 if self.slow else wanted
        share = available / wanted if wanted else 1.0
        gone = NoData("NoSeries", "no series", empty=True)
        pods = [gone if "gone_without_pods" in q.query and not available else None for q in questions]
        told = [Value(float(available) if "available" in q.query else share, now) for q in questions]
        return [nothing or value for nothing, value in zip(pods, told, strict=True)]


def a_service(*remedies: dict[str, Any], **spec: Any) -> Stage:  # noqa: ANN401 — as YAML has it
    stage = a_stage(lambda _: True, *(remedies or (BACK, PAGE)), **{"checks": [MISSING], **spec})
    watch(stage)
    return stage


def watch(stage: Stage) -> Available:
    """A new process that sees how many pods are available."""
    available = Available(stage)
    stage.reconciler = a_reconciler(stage.cluster, available, stage.clock, accounts=stage.accounts)
    return available


def scale(stage: Stage, replicas: int) -> None:
    """`kubectl scale --replicas`."""

    def to(body: dict[str, Any]) -> None:
        body["spec"]["replicas"] = replicas

    stage.cluster.edit(TARGET, to)


def size(stage: Stage) -> int:
    replicas: int = stage.deployment["spec"]["replicas"]
    return replicas


def noted(stage: Stage) -> list[int | None]:
    return [body["status"].get("healthyReplicas") for body in stage.cluster.objects(KEPT_RELEASES)]


def said(stage: Stage) -> list[tuple[str, str, str]]:
    """(decision, action, outcome or reason of a refusal)."""
    return [
        (
            body["spec"]["decision"],
            body["spec"]["action"],
            body["spec"]["reason"] if body["spec"]["decision"] == "Refuse" else body["status"].get("outcome", ""),
        )
        for body in stage.changes
    ]


SCALED_BACK = ("Act", "Scale", "Recovered")
TOLD = ("Act", "Notify", "")


@pytest.mark.parametrize("killed", [False, True], ids=["by the same process", "by one that was started since"])
async def test_a_policy_that_says_so_gives_back_the_last_healthy_size(killed: bool) -> None:
    stage = a_service()
    await stage.ticks(BAKED)
    assert noted(stage) == [3]
    scale(stage, 0)
    if killed:
        watch(stage)
    await stage.ticks(4)
    assert size(stage) == 3
    await stage.ticks(10)

    assert said(stage) == [SCALED_BACK]
    assert [incident["status"]["phase"] for incident in stage.incidents] == ["Resolved"]


async def test_what_is_not_all_gone_goes_back_up_as_well() -> None:
    stage = a_service(checks=[{**MISSING, "unhealthy": {"below": "2"}}])
    await stage.ticks(BAKED)
    scale(stage, 1)
    await stage.ticks(14)

    assert (size(stage), said(stage)) == (3, [SCALED_BACK])


async def test_a_policy_that_does_not_say_so_tells_people() -> None:
    """Whatever else its remedies would do: nothing goes up from 0, and a release that has no pods is not at fault."""
    stage = a_service(
        {"name": "undo", "rollback": {}},
        {"name": "restart", "restart": {}},
        {"name": "grow", "scale": {"by": "2", "max": 9}},
        {"name": "fix", "scale": {"to": 3, "max": 9}},
        PAGE,
    )
    await stage.ticks(BAKED)
    scale(stage, 0)
    await stage.ticks(10)

    assert stage.remedial_writes == []
    assert {reason for decision, _, reason in said(stage) if decision == "Refuse"} == {"ScaledToZero"}
    assert said(stage)[-1][:2] == TOLD[:2]
    assert noted(stage) == [None], "nobody needs to know its size"


async def test_before_all_was_well_for_long_enough_there_is_no_size_to_go_back_to() -> None:
    stage = a_service(bake="1h")
    await stage.ticks(BAKED)
    scale(stage, 0)
    await stage.ticks(10)

    assert ("Refuse", "Scale", "NoHealthySize") in said(stage)
    assert size(stage) == 0


async def test_a_release_that_nobody_has_seen_healthy_is_not_woken_up() -> None:
    """Somebody stops what they have just released: the size of the release before proves nothing of it."""
    stage = a_service()
    await stage.ticks(BAKED)
    stage.cluster.edit(TARGET, lambda body: body["spec"].update(template=a_template("v9"), replicas=0))
    await stage.ticks(10)

    assert size(stage) == 0
    assert ("Refuse", "Scale", "NoHealthySize") in said(stage)


# --- which size is noted


async def test_a_new_size_is_noted_when_all_was_well_with_it_for_as_long_as_a_release_bakes() -> None:
    stage = a_service(bake="30s")
    await stage.ticks(BAKED)
    assert noted(stage) == [3]
    scale(stage, 5)
    await stage.ticks(5)
    assert noted(stage) == [3], "not yet"
    await stage.ticks(4)
    assert noted(stage) == [5]

    scale(stage, 2)
    await stage.ticks(3)
    scale(stage, 0)
    await stage.ticks(10)

    assert size(stage) == 5, "what was there for a moment is not what it is to have"


async def test_a_size_that_came_while_the_release_baked_is_noted_later_than_that() -> None:
    stage = a_service(bake="30s")
    await stage.ticks(5)
    scale(stage, 5)
    await stage.ticks(3)
    assert noted(stage) == [None], "the release has baked, its size has not"
    await stage.ticks(5)

    assert noted(stage) == [5]


async def test_a_size_waits_for_every_policy_of_the_workload() -> None:
    """One that has not looked since has not seen the workload well with that size."""
    stage = a_service()
    beside(stage)
    many = Many(stage)
    await many.ticks(BAKED)
    assert noted(stage) == [3]
    scale(stage, 5)
    await many.ticks(BAKED, only=NAME)
    assert noted(stage) == [3]
    await many.ticks(3)

    assert noted(stage) == [5]


async def test_no_size_is_noted_while_something_is_unhealthy() -> None:
    stage = a_service(PAGE, BACK, checks=[{**MISSING, "unhealthy": {"below": "3"}, "for": "0s"}])
    await stage.ticks(BAKED)
    scale(stage, 2)
    await stage.ticks(2)
    watch(stage)
    await stage.ticks(BAKED)

    assert noted(stage) == [3]


async def test_a_size_that_is_on_record_is_not_written_again() -> None:
    """Nor is it by a new process, whatever it has forgotten; and where the server drops the field, once a process."""
    stage = a_service()
    await stage.ticks(BAKED)

    def kept() -> int:
        return sum(write.ref.resource is KEPT_RELEASES for write in stage.cluster.writes)

    before = kept()
    watch(stage)
    await stage.ticks(3 * BAKED)
    assert kept() == before

    for body in stage.cluster.objects(KEPT_RELEASES):
        name = Ref(KEPT_RELEASES, NAMESPACE, body["metadata"]["name"])
        stage.cluster.edit(name, lambda body: body["status"].pop("healthyReplicas"))
    await stage.ticks(3 * BAKED)
    assert kept() == before


@pytest.mark.parametrize("odd", ["3", -1, 0, True, 10**9, None, {}], ids=str)
async def test_a_size_that_is_none_is_no_size_and_costs_no_release(odd: object) -> None:
    stage = a_service()
    await stage.ticks(BAKED)
    for body in stage.cluster.objects(KEPT_RELEASES):
        name = Ref(KEPT_RELEASES, NAMESPACE, body["metadata"]["name"])
        stage.cluster.edit(name, lambda body: body["status"].update(healthyReplicas=odd))
    scale(stage, 0)
    await stage.ticks(6)

    assert size(stage) == 0
    refusal = next(body["spec"] for body in stage.changes if body["spec"]["reason"] == "NoHealthySize")
    assert "has no healthy size on record yet" in refusal["message"]


# --- what others want


async def slowly_given_back() -> tuple[Stage, Available]:
    """A service that was scaled to zero, and has its size again; its pods are long in starting."""
    share = {"name": "share", "query": "share", "unhealthy": {"below": "0.75"}, "for": "0s"}
    stage = a_service(checks=[MISSING, share])
    available = watch(stage)
    await stage.ticks(BAKED)
    scale(stage, 0)
    available.slow = True
    await stage.ticks(6)
    return stage, available


async def test_what_did_not_help_is_taken_back_and_people_are_told() -> None:
    """Also to 0, which is what people have put there; pods that are long in starting are no reason to hurry."""
    stage, _ = await slowly_given_back()
    assert size(stage) == 3, "not worse than before, whatever pods say that only just start"
    await stage.ticks(10)

    assert size(stage) == 0
    assert said(stage)[:3] == [("Act", "Scale", "NotRecovered"), ("Act", "Scale", "Undone"), TOLD]


async def test_pods_that_take_their_time_recover() -> None:
    stage, available = await slowly_given_back()
    available.slow = False
    await stage.ticks(6)

    assert (size(stage), said(stage)) == (3, [SCALED_BACK])


async def test_metrics_that_went_with_the_pods_hold_nothing_back() -> None:
    """The service's own series are gone with it; that the pods are missing is beyond doubt."""
    errors = {"name": "errors", "query": "gone_without_pods", "unhealthy": {"above": "1.5"}}
    stage = a_service(checks=[MISSING, errors])
    await stage.ticks(BAKED)
    scale(stage, 0)
    await stage.ticks(12)

    assert (size(stage), said(stage)) == (3, [SCALED_BACK])


async def test_a_person_who_scales_to_zero_again_has_their_way() -> None:
    stage = a_service()
    await stage.ticks(BAKED)
    scale(stage, 0)
    await stage.ticks(4)
    assert size(stage) == 3
    scale(stage, 0)
    await stage.ticks(40)

    assert size(stage) == 0
    assert len(stage.remedial_writes) == 1
    assert said(stage)[0] == ("Act", "Scale", "Contested")


@pytest.mark.parametrize(
    ("scaler", "resource"),
    [
        pytest.param(an_hpa_body(), AUTOSCALERS, id="an HPA"),
        pytest.param(a_scaled_object_body(), SCALED_OBJECTS, id="a ScaledObject that may idle at 0"),
        pytest.param(a_scaled_object_body(least=2), SCALED_OBJECTS, id="a ScaledObject"),
    ],
)
async def test_an_autoscaler_has_its_way(scaler: Body, resource: Resource) -> None:
    stage = a_service()
    stage.cluster.put(scaler)
    await stage.ticks(BAKED)
    scale(stage, 0)
    await stage.ticks(10)

    assert stage.remedial_writes == []
    assert stage.cluster.objects(resource)[0]["spec"] == scaler["spec"]
    assert ("Refuse", "Scale", "HpaOwnsReplicas") in said(stage)
    assert said(stage)[-1] == TOLD


async def test_git_has_its_way_where_it_names_the_replicas() -> None:
    stage = a_service()
    await stage.ticks(BAKED)
    by_flux = {"manager": "kustomize-controller", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    marks = {"kustomize.toolkit.fluxcd.io/name": "shop", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
    stage.cluster.edit(TARGET, lambda body: body["metadata"].update(managedFields=[by_flux], labels=marks))
    scale(stage, 0)
    await stage.ticks(10)
    advice = next(body["spec"] for body in stage.changes if body["spec"]["decision"] == "Advise")

    assert stage.remedial_writes == []
    assert advice["reason"] == "GitOpsOwnsField"
    assert "in Git, have spec.replicas, which is 0 now, applied as 3 again" in advice["message"]
    assert said(stage)[-1] == TOLD


BY_FLUX = {"kustomize.toolkit.fluxcd.io/name": "shop", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
OWNED_BY_FLUX = {"manager": "kustomize-controller", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}}


@pytest.mark.parametrize("killed", [False, True], ids=["by the same process", "by one that was started since"])
@pytest.mark.parametrize(
    ("git_ops", "expected"),
    [
        pytest.param("Respect", ("Advise", "Scale", ""), id="it is advised"),
        pytest.param("Ignore", SCALED_BACK, id="unless the policy ignores Git"),
    ],
)
async def test_git_has_its_way_though_kubectl_scale_has_taken_its_name_off(
    git_ops: str, expected: tuple[str, str, str], killed: bool
) -> None:
    """The API server takes `f:replicas` from its owner then, and gives it to nobody (seen on 1.37)."""
    stage = a_service(gitOps=git_ops)
    stage.cluster.edit(TARGET, lambda body: body["metadata"].update(managedFields=[OWNED_BY_FLUX], labels=BY_FLUX))
    await stage.ticks(BAKED)
    stage.cluster.edit(TARGET, lambda body: body["metadata"].update(managedFields=[]))
    scale(stage, 0)
    if killed:
        watch(stage)
    await stage.ticks(12)

    assert said(stage)[0] == expected


async def test_who_leaves_the_replicas_out_of_git_is_given_them_back() -> None:
    stage = a_service()
    stage.cluster.edit(TARGET, lambda body: body["metadata"].update(labels=BY_FLUX))
    await stage.ticks(BAKED)
    scale(stage, 0)
    await stage.ticks(12)

    assert said(stage) == [SCALED_BACK]


async def test_that_git_names_the_replicas_by_now_is_noted_by_the_next_process() -> None:
    stage = a_service()
    await stage.ticks(BAKED)
    stage.cluster.edit(TARGET, lambda body: body["metadata"].update(managedFields=[OWNED_BY_FLUX], labels=BY_FLUX))
    watch(stage)
    await stage.ticks(BAKED)

    assert [body["status"]["gitHoldsReplicas"] for body in stage.cluster.objects(KEPT_RELEASES)] == [True]


async def test_nothing_is_written_where_the_policy_only_observes() -> None:
    """It rehearses by what it has proven itself, which is enough for that."""
    stage = a_service(mode="Observe")
    await stage.ticks(BAKED)
    scale(stage, 0)
    await stage.ticks(10)

    assert stage.remedial_writes == []
    assert said(stage) == [("DryRun", "Scale", "")]


# --- the fleet


@pytest.mark.parametrize("killed", [False, True], ids=["by the same process", "by one that was started since"])
async def test_a_target_that_has_lost_its_pods_goes_on_counting(killed: bool) -> None:
    """A night in which everything is scaled to zero at once is one of the shared outages that the brake is for."""
    stage = a_service()
    await stage.ticks(BAKED)
    scale(stage, 0)
    if killed:
        watch(stage)
    await stage.ticks(3)

    fleet = stage.reconciler.context.fleet.fleet(KEY, frozenset(), stage.clock.now())
    assert (fleet.healthy, fleet.unhealthy) == (0, 1)


async def test_a_target_that_never_had_pods_does_not_count() -> None:
    stage = a_service()
    scale(stage, 0)
    await stage.ticks(6)

    fleet = stage.reconciler.context.fleet.fleet(KEY, frozenset(), stage.clock.now())
    assert (fleet.healthy, fleet.unhealthy) == (0, 0)


class Baked(Fleet):
    """Many Deployments whose releases are on record within a few ticks."""

    @property
    def body(self) -> Body:
        policy = super().body
        return {**policy, "spec": {**policy["spec"], "bake": "10s"}}


@pytest.mark.parametrize("killed", [False, True], ids=["by the same process", "by one that was started since"])
async def test_a_whole_fleet_that_is_scaled_to_zero_is_given_back_what_it_had_one_by_one(killed: bool) -> None:
    fleet = Baked(size=10, switches=Switches(fleet_brake=Brake()), remedies=[BACK])
    apps = [Ref(DEPLOYMENTS, NAMESPACE, f"app-{number}") for number in range(10)]
    fleet.metrics.well = {app.name for app in apps}
    await fleet.ticks(BAKED)
    assert len(fleet.cluster.objects(KEPT_RELEASES)) == 10

    for app in apps:
        fleet.cluster.edit(app, lambda body: body["spec"].update(replicas=0))
        fleet.cluster.edit(app, lambda body: body.update(status={"observedGeneration": body["metadata"]["generation"]}))
    fleet.metrics.well = set()
    if killed:
        fleet.restart()
    await fleet.ticks(4)

    assert (fleet.actions, len(fleet.told())) == (1, 1)
