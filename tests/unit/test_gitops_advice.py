"""What is advised under GitOps: exactly what to revert in Git, by what Salus knows."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from salus.core.actions import KINDS
from salus.core.objects.workloads import release_hash, short
from salus.model.change import ActionKind, ManagedBy
from salus.model.values.changes import Action
from salus.model.values.objects import Release, Revision
from salus.model.values.observation import Observation
from tests.builders import a_release, a_template, a_workload, ago, an_action, an_observation

ARGO = ManagedBy(tool="ArgoCD", ref="shop")
V1, V2 = a_template("shop:v1"), a_template("shop:v2")
ONE, TWO = release_hash(V1), release_hash(V2)
BACK = f"revert the pod template to release {short(ONE)}"


def advice(action: Action, seen: Observation, owner: ManagedBy) -> str:
    git = KINDS[action.kind].in_git
    assert git
    return git.advice(action, seen, owner)


def rolled_back(
    template: Mapping[str, Any] = V2, releases: Sequence[Release] = (a_release(V1),), history: Sequence[Revision] = ()
) -> str:
    live = a_workload(template=template)
    action = an_action(ActionKind.ROLLBACK, before=live.facts(), intended=live.facts(release=ONE))
    return advice(action, an_observation(workload=live, releases=tuple(releases), history=tuple(history)), ARGO)


def with_images(template: Mapping[str, Any], *images: str) -> dict[str, Any]:
    containers = [{"name": f"c{n}", "image": image} for n, image in enumerate(images)]
    return {**template, "spec": {**template["spec"], "containers": containers}}


def test_a_rollback_names_the_release_its_revision_its_images_and_where_all_of_it_is_kept() -> None:
    """The newest revision of that release: what came back has a new number."""
    history = [Revision(n, release, ago(900)) for n, release in ((3, ONE), (5, ONE), (6, TWO))]

    assert rolled_back(history=history) == (
        f"{BACK}, revision 5, known healthy (live is {short(TWO)}): image shop:v1 instead of shop:v2; "
        f"the whole template is kept in KeptRelease/salus-{ONE}"
    )


SETTINGS = a_template("shop:v1", annotations={"feature": "on"})
SIDECAR = with_images(V1, "shop:v1", "proxy:2")
MANY = with_images(V1, *(f"app-{n}:v2" for n in range(9)))


@pytest.mark.parametrize(
    ("template", "told"),
    [
        pytest.param(V2, ": image shop:v1 instead of shop:v2;", id="another image"),
        pytest.param(
            SETTINGS, ": its images are the live ones (shop:v1), the change is elsewhere", id="a setting only"
        ),
        pytest.param(SIDECAR, ": take image proxy:2 out;", id="a container that came with it"),
        pytest.param(MANY, "app-4:v2 and 4 more;", id="many images"),
        pytest.param(with_images(V1, "x" * 900), f"instead of {'x' * 128};", id="a name that is long"),
    ],
)
def test_which_images_are_named(template: Mapping[str, Any], told: str) -> None:
    assert told in rolled_back(template)
    assert len(rolled_back(template)) < 1000


def test_the_init_containers_count_too() -> None:
    good = {**V1, "spec": {**V1["spec"], "initContainers": [{"name": "init", "image": "migrate:1"}]}}
    live = a_workload(template=V1)
    to = release_hash(good)
    action = an_action(ActionKind.ROLLBACK, before=live.facts(), intended=live.facts(release=to))

    assert ": image migrate:1;" in advice(action, an_observation(workload=live, releases=(a_release(good),)), ARGO)


def test_a_release_that_is_no_longer_kept_is_still_named() -> None:
    assert rolled_back(releases=()) == f"{BACK}, known healthy (live is {short(TWO)})"


@pytest.mark.parametrize(
    ("owner", "fix"),
    [
        pytest.param(
            ARGO,
            "give Application shop ignoreDifferences with the jsonPointer /spec/replicas and the sync option "
            "RespectIgnoreDifferences=true (both: without the option a sync still writes them)",
            id="Argo CD",
        ),
        pytest.param(
            ManagedBy(tool="ArgoCD", ref=""),
            "give the Application ignoreDifferences with the jsonPointer /spec/replicas and the sync option "
            "RespectIgnoreDifferences=true (both: without the option a sync still writes them)",
            id="Argo CD, of an application that nobody names",
        ),
        pytest.param(
            ManagedBy(tool="Flux", ref="Kustomization flux-system/apps"),
            "drop spec.replicas from the manifest that Kustomization flux-system/apps applies",
            id="a Kustomization of Flux",
        ),
        pytest.param(
            ManagedBy(tool="Flux", ref="HelmRelease shop/web"),
            "leave replicas out of the chart's values; with drift detection, give HelmRelease shop/web "
            "spec.driftDetection.ignore with the path /spec/replicas",
            id="a HelmRelease of Flux",
        ),
    ],
)
def test_a_scaling_names_the_replicas_and_how_git_is_made_to_leave_them_alone(owner: ManagedBy, fix: str) -> None:
    live = a_workload(replicas=3)
    action = an_action(ActionKind.SCALE, before=live.facts(), intended=live.facts(replicas=6))

    assert advice(action, an_observation(workload=live), owner) == (
        f"set spec.replicas from 3 to 6; or, so that Salus may scale, {fix}"
    )
