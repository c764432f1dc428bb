"""What in a pod template is a release, and what only a tool's stamp: a row for each tool."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.core.objects.stamps import KNOWN, checksums_of, differing, unstamped
from salus.core.objects.workloads import identity, release_hash, same_release, template_hash, workload_from
from salus.model.values.configuration import Marks, Stamps
from tests.builders import a_deployment_body, a_template

BASE = a_template("shop:v2")


def noted(field: str = "annotations", **items: str) -> dict[str, Any]:
    template = deepcopy(dict(BASE))
    template["metadata"] = {**template["metadata"], field: {**template["metadata"].get(field, {}), **items}}
    return template


def marked(key: str, value: str = "2026-11-22T11:00:00Z", field: str = "annotations") -> dict[str, Any]:
    return noted(field, **{key: value})


def with_env(name: str, value: str = "5f9c3a") -> dict[str, Any]:
    template = deepcopy(dict(BASE))
    container = template["spec"]["containers"][0]
    container["env"] = [*container.get("env", ()), {"name": name, "value": value}]
    return template


def with_container(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 — handed on
    template = deepcopy(dict(BASE))
    template["spec"]["containers"][0].update(fields)
    return template


def with_spec(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 — handed on
    return {**BASE, "spec": {**BASE["spec"], **fields}}


@pytest.mark.parametrize(
    "stamped",
    [
        pytest.param(marked("kubectl.kubernetes.io/restartedAt"), id="kubectl rollout restart, Lens, k9s"),
        pytest.param(marked("cattle.io/timestamp"), id="Rancher, Redeploy"),
        pytest.param(marked("field.cattle.io/ports", "[[]]"), id="Rancher, the ports it shows"),
        pytest.param(marked("kubesphere.io/restartedAt"), id="KubeSphere"),
        pytest.param(marked("rollout.argoproj.io/restartedAt"), id="Argo Rollouts"),
        pytest.param(marked("flagger-id", "0f3c"), id="Flagger"),
        pytest.param(marked("keel.sh/update-time"), id="Keel"),
        pytest.param(marked("client.knative.dev/updateTimestamp"), id="kn"),
        pytest.param(marked("rollme", "x7Gh2"), id="Helm, randAlphaNum"),
        pytest.param(marked("timestamp", "1764500000"), id="Helm, now"),
        pytest.param(marked("example.com/deployed-at"), id="a pipeline's date"),
        pytest.param(marked("date"), id="kubectl patch with a date"),
        pytest.param(marked("moniker.spinnaker.io/sequence", "14"), id="Spinnaker"),
        pytest.param(marked("azure-pipelines/run", "20261122.4"), id="Azure Pipelines"),
        pytest.param(marked("kubernetes.io/change-cause", "helm upgrade"), id="kubectl --record"),
        pytest.param(marked("helm.sh/chart", "shop-1.2.4", "labels"), id="another version of the chart alone"),
        pytest.param(marked("skaffold.dev/run-id", "77", "labels"), id="Skaffold"),
        pytest.param(marked("Octopus.Deployment.Id", "deployments-8", "labels"), id="Octopus"),
        pytest.param(with_env("LAST_MANUAL_RESTART", "1764500000"), id="a restart by an environment variable"),
        pytest.param(with_env("STAKATER_CHECKOUT_CONFIGMAP"), id="Reloader, by an environment variable"),
        pytest.param(marked("reloader.stakater.com/last-reloaded-from", "{}"), id="Reloader, by an annotation"),
        pytest.param(marked("checksum/config", "9b1c"), id="Helm's checksum"),
        pytest.param(marked("wave.pusher.com/config-hash", "9b1c"), id="Wave"),
        pytest.param(marked("configmap-hash", "9b1c"), id="a checksum of one's own"),
    ],
)
def test_a_stamp_makes_no_release(stamped: dict[str, Any]) -> None:
    """Case 11; and what the tool puts there next time does neither."""
    assert release_hash(stamped) == release_hash(BASE)
    assert same_release(
        workload_from(a_deployment_body(template=stamped)).named, workload_from(a_deployment_body(template=BASE)).named
    )


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(a_template("shop:v3"), id="image"),
        pytest.param(with_container(command=["serve", "--fast"]), id="command"),
        pytest.param(with_env("FEATURE_FAST", "1"), id="environment"),
        pytest.param(with_container(envFrom=[{"configMapRef": {"name": "shop-aaaa"}}]), id="another ConfigMap by name"),
        pytest.param(with_spec(volumes=[{"name": "v", "emptyDir": {}}]), id="volumes"),
        pytest.param(with_container(livenessProbe={"httpGet": {"path": "/", "port": 80}}), id="probes"),
        pytest.param(with_container(resources={"limits": {"memory": "64Mi"}}), id="resources"),
        pytest.param(with_spec(initContainers=[{"name": "wait", "image": "wait:1"}]), id="an init container"),
        pytest.param(marked("sidecar.istio.io/inject", "false"), id="an annotation that something acts on"),
        pytest.param(marked("vault.hashicorp.com/agent-inject-template-db", "{{ x }}"), id="an injector's settings"),
        pytest.param(marked("version", "v2", "labels"), id="a label that a Service may select"),
        pytest.param(marked("git-commit", "c0ffee"), id="a commit: under a tag that moves, nothing else tells"),
    ],
)
def test_what_can_be_at_fault_makes_one(other: dict[str, Any]) -> None:
    assert release_hash(other) != release_hash(BASE)


def test_a_stamp_hides_nothing_that_comes_with_it() -> None:
    stamped = marked("cattle.io/timestamp")
    stamped["spec"]["containers"][0]["image"] = "shop:v3"

    assert release_hash(stamped) == release_hash(a_template("shop:v3")) != release_hash(BASE)


def test_the_name_of_a_kept_template_is_what_it_always_was() -> None:
    """Whatever counts as a stamp: records and KeptReleases of an older Salus carry it."""
    stamped = marked("cattle.io/timestamp")
    named = workload_from(a_deployment_body(template=stamped)).named

    assert template_hash(stamped) != template_hash(BASE)
    assert named == f"{template_hash(stamped)}+{release_hash(BASE)}"
    assert same_release(named, template_hash(stamped))
    assert same_release(named, template_hash(stamped)[:10])
    assert not same_release(named, template_hash(a_template("shop:v3")))
    assert workload_from(a_deployment_body(template=BASE)).named == template_hash(BASE)


def test_checksums_tell_which_configuration_it_is() -> None:
    """Those of one release may differ; the places in which they do are named."""
    old = noted(**{"checksum/config": "9b1c", "checksum/secret": "aa", "cattle.io/timestamp": "1"})
    new = noted(**{"checksum/config": "77aa", "checksum/secret": "aa", "cattle.io/timestamp": "2"})
    before, after = checksums_of(old, KNOWN), checksums_of(new, KNOWN)

    assert differing(before, after) == ("annotation checksum/config",)
    assert differing(before, before) == ()
    assert identity(old).release == identity(new).release
    configurations = {workload_from(a_deployment_body(template=one)).configuration for one in (old, new, BASE)}
    assert len(configurations) == 3


def test_what_is_configured_counts_as_well() -> None:
    stamps = Stamps(Marks(annotations=("example.com/build-*",)), Marks(env=("CONFIG_SUM",)))

    assert release_hash(marked("example.com/build-id", "7"), stamps) == release_hash(BASE, stamps)
    assert release_hash(with_env("CONFIG_SUM"), stamps) == release_hash(BASE, stamps)
    assert release_hash(marked("cattle.io/timestamp"), stamps) != release_hash(BASE, stamps)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
ENV = st.lists(st.fixed_dictionaries({"name": st.sampled_from(["STAKATER_X", "A", "LAST_RESTART"]) | JSON}) | JSON)


@given(
    metadata=st.dictionaries(
        st.sampled_from(["annotations", "labels", "x"]), st.none() | st.dictionaries(st.text(), JSON)
    ),
    spec=JSON
    | st.fixed_dictionaries({"containers": JSON | st.lists(st.fixed_dictionaries({"env": ENV | JSON}) | JSON)}),
)
def test_whatever_stands_in_a_template_it_can_be_read(metadata: object, spec: object) -> None:
    """And what has no stamp is left as it is, to the very object; what had one has none."""
    template: dict[str, Any] = {"metadata": metadata, "spec": spec}
    before = deepcopy(template)
    bare = unstamped(template, KNOWN)

    assert template == before
    assert unstamped(bare, KNOWN) is bare
    assert checksums_of(bare, KNOWN) == ()
