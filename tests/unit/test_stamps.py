"""What in a pod template is a release, and what only a tool's stamp: a row for each tool."""

from collections.abc import Sequence
from copy import deepcopy
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.core.objects.stamps import KNOWN, checksums_of, differing, too_wide, unstamped
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


NOTED = [
    ("kubectl.kubernetes.io/restartedAt", "kubectl rollout restart, Lens, k9s, Headlamp, Argo CD's action"),
    ("kubesphere.io/restartedAt", "KubeSphere"),
    ("vso.secrets.hashicorp.com/restartedAt", "Vault Secrets Operator"),
    ("openshift.openshift.io/restartedAt", "the console of OpenShift"),
    ("example.com/restarted-at", "an operator of one's own"),
    ("restartedAt", "kubectl patch with the time of a restart"),
    ("date", "kubectl patch with a date"),
    ("cattle.io/timestamp", "Rancher, Redeploy"),
    ("field.cattle.io/ports", "Rancher, the ports it shows"),
    ("workload.cattle.io/state", "Rancher, the state it shows"),
    ("redeploy-timestamp", "Alibaba Cloud ACK, Redeploy"),
    ("qcloud-redeploy-timestamp", "Tencent Cloud TKE, Redeploy"),
    ("timestamp", "Helm, now"),
    ("releaseTime", "Helm, now, by another name"),
    ("deployedAt", "Helm, now, by a third one"),
    ("deployed-at", "Helm, now, by a fourth one"),
    ("example.com/deployed-at", "a pipeline's date"),
    ("rollme", "Helm, randAlphaNum"),
    ("flagger-id", "Flagger"),
    ("keel.sh/update-time", "Keel"),
    ("operator.1password.io/last-restarted", "1Password"),
    ("rollout.argoproj.io/restartedAt", "Argo Rollouts"),
    ("rollout.argoproj.io/revision", "Argo Rollouts, its revision"),
    ("argocd.argoproj.io/tracking-id", "Argo CD"),
    ("client.knative.dev/updateTimestamp", "kn"),
    ("artifact.spinnaker.io/version", "Spinnaker, its artifacts"),
    ("moniker.spinnaker.io/sequence", "Spinnaker"),
    ("azure-pipelines/run", "Azure Pipelines"),
    ("actions.github.com/k8s-deploy", "GitHub Actions, k8s-deploy"),
    ("skaffold.dev/run-id", "Skaffold"),
    ("tilt.dev/deploy-ref", "Tilt"),
    ("dev.okteto.com/restart", "Okteto"),
    ("kapp.k14s.io/nonce", "kapp"),
    ("meta.helm.sh/release-name", "Helm, of what it has adopted"),
    ("openshift.io/generated-by", "oc new-app"),
    ("kubernetes.io/change-cause", "kubectl --record"),
    ("deployment.kubernetes.io/revision", "what a live Deployment had"),
    ("deprecated.daemonset.template.generation", "what a live DaemonSet had"),
    ("kubectl.kubernetes.io/last-applied-configuration", "what kubectl apply had left"),
]
"""Annotations that make no release, and what writes them."""
LABELLED = [
    ("date", "kubectl patch, or Helm's now, in a label"),
    ("qcloud-redeploy-timestamp", "Tencent Cloud TKE, Redeploy, in a label"),
    ("rollouts-pod-template-hash", "Argo Rollouts, its hash"),
    ("controller-revision-hash", "what a pod of a StatefulSet had"),
    ("pod-template-generation", "what a pod of a DaemonSet had"),
    ("helm.sh/chart", "another version of the chart alone"),
    ("chart", "another version of an older chart alone"),
    ("heritage", "Helm 2 and 3"),
    ("skaffold.dev/run-id", "Skaffold, in a label"),
    ("tilt.dev/managed-by", "Tilt, in a label"),
    ("Octopus.Deployment.Id", "Octopus"),
]
SET = [
    ("LAST_MANUAL_RESTART", "kubectl set env, as Istio's scripts do"),
    ("LAST_RESTART", "kubectl set env, as Tanzu's do"),
    ("DEPLOY_DATE", "kubectl set env with a date"),
]
TIMED = [
    (marked("updatedAt"), "updatedAt"),
    (marked("deployTime", "1764601433"), "deployTime, in seconds"),
    (marked("deploy-date", "2026-12-01"), "deploy-date, a day"),
    (marked("example.com/last-deployed", "1764601433123"), "last-deployed, in milliseconds"),
    (marked("redeploy", "Tue Dec  1 15:03:53 UTC 2026"), "redeploy, by date"),
    (marked("rollout-time", "Tue, 01 Dec 2026 15:03:53 +0000"), "rollout-time, by date -R"),
    (marked("releasedAt", "2026-12-01 15:03:53.25 +0000 UTC m=+0.05"), "releasedAt, as Helm's now is printed"),
    (marked("deployed-at", "20261201T150353Z", "labels"), "deployed-at, in a label"),
    (with_env("RESTARTED_AT", "2026-12-01T15:03:53+01:00"), "RESTARTED_AT"),
    (with_env("DEPLOYED_AT", "1764601433"), "DEPLOYED_AT"),
    (with_env("REDEPLOYED_AT", "20261201150353"), "REDEPLOYED_AT"),
]
"""Times of a redeployment, under names that people made up."""
SUMMED_UP = [
    ("checksum/config", "Helm's checksum"),
    ("configChecksum", "Elastic's charts"),
    ("wave.pusher.com/config-hash", "Wave"),
    ("configmap-hash", "a chart's hash of a ConfigMap"),
    ("secret-hash", "a chart's hash of a Secret"),
    ("configHash", "a chart's hash in one word"),
    ("authConfigHash", "the hash of one of several"),
    ("config-sha", "TeamCity's chart"),
    ("example.com/config-sha256", "a controller of one's own"),
    ("reloader.stakater.com/last-reloaded-from", "Reloader, by an annotation"),
    ("secrets.doppler.com/secretsupdate.checkout", "Doppler"),
    ("secrets.infisical.com/managed-secret.checkout", "Infisical"),
    ("alpha.vault.security.banzaicloud.io/secret-reload-count", "Bank-Vaults"),
    ("secrets-reloader.security.bank-vaults.io/secret-reload-count", "Bank-Vaults, as it is called now"),
]
"""Annotations that say that the content of configuration has changed."""


def row(stamped: dict[str, Any], tool: str) -> Any:  # noqa: ANN401 — of a table
    return pytest.param(stamped, id=tool)


@pytest.mark.parametrize(
    "stamped",
    [
        *(row(marked(name), tool) for name, tool in (*NOTED, *SUMMED_UP)),
        *(row(marked(name, "x7Gh2", "labels"), tool) for name, tool in LABELLED),
        *(row(with_env(name), tool) for name, tool in SET),
        *(row(stamped, name) for stamped, name in TIMED),
        row(with_env("STAKATER_CHECKOUT_CONFIGMAP"), "Reloader, by an environment variable"),
    ],
)
def test_a_stamp_makes_no_release(stamped: dict[str, Any]) -> None:
    """Case 11; and what the tool puts there next time does neither."""
    assert release_hash(stamped) == release_hash(BASE)
    assert same_release(
        workload_from(a_deployment_body(template=stamped)).named, workload_from(a_deployment_body(template=BASE)).named
    )


@pytest.mark.parametrize(
    ("patterns", "rows"),
    [
        pytest.param(KNOWN.stamps.annotations, NOTED, id="annotations"),
        pytest.param(KNOWN.stamps.labels, LABELLED, id="labels"),
        pytest.param(KNOWN.stamps.env, SET, id="environment variables"),
        pytest.param(KNOWN.checksums.annotations, SUMMED_UP, id="checksums"),
    ],
)
def test_every_pattern_that_is_known_has_a_tool_that_writes_so(
    patterns: Sequence[str], rows: Sequence[tuple[str, str]]
) -> None:
    """And none is wider than an administrator may write one."""
    names = [name for name, _ in rows]

    assert [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in names)] == []
    assert [pattern for pattern in patterns if too_wide(pattern)] == []


NEARLY_EVERY = "matches nearly every name; say which, by at least 3 characters in a row"


@pytest.mark.parametrize("pattern", ["*", "**", "?*", "*/*", "*a*", "*.*", "a*", "*.?o/*", "[a-z]*", "*[!é]*"])
def test_a_pattern_for_nearly_every_name_is_refused(pattern: str) -> None:
    """By it a release that is at fault would be the one before."""
    assert too_wide(pattern) == NEARLY_EVERY


@pytest.mark.parametrize(
    ("pattern", "one", "other"),
    [
        ("*.io/*", "app.kubernetes.io/name", "sidecar.istio.io/inject"),
        ("*.com/*", "iam.amazonaws.com/role", "vault.hashicorp.com/agent-inject"),
        ("*kubernetes*", "app.kubernetes.io/name", "cluster-autoscaler.kubernetes.io/safe-to-evict"),
        ("*inject*", "instrumentation.opentelemetry.io/inject-java", "vault.hashicorp.com/agent-inject"),
    ],
)
def test_a_pattern_for_names_of_all_sorts_is_refused_and_says_of_which(pattern: str, one: str, other: str) -> None:
    assert too_wide(pattern) == f"matches names as different as {one} and {other}; say which are meant"


@pytest.mark.parametrize(
    "pattern", ["example.com/*", "app.kubernetes.io/*", "CI_*", "*-build", "*/built-at", "id", "a"]
)
def test_a_pattern_that_says_which_names_are_meant_may_stand(pattern: str) -> None:
    assert too_wide(pattern) == ""


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
        pytest.param(marked("example.com/redeploy-policy", "never"), id="what only speaks of a redeployment"),
        pytest.param(marked("example.com/model-timestamp"), id="the time of something that the pods load"),
        pytest.param(marked("reloader.stakater.com/auto", "true"), id="a setting of Reloader"),
        pytest.param(with_env("DEPLOYED_AT"), id="a variable that the program may read"),
        pytest.param(with_env("FEATURES_UNTIL", "2026-12-01"), id="a time that the program may read"),
        pytest.param(marked("model-updated-at"), id="the time at which something else was updated"),
        pytest.param(marked("release", "24"), id="a number of a release"),
        pytest.param(marked("release", "2024", "labels"), id="a year"),
        pytest.param(marked("version", "20261201150353", "labels"), id="a version that is a time"),
        pytest.param(marked("rollout", "fast"), id="what only speaks of a rollout"),
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
    assert release_hash(marked("updatedAt"), stamps) != release_hash(BASE, stamps)


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
