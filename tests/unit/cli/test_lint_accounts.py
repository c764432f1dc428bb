"""What `salus lint` finds out of the account that acts for a policy, by whatever its person may ask."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from typer.testing import CliRunner

from salus.cli.app import app
from salus.cli.lint.accounts import Accounts
from salus.cli.lint.around import Neighbourhood
from salus.cli.person import Person, Where, person_at
from salus.cli.validate import catalog_of
from salus.core.guards.permissions import REMEDIATOR
from salus.core.policy.compile import compile_policy
from salus.model.values.permissions import Permission, Permissions
from salus.model.values.policies import Policy
from salus.ports import (
    ACCESS_REVIEWS,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    DEPLOYMENTS,
    ROLE_BINDINGS,
    SERVICE_ACCOUNTS,
    right,
)
from tests.builders import a_deployment_body
from tests.fakes.api import Api, served
from tests.fakes.cluster import FakeCluster
from tests.fakes.prometheus_api import prometheus_served
from tests.unit.cli.test_lint import GOOD, PAGE, a_policy

PATCH = right("patch", DEPLOYMENTS)
WORKLOADS = frozenset({right("list", DEPLOYMENTS), right("list", SERVICE_ACCOUNTS)})
BINDINGS = frozenset({right("list", ROLE_BINDINGS), right("list", CLUSTER_ROLE_BINDINGS), right("get", CLUSTER_ROLES)})
RBAC = "rbac.authorization.k8s.io/v1"
LACKS = (
    "service account shop/salus-remediator may not patch deployments.apps checkout; this would help: kubectl create "
    "rolebinding salus-remediator --namespace=shop --clusterrole=salus-remediator "
    "--serviceaccount=shop:salus-remediator"
)


def policy(**spec: Any) -> Policy:  # noqa: ANN401 — fields of a spec
    return compile_policy(yaml.safe_load(a_policy(GOOD, **spec)), catalog_of(None))


def account(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": "shop", "name": name}}


def role(*verbs: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 — fields of a rule
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": list(verbs), **more}
    return {"apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": "heals"}, "rules": [rule]}


def binding(**subject: str) -> dict[str, Any]:
    return {
        "apiVersion": RBAC,
        "kind": "RoleBinding",
        "metadata": {"namespace": "shop", "name": "heals"},
        "roleRef": {"kind": "ClusterRole", "name": "heals"},
        "subjects": [subject],
    }


TO_ACCOUNT = {"kind": "ServiceAccount", "namespace": "shop", "name": REMEDIATOR}


@pytest.fixture
def api() -> Api:
    cluster = FakeCluster()
    cluster.put(a_deployment_body(name="checkout"))
    for name in ("default", REMEDIATOR):
        cluster.put(account(name))
    return Api(cluster)


@pytest.fixture
async def somebody(api: Api, tmp_path: Path) -> AsyncIterator[Person]:
    with served(api, tmp_path) as kubeconfig:
        async with person_at(Where(kubeconfig=kubeconfig)) as person:
            yield person


async def lacking(somebody: Person, of: Policy) -> Permissions | None:
    around = await Neighbourhood(somebody).of(of, [])
    return await Accounts(somebody, REMEDIATOR).of(of, around)


def left_out(somebody: Person) -> list[str]:
    return [one.what for one in somebody.not_looked_at if one.what == ACCESS_REVIEWS.plural]


@pytest.mark.parametrize(
    ("denied", "spec", "expected"),
    [
        pytest.param(set(), {}, Permissions(), id="an account that may lacks nothing"),
        pytest.param({PATCH}, {}, Permissions("NotPermitted", LACKS), id="what it may not is told with what helps"),
        pytest.param({PATCH}, {"mode": "Observe"}, None, id="a policy that only observes takes no right"),
        pytest.param({PATCH}, {"remedies": [PAGE]}, None, id="a policy that only tells people takes none"),
        pytest.param(
            {right("rollback", DEPLOYMENTS)}, {}, Permissions(), id="a right that no remedy takes may be lacking"
        ),
    ],
)
async def test_reviews_say_what_an_account_lacks(
    denied: set[Permission], spec: dict[str, Any], expected: Permissions | None, api: Api, somebody: Person
) -> None:
    api.denied = denied

    assert await lacking(somebody, policy(**spec)) == expected
    assert left_out(somebody) == []


async def test_an_account_is_asked_about_once_and_with_its_groups(api: Api, somebody: Person) -> None:
    around = await Neighbourhood(somebody).of(policy(), [])
    accounts = Accounts(somebody, REMEDIATOR)
    for _ in range(2):
        await accounts.of(policy(), around)

    assert sorted(one["spec"]["resourceAttributes"]["verb"] for one in api.reviews) == ["get", "patch"]
    assert {one["metadata"]["namespace"] for one in api.reviews} == {"shop"}
    assert {one["spec"]["user"] for one in api.reviews} == {f"system:serviceaccount:shop:{REMEDIATOR}"}
    assert api.reviews[0]["spec"]["groups"] == [
        "system:serviceaccounts",
        "system:serviceaccounts:shop",
        "system:authenticated",
    ]


async def test_an_account_that_is_not_there_is_told(somebody: Person) -> None:
    found = await lacking(somebody, policy(serviceAccountName="healer"))

    assert found is not None
    assert (found.lacks, "there is no service account shop/healer" in found.message) == ("ServiceAccountMissing", True)


@pytest.mark.parametrize(
    ("verbs", "more", "subject", "expected"),
    [
        pytest.param(["get", "patch"], {}, TO_ACCOUNT, Permissions(), id="a binding to the account"),
        pytest.param(
            ["get", "patch"],
            {"resourceNames": ["checkout"]},
            TO_ACCOUNT,
            Permissions(),
            id="a right on the target alone",
        ),
        pytest.param(
            ["*"], {}, {"kind": "Group", "name": "system:serviceaccounts:shop"}, Permissions(), id="one to all accounts"
        ),
        pytest.param(
            ["*"],
            {},
            {"kind": "User", "name": f"system:serviceaccount:shop:{REMEDIATOR}"},
            Permissions(),
            id="one to its user name",
        ),
        pytest.param(["get"], {}, TO_ACCOUNT, Permissions("NotPermitted", LACKS), id="a role without the right"),
        pytest.param(
            ["get", "patch"],
            {"resourceNames": ["cart"]},
            TO_ACCOUNT,
            None,
            id="a right on another object",
        ),
        pytest.param(["*"], {}, {**TO_ACCOUNT, "namespace": "cart"}, None, id="a binding to a namesake elsewhere"),
    ],
)
async def test_who_may_see_bindings_alone_reads_what_they_say(
    verbs: list[str],
    more: dict[str, Any],
    subject: dict[str, str],
    expected: Permissions | None,
    api: Api,
    somebody: Person,
) -> None:
    """None: it lacks `get` as well."""
    api.cluster.put(role(*verbs, **more))
    api.cluster.put(binding(**subject))
    api.allowed = WORKLOADS | BINDINGS

    found = await lacking(somebody, policy())

    assert found is not None
    assert found == expected or (expected is None and "may not get deployments.apps checkout" in found.message)
    assert left_out(somebody) == []


@pytest.mark.parametrize("lacks", sorted(BINDINGS, key=str), ids=str)
async def test_what_cannot_be_seen_is_not_taken_for_lacking(lacks: Permission, api: Api, somebody: Person) -> None:
    api.cluster.put(role("get"))
    api.cluster.put(binding(**TO_ACCOUNT))
    api.allowed = (WORKLOADS | BINDINGS) - {lacks}

    assert await lacking(somebody, policy()) is None
    assert left_out(somebody) == [ACCESS_REVIEWS.plural]


async def test_accounts_that_may_not_be_listed_are_taken_to_be_there(api: Api, somebody: Person) -> None:
    api.allowed = {right("list", DEPLOYMENTS), right("create", ACCESS_REVIEWS)}

    assert await lacking(somebody, policy(serviceAccountName="healer")) == Permissions()


CONFIGURATION = """
sources: {eu: {url: "http://prometheus.monitoring:9090"}}
defaults: {serviceAccountName: healer}
"""
CONFIG_MAP = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"namespace": "salus-system", "name": "salus", "labels": {"app.kubernetes.io/name": "salus"}},
    "data": {"salus.yaml": CONFIGURATION},
}


@pytest.mark.parametrize(
    ("is_there", "expected"),
    [
        pytest.param(
            True,
            ['unknown source "default"; known: eu', "there is no service account shop/healer"],
            id="a ConfigMap of the operator",
        ),
        pytest.param(False, [], id="none"),
    ],
)
def test_the_command_holds_policies_to_the_operators_configuration_if_there_is_one(
    is_there: bool, expected: list[str], api: Api, tmp_path: Path
) -> None:
    api.cluster.put(yaml.safe_load(a_policy(GOOD)))
    if is_there:
        api.cluster.put(CONFIG_MAP)

    with served(api, tmp_path) as kubeconfig, prometheus_served() as prometheus:
        words = ["lint", "--kubeconfig", str(kubeconfig), "--prometheus", f"{prometheus}/well", "-o", "json"]
        ended = CliRunner().invoke(app, [*words, "--match", "cluster=eu"])

    (file,) = orjson.loads(ended.stdout)["files"]
    said = sorted(one["message"] for one in file["findings"] if one["code"] == "SL404")
    assert len(said) == len(expected)
    assert all(one.startswith(start) for one, start in zip(said, sorted(expected), strict=True))
