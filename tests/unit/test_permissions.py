"""What a policy's account must be allowed: what is said when it is not, how often it is asked, what follows."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from salus.core.guards.permissions import DENIED, MISSING, Standing, acts, judge, needs
from salus.core.records.policy_status import Allowed, TargetReport, policy_status
from salus.model.meta import AutoscalerKind
from salus.model.policy import HealthPolicyStatus
from salus.model.scalars import Body
from salus.model.values.keys import ScalerKey
from salus.model.values.objects import Autoscaler
from salus.model.values.permissions import Permission, Permissions
from salus.ports import DEPLOYMENTS, HEALTH_POLICIES, PODS, RECORD_KEEPING, REMEDIATION, ROLLING_BACK, right
from salus.reconcile.observe.permissions import BAD_FOR, GOOD_FOR, PER_SECOND, AccountPermissions
from tests.builders import GROW, NOW, PAGE, RESTART, ROLLBACK, a_policy, a_workload, healthy, later
from tests.fakes.cluster import FakeAccounts, FakeCluster
from tests.unit.stage import NAME, NAMESPACE, TARGET, Stage, a_reconciler, a_stage
from tools.devcluster.audit import Asked
from tools.devcluster.rights import RBAC, UNUSED, differences, granted

PATCH = right("patch", DEPLOYMENTS)
ACCOUNT = ("shop", "salus-remediator")
LACKING = Permissions(DENIED, "it may not")
RESTARTS = {"name": "restart", "restart": {}}
REMEDIATOR = "kubectl create rolebinding salus-remediator --namespace=shop --clusterrole=salus-remediator"
IMPERSONATOR = "kubectl create rolebinding salus-impersonator --namespace=shop --clusterrole=salus-impersonator"


@pytest.mark.parametrize(
    ("account", "operator", "standing", "expected"),
    [
        pytest.param("salus-remediator", "salus", Standing(True, True), Permissions(), id="all is there"),
        pytest.param(
            "salus-remediator",
            "salus",
            Standing(False, False),
            Permissions(
                MISSING,
                "there is no service account shop/salus-remediator; this would help: "
                "kubectl create serviceaccount salus-remediator --namespace=shop && "
                f"{REMEDIATOR} --serviceaccount=shop:salus-remediator && {IMPERSONATOR} --user=salus",
            ),
            id="nothing is there",
        ),
        pytest.param(
            "salus-remediator",
            "system:serviceaccount:salus-system:salus",
            Standing(True, False),
            Permissions(
                DENIED,
                "system:serviceaccount:salus-system:salus may not act as service account shop/salus-remediator; "
                f"this would help: {IMPERSONATOR} --serviceaccount=salus-system:salus",
            ),
            id="an account that is not lent, to an operator in a pod",
        ),
        pytest.param(
            "salus-remediator",
            "salus",
            Standing(True, True, ((PATCH, "web"), (PATCH, "api"))),
            Permissions(
                DENIED,
                "service account shop/salus-remediator may not patch deployments.apps web, patch deployments.apps api; "
                f"this would help: {REMEDIATOR} --serviceaccount=shop:salus-remediator",
            ),
            id="an account without rights on two targets",
        ),
        pytest.param(
            "healer",
            "salus",
            Standing(True, False),
            Permissions(
                DENIED,
                "salus may not act as service account shop/healer; this would help: "
                "kubectl create role salus-impersonator-healer --namespace=shop --verb=impersonate "
                "--resource=serviceaccounts --resource-name=healer && kubectl create rolebinding "
                "salus-impersonator-healer --namespace=shop --role=salus-impersonator-healer --user=salus",
            ),
            id="an account of another name, of which the ClusterRole does not speak",
        ),
    ],
)
def test_what_is_lacking_is_told_with_the_commands_that_help(
    account: str, operator: str, standing: Standing, expected: Permissions
) -> None:
    assert judge("shop", account, operator, standing) == expected


def test_what_it_takes_to_act() -> None:
    web = a_workload()

    assert needs(a_policy(), [web]) == (
        (Permission("get", "apps", "deployments"), ("checkout",)),
        (PATCH, ("checkout",)),
    )
    assert {one for one, _ in needs(a_policy(), [web])} < REMEDIATION
    assert right("delete", PODS) in REMEDIATION


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"mode": "Enforce"}, True, id="enforced"),
        pytest.param({"mode": "Approve"}, True, id="done after an approval"),
        pytest.param({"mode": "Observe"}, False, id="observed"),
        pytest.param({"mode": "Enforce", "remedies": [PAGE]}, False, id="people are told, and nothing else"),
        pytest.param({"mode": "Enforce", "remedies": []}, False, id="no remedies"),
        pytest.param({"mode": "Enforce", "remedies": [{**RESTART, "mode": "Observe"}]}, False, id="all rehearsed"),
        pytest.param({"mode": "Enforce", "remedies": [{**RESTART, "mode": "Observe"}, GROW]}, True, id="one is not"),
    ],
)
def test_whether_a_policy_acts(spec: dict[str, Any], expected: bool) -> None:
    assert acts(a_policy(**spec)) is expected


def conditions(
    permissions: Permissions | None,
    written: dict[str, Any] | None = None,
    **spec: Any,  # noqa: ANN401
) -> dict[str, tuple[str, ...]]:
    report = TargetReport(a_workload().key, (healthy(),))
    said = policy_status(a_policy(**spec), [report], written or {}, NOW, Allowed(permissions))
    HealthPolicyStatus.parse(said)
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in said["conditions"]}


def test_a_policy_without_rights_is_stalled_and_goes_on_measuring() -> None:
    said = conditions(LACKING, mode="Enforce")

    assert said["Ready"] == ("False", DENIED, "it may not")
    assert said["Stalled"] == ("True", DENIED, "it may not")
    assert said["Reconciling"] == ("False", DENIED, "waits for rights; it goes on measuring")
    assert said["Healthy"][0] == "True"


def test_a_rehearsing_policy_is_ready_and_says_what_it_would_need() -> None:
    said = conditions(LACKING, mode="Observe")

    message = "the spec is accepted, 1 target(s); to act it would need more: it may not"
    assert said["Ready"] == ("True", "Accepted", message)
    assert said["Stalled"][0] == "False"


def test_what_nobody_knows_leaves_the_status_as_it_is() -> None:
    """After a restart, until it was asked again, nothing flaps."""
    report = TargetReport(a_workload().key, (healthy(),))
    stalled = policy_status(a_policy(mode="Enforce"), [report], {}, NOW, Allowed(LACKING))

    assert conditions(None, stalled, mode="Enforce")["Stalled"] == ("True", DENIED, "it may not")
    assert conditions(None, mode="Enforce")["Stalled"][0] == "False"


async def test_rights_are_asked_once_an_account_and_again_when_they_are_old() -> None:
    """Fifty policies of one account share what was found."""
    accounts, permissions = FakeAccounts(FakeCluster()), AccountPermissions()
    stage = a_stage(lambda _: True)
    context = a_reconciler(accounts.cluster, stage.service, stage.clock, accounts=accounts).context
    for _ in range(50):
        assert await permissions.of(context, a_policy(), [a_workload()], NOW) == Permissions()
    asked = accounts.reviews
    assert asked == 4

    await permissions.of(context, a_policy(), [a_workload()], NOW + GOOD_FOR - timedelta(seconds=1))
    assert accounts.reviews == asked
    accounts.denied.add((*ACCOUNT, PATCH))
    assert (await permissions.of(context, a_policy(), [a_workload()], NOW + GOOD_FOR) or Permissions()).lacks == DENIED

    accounts.denied.clear()
    at = NOW + GOOD_FOR + BAD_FOR
    assert (
        await permissions.of(context, a_policy(), [a_workload()], at - timedelta(seconds=1)) or Permissions()
    ).lacks == DENIED
    assert await permissions.of(context, a_policy(), [a_workload()], at) == Permissions()


async def test_ten_thousand_accounts_are_asked_about_in_turn() -> None:
    """Not one policy has any rights, and each has an account of its own: what is asked in a second is bounded."""
    accounts, permissions = FakeAccounts(FakeCluster()), AccountPermissions()
    policies = [a_policy(serviceAccountName=f"healer-{number}") for number in range(10_000)]
    workloads = [a_workload()]
    accounts.missing |= {("shop", f"healer-{number}") for number in range(10_000)}
    stage = a_stage(lambda _: True)
    context = a_reconciler(accounts.cluster, stage.service, stage.clock, accounts=accounts).context

    found = [await permissions.of(context, policy, workloads, NOW) for policy in policies]
    assert sum(permissions is not None for permissions in found) == PER_SECOND
    assert accounts.reviews == 2 * PER_SECOND
    for second in range(1, 4):
        for policy in policies:
            await permissions.of(context, policy, workloads, later(second))
    assert accounts.reviews == 4 * 2 * PER_SECOND


async def test_an_api_server_that_does_not_answer_tells_nothing() -> None:
    accounts, permissions = FakeAccounts(FakeCluster(), unreachable=True), AccountPermissions()
    stage = a_stage(lambda _: True)
    context = a_reconciler(accounts.cluster, stage.service, stage.clock, accounts=accounts).context

    assert await permissions.of(context, a_policy(), [a_workload()], NOW) is None
    accounts.unreachable = False
    assert await permissions.of(context, a_policy(), [a_workload()], NOW) == Permissions()


def policy_conditions(stage: Stage) -> dict[str, Body]:
    (policy,) = stage.cluster.objects(HEALTH_POLICIES)
    return {c["type"]: c for c in policy["status"]["conditions"]}


async def test_without_rights_nothing_is_done_and_the_record_says_so_until_they_are_granted() -> None:
    """Stalled before the incident, NotPermitted in it, and told; granted meanwhile, it is done as the account."""
    stage = a_stage(lambda body: "restartedAt" in str(body), RESTARTS)
    stage.accounts.denied.add((*ACCOUNT, PATCH))
    await stage.ticks(1)
    assert policy_conditions(stage)["Stalled"]["reason"] == DENIED
    await stage.ticks(9)
    said = [(c["spec"]["decision"], c["spec"]["action"], c["spec"]["reason"]) for c in stage.changes]
    assert said == [("Refuse", "Restart", "NotPermitted"), ("Act", "Notify", "NotPermitted")]
    assert stage.remedial_writes == []

    stage.accounts.denied.clear()
    await stage.ticks(12)

    assert [write.act_as for write in stage.remedial_writes] == ["system:serviceaccount:shop:salus-remediator"]
    assert stage.changes[-1]["status"]["outcome"] == "Recovered"
    assert policy_conditions(stage)["Ready"]["status"] == "True"


async def test_rights_that_are_found_lacking_in_an_incident_stall_the_policy_at_once() -> None:
    """Not only when what was remembered is old."""
    stage = a_stage(lambda _: False, RESTARTS)
    await stage.ticks(1)
    assert policy_conditions(stage)["Ready"]["status"] == "True"
    stage.accounts.denied.add((*ACCOUNT, PATCH))
    while not stage.changes:
        await stage.ticks(1)

    assert stage.changes[0]["spec"]["reason"] == "NotPermitted"
    assert policy_conditions(stage)["Stalled"]["reason"] == DENIED


async def test_rights_that_are_taken_away_hold_an_undo_back() -> None:
    """What did not help cannot be taken back any more: refused on record, done once there are rights again."""
    stage = a_stage(lambda _: False, {"name": "s", "scale": {"to": 5, "max": 5}})
    while not stage.remedial_writes:
        await stage.ticks(1)
    stage.accounts.kept.add(ACCOUNT)
    await stage.ticks(12)
    assert [c["spec"]["reason"] for c in stage.changes if c["spec"].get("undoes")] == ["NotPermitted"]
    assert len(stage.remedial_writes) == 1


async def test_an_account_nobody_can_ask_about_does_nothing() -> None:
    stage = a_stage(lambda _: False, RESTARTS)
    stage.accounts.unreachable = True
    await stage.ticks(8)

    assert {c["spec"]["reason"] for c in stage.changes} == {"GuardUnknown"}
    assert stage.remedial_writes == []


async def test_a_rehearsal_needs_no_rights() -> None:
    stage = a_stage(lambda _: False, RESTARTS, mode="Observe")
    stage.accounts.missing.add(ACCOUNT)
    await stage.ticks(8)

    assert [c["spec"]["decision"] for c in stage.changes] == ["DryRun"]
    assert policy_conditions(stage)["Ready"]["status"] == "True"
    assert "kubectl create serviceaccount" in policy_conditions(stage)["Ready"]["message"]


async def test_the_account_that_a_policy_names_acts() -> None:
    stage = a_stage(lambda body: "restartedAt" in str(body), RESTARTS, serviceAccountName="healer")
    await stage.ticks(10)

    assert [write.act_as for write in stage.remedial_writes] == ["system:serviceaccount:shop:healer"]
    assert all(write.ref == TARGET for write in stage.remedial_writes)
    assert (TARGET.namespace, TARGET.name) == (NAMESPACE, NAME)


# --- the manifest, and what the whole suite's audit log is held against

DOCUMENTS = tuple(yaml.safe_load_all(RBAC.read_text(encoding="utf-8")))


def in_manifest(role: str) -> set[tuple[str, str, str, str]]:
    found = granted(document for document in DOCUMENTS if document["metadata"]["name"] == role)
    return {(one.verb, one.group, one.resource, one.subresource) for one in found}


def in_code(permissions: frozenset[Permission]) -> set[tuple[str, str, str, str]]:
    return {(one.verb, one.group, one.resource, one.subresource) for one in permissions}


def test_the_manifest_grants_the_writes_that_the_code_knows() -> None:
    """Each of the two lists in ports.py has its role; neither can grow without the other."""
    writes = {one for one in in_manifest("salus") if one[0] not in {"get", "list", "watch"}}

    assert writes == in_code(RECORD_KEEPING)
    assert in_manifest("salus-remediator") == in_code(REMEDIATION | ROLLING_BACK)


def test_the_narrow_role_is_the_other_without_rollbacks() -> None:
    rollbacks = in_code(ROLLING_BACK | {right("delete", PODS)})

    assert in_manifest("salus-remediator-scale-restart") == in_manifest("salus-remediator") - rollbacks


def test_the_operator_itself_may_neither_write_to_workloads_nor_read_secrets() -> None:
    rules = [rule for document in DOCUMENTS for rule in document.get("rules", ())]

    assert not {one for one in in_manifest("salus") if one[0] not in {"get", "list", "watch"}} & in_code(REMEDIATION)
    assert not any("*" in value for rule in rules for value in (*rule["verbs"], *rule["resources"], *rule["apiGroups"]))
    assert not {"secrets", "pods/exec", "pods/attach", "serviceaccounts/token"} & {
        r for rule in rules for r in rule["resources"]
    }
    lending = [rule for rule in rules if "impersonate" in rule["verbs"]]
    assert [(rule["resources"], rule["resourceNames"]) for rule in lending] == [
        (["serviceaccounts"], ["salus-remediator"])
    ]
    bound = [d["roleRef"]["name"] for d in DOCUMENTS if d["kind"] == "ClusterRoleBinding"]
    assert bound == ["salus"], "what is bound in all namespaces"


GET, LIST = (Asked("salus", False, verb, "", "pods", "") for verb in ("get", "list"))


@pytest.mark.parametrize(
    ("asked", "allowed", "unused", "expected"),
    [
        pytest.param({GET}, {GET}, set(), [], id="the same"),
        pytest.param({GET}, {GET, LIST}, {LIST}, [], id="one is known to be unused"),
        pytest.param(
            {GET}, {GET, LIST}, set(), ["granted, and asked by nobody: list pods, as the operator"], id="too much"
        ),
        pytest.param(
            {GET, LIST}, {GET}, set(), ["asked, and not granted: list pods, as the operator"], id="too little"
        ),
        pytest.param(
            {GET}, {GET}, {GET}, ["listed as unused, and asked: get pods, as the operator"], id="an exception too many"
        ),
        pytest.param(
            {GET},
            {GET},
            {LIST},
            ["listed as unused, and not granted: list pods, as the operator"],
            id="an exception of nothing",
        ),
    ],
)
def test_rights_are_compared_both_ways(
    asked: set[Asked], allowed: set[Asked], unused: set[Asked], expected: list[str]
) -> None:
    assert differences(frozenset(asked), frozenset(allowed), frozenset(unused)) == expected


def test_what_is_unused_is_granted() -> None:
    assert granted(DOCUMENTS) > UNUSED


def test_only_one_module_impersonates() -> None:
    """The header that makes somebody else of us stands in one place; and where a person asks for it, by `--as`."""
    package = Path(__file__).parents[2] / "operator" / "salus"
    found = [
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if re.search('"[Ii]mpersonate-', path.read_text("utf-8"))
    ]

    assert sorted(found) == ["adapters/workload_writes.py", "cli/person.py"]


def test_a_rollback_of_an_ordered_stateful_set_deletes_its_stuck_pod() -> None:
    policy = a_policy(remedies=[ROLLBACK], target={"kind": "StatefulSet", "name": "db"})
    ordered = replace(a_workload(), ordered=True)

    assert (right("delete", PODS), ()) in needs(policy, [ordered])
    assert (right("delete", PODS), ()) not in needs(policy, [a_workload()])


def test_a_rollback_needs_leave_to_put_another_template_there() -> None:
    leave = (right("rollback", DEPLOYMENTS), ("checkout",))

    assert leave in needs(a_policy(remedies=[ROLLBACK]), [a_workload()])
    assert leave not in needs(a_policy(remedies=[RESTART]), [a_workload()])


SCALERS_NEED = [
    pytest.param(AutoscalerKind.HPA, Permission("patch", "autoscaling", "horizontalpodautoscalers"), id="an HPA"),
    pytest.param(AutoscalerKind.SCALED_OBJECT, Permission("patch", "keda.sh", "scaledobjects"), id="a ScaledObject"),
]


@pytest.mark.parametrize(("kind", "wanted"), SCALERS_NEED)
def test_a_scaling_under_an_autoscaler_needs_rights_on_it(kind: AutoscalerKind, wanted: Permission) -> None:
    scaler = Autoscaler(ScalerKey(kind, "web", "uid-of-it"), 2, 10)

    assert (wanted, ("web",)) in needs(a_policy(remedies=[GROW]), [a_workload()], [scaler])
    assert {one for one, _ in needs(a_policy(remedies=[GROW]), [a_workload()], [scaler])} <= REMEDIATION
    assert (wanted, ("web",)) not in needs(a_policy(remedies=[RESTART]), [a_workload()], [scaler])
