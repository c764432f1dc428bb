"""What a pod template refers to, and whether that is there."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.core.objects.references import gone, listed, needed, not_looked_at, references_of
from tests.builders import a_template


def with_spec(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 — handed on
    template = a_template()
    return {**template, "spec": {**template["spec"], **fields}}


def with_container(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 — handed on
    template = a_template()
    template["spec"]["containers"][0].update(fields)
    return template


def with_volume(**source: Any) -> dict[str, Any]:  # noqa: ANN401 — handed on
    return with_spec(volumes=[{"name": "v", **source}])


def with_source(**source: Any) -> dict[str, Any]:  # noqa: ANN401 — handed on
    return with_volume(projected={"sources": [source]})


KEY = {"name": "x", "key": "k"}


@pytest.mark.parametrize(
    ("template", "needs"),
    [
        pytest.param(a_template(), [], id="nothing"),
        pytest.param(with_volume(configMap={"name": "x"}), ["ConfigMap x"], id="a volume"),
        pytest.param(with_volume(secret={"secretName": "x"}), ["Secret x"], id="a volume of a Secret"),
        pytest.param(
            with_volume(persistentVolumeClaim={"claimName": "x"}), ["PersistentVolumeClaim x"], id="a volume claim"
        ),
        pytest.param(with_source(configMap={"name": "x"}), ["ConfigMap x"], id="a projected volume"),
        pytest.param(with_source(secret={"name": "x"}), ["Secret x"], id="a projected volume of a Secret"),
        pytest.param(with_source(serviceAccountToken={"path": "t"}), [], id="a projected token"),
        pytest.param(with_volume(csi={"nodePublishSecretRef": {"name": "x"}}), ["Secret x"], id="a CSI volume"),
        pytest.param(with_volume(emptyDir={}), [], id="an empty directory"),
        pytest.param(with_container(envFrom=[{"configMapRef": {"name": "x"}}]), ["ConfigMap x"], id="envFrom"),
        pytest.param(with_container(envFrom=[{"secretRef": {"name": "x"}}]), ["Secret x"], id="envFrom, a Secret"),
        pytest.param(
            with_container(env=[{"name": "A", "valueFrom": {"configMapKeyRef": KEY}}]), ["ConfigMap x"], id="one key"
        ),
        pytest.param(
            with_container(env=[{"name": "A", "valueFrom": {"secretKeyRef": KEY}}]),
            ["Secret x"],
            id="a Secret's key",
        ),
        pytest.param(
            with_spec(initContainers=[{"name": "i", "envFrom": [{"configMapRef": {"name": "x"}}]}]),
            ["ConfigMap x"],
            id="an init container",
        ),
        pytest.param(with_spec(imagePullSecrets=[{"name": "x"}]), [], id="a pull secret, without which kubelet tries"),
        pytest.param(with_spec(serviceAccountName="x"), ["ServiceAccount x"], id="a service account"),
        pytest.param(with_spec(serviceAccount="x"), ["ServiceAccount x"], id="a service account, by its old field"),
        pytest.param(with_spec(serviceAccountName="default"), [], id="the account that every namespace has"),
        pytest.param(with_spec(priorityClassName="x"), ["PriorityClass x"], id="a priority class"),
        pytest.param(with_volume(configMap={"name": "x", "optional": True}), [], id="an optional volume"),
        pytest.param(with_volume(secret={"secretName": "x", "optional": True}), [], id="an optional Secret"),
        pytest.param(with_source(configMap={"name": "x", "optional": True}), [], id="an optional projection"),
        pytest.param(with_container(envFrom=[{"configMapRef": {"name": "x", "optional": True}}]), [], id="optional"),
        pytest.param(
            with_container(env=[{"name": "A", "valueFrom": {"secretKeyRef": {**KEY, "optional": True}}}]),
            [],
            id="an optional key",
        ),
        pytest.param(with_volume(configMap={"name": "x", "optional": False}), ["ConfigMap x"], id="not optional"),
    ],
)
def test_what_a_template_needs(template: dict[str, Any], needs: list[str]) -> None:
    assert [str(one) for one in sorted(needed(template))] == needs


BOTH = with_container(envFrom=[{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "b"}}])


@pytest.mark.parametrize(
    ("existing", "missing", "unseen"),
    [
        pytest.param({"ConfigMap": frozenset({"a"}), "Secret": frozenset({"b"})}, "", "", id="all is there"),
        pytest.param({"ConfigMap": frozenset({"z"}), "Secret": frozenset({"b"})}, "ConfigMap a", "", id="one is gone"),
        pytest.param({"ConfigMap": frozenset(), "Secret": None}, "ConfigMap a", "Secret b", id="there is none at all"),
        pytest.param({"ConfigMap": frozenset({"a"}), "Secret": None}, "", "Secret b", id="no right to look"),
        pytest.param({}, "", "", id="nobody asked"),
    ],
)
def test_what_is_gone_and_what_nobody_could_see(existing: Any, missing: str, unseen: str) -> None:  # noqa: ANN401
    assert listed(gone(BOTH, existing)) == missing
    assert listed(not_looked_at(BOTH, existing)) == unseen


def test_a_sentence_names_a_few() -> None:
    many = with_container(envFrom=[{"configMapRef": {"name": f"c{number}"}} for number in range(8)])

    assert (
        listed(sorted(needed(many)))
        == "ConfigMap c0, ConfigMap c1, ConfigMap c2, ConfigMap c3, ConfigMap c4 and 3 more"
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["containers", "volumes", "env", "envFrom", "configMap", "secretRef", "name", "projected"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(spec=JSON)
def test_whatever_stands_in_a_template_it_can_be_read(spec: object) -> None:
    assert all(one.name for one in references_of({"spec": spec}))
