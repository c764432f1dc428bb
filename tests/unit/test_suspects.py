"""What lies beside a workload, read from Kubernetes' objects: edits, ConfigMaps of a template, unhealthy nodes."""

from collections.abc import Mapping
from typing import Any

import pytest

from salus.core.objects.edits import config_maps_of, edits_of, troubles_of
from salus.model.scalars import Body, format_time
from salus.model.values.surroundings import Edit, NodeTrouble
from tests.builders import ago

AT = format_time(ago(60))


def an_object(*entries: Mapping[str, Any], kind: str = "ConfigMap") -> Body:
    usual = {"manager": "kubectl-edit", "time": AT}
    return {"kind": kind, "metadata": {"name": "settings", "managedFields": [{**usual, **entry} for entry in entries]}}


@pytest.mark.parametrize(
    ("body", "managers"),
    [
        pytest.param(an_object({"fieldsV1": {"f:data": {"f:rate": {}}}}), ["kubectl-edit"], id="data"),
        pytest.param(an_object({"fieldsV1": {"f:binaryData": {}}}), ["kubectl-edit"], id="binary data"),
        pytest.param(an_object({"fieldsV1": {"f:spec": {"f:maxReplicas": {}}}}), ["kubectl-edit"], id="an autoscaler"),
        pytest.param(an_object({"fieldsV1": {"f:metadata": {"f:labels": {}}}}), [], id="labels mean nothing"),
        pytest.param(
            an_object({"fieldsV1": {"f:spec": {}}, "subresource": "status"}), [], id="what a controller says of it"
        ),
        pytest.param(
            an_object({"fieldsV1": {"f:spec": {}}, "manager": "salus"}), [], id="Salus has records of its own"
        ),
        pytest.param(an_object({"fieldsV1": {"f:data": {}}, "time": None}), [], id="nobody knows when"),
        pytest.param(an_object({"fieldsV1": None}), [], id="an entry without fields"),
        pytest.param(
            an_object({"fieldsV1": {"f:data": {}}}, {"fieldsV1": {"f:data": {}}, "manager": "helm"}),
            ["kubectl-edit", "helm"],
            id="each manager has its own time",
        ),
        pytest.param({"kind": "ConfigMap", "metadata": {"name": "bare"}}, [], id="nobody's fields"),
    ],
)
def test_who_edited_it(body: Body, managers: list[str]) -> None:
    found = list(edits_of(body, used=True))

    assert [edit.manager for edit in found] == managers
    assert all(edit == Edit("ConfigMap", "settings", edit.manager, ago(60)) for edit in found)


@pytest.mark.parametrize(
    ("used", "edits"),
    [
        pytest.param(True, 1, id="a new ConfigMap that the pods use"),
        pytest.param(False, 0, id="a new ConfigMap of somebody else, as each namespace gets one"),
    ],
)
def test_to_be_made_is_a_change_for_those_who_use_it(used: bool, edits: int) -> None:
    body = an_object({"fieldsV1": {"f:data": {}}})
    body["metadata"]["creationTimestamp"] = AT

    assert len(list(edits_of(body, used=used))) == edits


def spec(**fields: Any) -> Body:  # noqa: ANN401 — any part of a pod spec
    return {"spec": fields}


@pytest.mark.parametrize(
    ("template", "names"),
    [
        pytest.param(spec(volumes=[{"configMap": {"name": "a"}}]), {"a"}, id="a volume"),
        pytest.param(
            spec(volumes=[{"projected": {"sources": [{"configMap": {"name": "a"}}, {"secret": {"name": "s"}}]}}]),
            {"a"},
            id="a projected volume; its Secret is none",
        ),
        pytest.param(spec(containers=[{"envFrom": [{"configMapRef": {"name": "a"}}]}]), {"a"}, id="envFrom"),
        pytest.param(
            spec(containers=[{"env": [{"valueFrom": {"configMapKeyRef": {"name": "a", "key": "k"}}}, {"value": "x"}]}]),
            {"a"},
            id="valueFrom",
        ),
        pytest.param(
            spec(initContainers=[{"envFrom": [{"configMapRef": {"name": "a"}}]}]), {"a"}, id="an init container"
        ),
        pytest.param(
            spec(
                volumes=[{"secret": {"secretName": "s"}}, {"emptyDir": {}}],
                containers=[{"envFrom": [{"secretRef": {"name": "s"}}]}],
            ),
            set(),
            id="Secrets are not looked for",
        ),
        pytest.param(spec(volumes=None, containers=None), set(), id="nothing"),
        pytest.param({}, set(), id="no spec"),
    ],
)
def test_which_config_maps_a_template_names(template: Body, names: set[str]) -> None:
    assert config_maps_of(template) == names


def a_node(*conditions: tuple[str, str], **spec: Any) -> Body:  # noqa: ANN401 — any part of a node's spec
    told = [{"type": kind, "status": status, "lastTransitionTime": AT} for kind, status in conditions]
    return {"metadata": {"name": "node1"}, "spec": spec, "status": {"conditions": told}}


CORDON: Mapping[str, Any] = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
BY_HAND = {"manager": "kubectl", "time": AT, "fieldsV1": {"f:spec": {"f:unschedulable": {}}}}


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        pytest.param(a_node(("Ready", "True"), ("MemoryPressure", "False")), {}, id="all is well"),
        pytest.param(a_node(("Ready", "False")), {"NotReady": True}, id="its kubelet says no"),
        pytest.param(a_node(("Ready", "Unknown")), {"NotReady": True}, id="its kubelet says nothing any more"),
        pytest.param(
            a_node(("Ready", "True"), ("DiskPressure", "True"), ("PIDPressure", "Unknown")),
            {"DiskPressure": True},
            id="pressure; what is unknown is no pressure",
        ),
        pytest.param(
            a_node(("Ready", "True"), unschedulable=True, taints=[{**CORDON, "timeAdded": AT}]),
            {"Cordoned": True},
            id="a cordon, with the time of its taint",
        ),
        pytest.param(
            {**a_node(unschedulable=True), "metadata": {"name": "node1", "managedFields": [BY_HAND]}},
            {"Cordoned": True},
            id="a cordon, with the time of who wrote it",
        ),
        pytest.param(a_node(unschedulable=True, taints=[CORDON]), {"Cordoned": False}, id="a cordon without a time"),
        pytest.param({"metadata": {"name": "node1"}}, {}, id="a node that says nothing"),
    ],
)
def test_what_is_wrong_with_a_node(node: Body, expected: Mapping[str, bool]) -> None:
    wanted = [NodeTrouble("node1", what, ago(60) if timed else None) for what, timed in expected.items()]

    assert list(troubles_of(node)) == wanted
