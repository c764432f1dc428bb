"""What `salus lint` sees of a target in the cluster, and what it does not take for missing where it may not look."""

from typing import Any

import pytest
import yaml

from salus.cli.lint.around import Neighbourhood
from salus.cli.lint.command import policies_of
from salus.cli.lint.subjects import from_cluster
from salus.cli.validate import catalog_of
from salus.core.policy.compile import compile_policy
from salus.model.meta import WorkloadKind
from salus.model.values.keys import PolicyKey, TargetKey
from salus.model.values.policies import Policy
from salus.ports import DEPLOYMENTS
from tests.builders import a_deployment_body, an_hpa_body
from tests.fakes.cluster import FakeCluster
from tests.unit.cli.people import person
from tests.unit.cli.test_lint import GOOD, a_policy

TARGET = TargetKey("shop", WorkloadKind.DEPLOYMENT, "checkout")
MINE = PolicyKey("shop", "checkout")


def policy(**spec: Any) -> Policy:  # noqa: ANN401 — fields of a spec
    return compile_policy(yaml.safe_load(a_policy(GOOD, **spec)), catalog_of(None))


def a_budget(healthy: int) -> dict[str, Any]:
    labels = a_deployment_body(name="checkout")["spec"]["template"]["metadata"]["labels"]
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"namespace": "shop", "name": "strict"},
        "spec": {"selector": {"matchLabels": labels}},
        "status": {"desiredHealthy": healthy, "expectedPods": 3},
    }


@pytest.fixture
def cluster() -> FakeCluster:
    found = FakeCluster()
    found.put(a_deployment_body(name="checkout"))
    return found


async def test_what_decides_about_a_target_is_seen(cluster: FakeCluster) -> None:
    cluster.put(an_hpa_body())
    cluster.put(a_budget(3))

    (seen,) = await Neighbourhood(person(cluster)).of(policy(), [])

    assert (seen.target, seen.is_there, seen.rivals) == (TARGET, True, ())
    assert [str(one.key) for one in seen.autoscalers] == ["HorizontalPodAutoscaler/checkout"]
    assert seen.budgets == ("strict",)
    assert seen.workload is not None


async def test_a_budget_that_lets_one_go_is_none_to_speak_of(cluster: FakeCluster) -> None:
    cluster.put(a_budget(2))

    (seen,) = await Neighbourhood(person(cluster)).of(policy(), [])

    assert seen.budgets == ()


async def test_a_target_that_is_not_there_is_told_from_one_that_may_not_be_seen(cluster: FakeCluster) -> None:
    gone = policy(target={"kind": "Deployment", "name": "nothing"})

    (seen,) = await Neighbourhood(person(cluster)).of(gone, [])
    cluster.unreadable.add(DEPLOYMENTS)
    somebody = person(cluster)
    around = Neighbourhood(somebody)
    both = [*await around.of(gone, []), *await around.of(gone, [])]

    assert not seen.is_there
    assert [one.is_there for one in both] == [True, True]
    assert [one.what for one in somebody.not_looked_at] == ["deployments"]


async def test_labels_choose_many(cluster: FakeCluster) -> None:
    tier = {"tier": "backend"}
    for name in ("cart", "orders"):
        body = a_deployment_body(name=name)
        body["metadata"]["labels"] = tier
        cluster.put(body)

    seen = await Neighbourhood(person(cluster)).of(
        policy(target={"kind": "Deployment", "selector": {"matchLabels": tier}}), []
    )

    assert [one.target.name for one in seen] == ["cart", "orders"]


async def test_other_policies_of_the_same_target_are_named(cluster: FakeCluster) -> None:
    theirs = yaml.safe_load(a_policy(GOOD))
    theirs["metadata"]["name"] = "live"
    cluster.put(theirs)
    cluster.put(yaml.safe_load(a_policy(GOOD)))
    beside = [(MINE, TARGET), (PolicyKey("shop", "in-the-file"), TARGET)]

    (seen,) = await Neighbourhood(person(cluster)).of(policy(), beside)

    assert seen.rivals == ("in-the-file", "live")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param([], ["checkout", "other"], id="all"),
        pytest.param(["other"], ["other"], id="by name"),
        pytest.param(["deploy/checkout"], ["checkout"], id="by their workload"),
    ],
)
async def test_policies_of_the_cluster_are_linted(names: list[str], expected: list[str], cluster: FakeCluster) -> None:
    cluster.put(yaml.safe_load(a_policy(GOOD)))
    other = yaml.safe_load(a_policy(GOOD, target={"kind": "Deployment", "name": "cart"}))
    other["metadata"]["name"] = "other"
    cluster.put(other)

    read = from_cluster(await policies_of(person(cluster), names), catalog_of(None))

    assert read.sources == [f"shop/{name}" for name in expected]
    assert all(one.policy is not None and one.place("spec") == (0, 0) for one in read.subjects)
    assert [one.title for one in read.subjects] == read.sources
