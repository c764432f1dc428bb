"""Whether Git holds `spec.replicas`: told by managedFields and by the last-applied annotation."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from salus.core.objects.ownership import declarer, git_holds
from salus.core.objects.workloads import LAST_APPLIED

REPLICAS: Mapping[str, Any] = {"f:spec": {"f:replicas": {}, "f:template": {}}}
TEMPLATE: Mapping[str, Any] = {"f:spec": {"f:template": {}}}


def fields(manager: str, owned: Mapping[str, Any] | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"manager": manager, "operation": "Apply"}
    return {"managedFields": [entry if owned is None else {**entry, "fieldsV1": owned}]}


def applied(text: str) -> dict[str, Any]:
    return {"annotations": {LAST_APPLIED: text}}


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        pytest.param({}, False, id="nothing is told"),
        pytest.param({"managedFields": None, "annotations": None}, False, id="nothing at all"),
        pytest.param(fields("argocd-controller", REPLICAS), True, id="Argo CD applied replicas"),
        pytest.param(fields("argocd-controller", TEMPLATE), False, id="Argo CD left replicas out"),
        pytest.param(fields("kustomize-controller", REPLICAS), True, id="Flux applied replicas"),
        pytest.param(fields("helm-controller", REPLICAS), True, id="Flux' Helm applied replicas"),
        pytest.param(fields("kube-controller-manager", REPLICAS), False, id="another manager holds replicas"),
        pytest.param(fields("salus", REPLICAS), False, id="Salus itself holds replicas"),
        pytest.param(fields("argocd-controller", None), False, id="an entry without fields"),
        pytest.param({"managedFields": [{"fieldsV1": REPLICAS}]}, False, id="an entry without a manager"),
        pytest.param(
            {
                "managedFields": [
                    *fields("salus", REPLICAS)["managedFields"],
                    *fields("argocd", REPLICAS)["managedFields"],
                ]
            },
            True,
            id="one manager among others",
        ),
        pytest.param(applied(json.dumps({"spec": {"replicas": 3}})), True, id="last applied with replicas"),
        pytest.param(applied(json.dumps({"spec": {"template": {}}})), False, id="last applied without replicas"),
        pytest.param(applied(json.dumps({"spec": None})), False, id="last applied without a spec"),
        pytest.param(applied("{"), True, id="unreadable is taken as held"),
        pytest.param(applied("[]"), True, id="no object is taken as held"),
        pytest.param(applied('{"spec":1}'), True, id="a spec that is none is taken as held"),
        pytest.param(applied("[" * 200_000), True, id="nested deeper than can be read is taken as held"),
        pytest.param(applied(""), False, id="empty tells nothing"),
    ],
)
def test_whether_git_holds(metadata: Mapping[str, Any], expected: bool) -> None:
    assert git_holds({"metadata": metadata}) is expected


def of(manager: str, operation: str = "Update", owned: Mapping[str, Any] = REPLICAS) -> dict[str, Any]:
    return {"managedFields": [{"manager": manager, "operation": operation, "fieldsV1": owned}]}


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        pytest.param({}, "", id="nothing is told, as after `kubectl scale`"),
        pytest.param(of("kubectl-edit"), "", id="a person's hand"),
        pytest.param(of("kubectl-patch"), "", id="a script's hand"),
        pytest.param(of("helm"), "helm", id="a release of Helm"),
        pytest.param(of("helm", owned=TEMPLATE), "", id="a release of Helm that leaves replicas out"),
        pytest.param(of("terraform", "Apply"), "terraform", id="whoever applied it"),
        pytest.param(of("terraform", "Apply", TEMPLATE), "", id="whoever applied the rest"),
        pytest.param(applied(json.dumps({"spec": {"replicas": 0}})), "kubectl apply", id="a manifest that says so"),
        pytest.param(applied(json.dumps({"spec": {"replicas": 3}})), "", id="a manifest that says another number"),
        pytest.param(applied(json.dumps({"spec": {}})), "", id="a manifest that says nothing"),
        pytest.param(applied("{"), "kubectl apply", id="one that cannot be read may say so"),
    ],
)
def test_who_has_declared_a_zero(metadata: Mapping[str, Any], expected: str) -> None:
    assert declarer({"metadata": metadata, "spec": {"replicas": 0}}) == expected
