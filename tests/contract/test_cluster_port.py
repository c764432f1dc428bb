"""The port `Cluster`: what holds for the real API server holds for the fake, which the tests of the loop trust."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from salus.adapters import api
from salus.adapters.api import Connection, Login, NoCredentials
from salus.adapters.cluster import ApiCluster
from salus.core.actions.stamp import Stamp, read, stamped
from salus.model.change import ActionKind, Facts
from salus.model.scalars import Body
from salus.ports import (
    AUTOSCALERS,
    CHANGE_EVENTS,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    HEALTH_POLICIES,
    NODES,
    PODS,
    RECORD_KEEPING,
    SCALED_OBJECTS,
    Cluster,
    ClusterError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Ref,
    Rejected,
    Resource,
    Throttled,
    Unavailable,
)
from tests.builders import a_change
from tests.contract.conftest import USER, Answer, Scripted, kubeconfig, status
from tests.contract.crd_cases import valid
from tests.fakes.cluster import SPECIMENS, FakeCluster
from tools.devcluster.audit import AuditEvent
from tools.devcluster.cluster import DevCluster

REVISION = {
    "metadata": {"name": "kept", "labels": {"app": "web"}},
    "revision": 1,
    "data": {"spec": {"x": 1}, "list": [1]},
}


def deployment(namespace: str, name: str = "web", **labels: str) -> dict[str, Any]:
    """A Deployment without pods."""
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": namespace, "name": name, "labels": labels, "annotations": {"team": "a"}},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


def revision(namespace: str) -> dict[str, Any]:
    """A ControllerRevision that no controller will touch."""
    return {**REVISION, "metadata": {**REVISION["metadata"], "namespace": namespace}}  # type: ignore[dict-item]


def hpa(namespace: str, **spec: int) -> dict[str, Any]:
    """A HorizontalPodAutoscaler of a Deployment that is not there, so that nothing is scaled."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"}
    metadata = {"namespace": namespace, "name": "web", "annotations": {"team": "a"}}
    return {"metadata": metadata, "spec": {"scaleTargetRef": target, "maxReplicas": 10, **spec}}


def scaled_object(namespace: str) -> dict[str, Any]:
    """A ScaledObject of KEDA."""
    spec = {"scaleTargetRef": {"name": "none"}, "maxReplicaCount": 10, "triggers": [{"type": "cpu"}]}
    return {"metadata": {"namespace": namespace, "name": "web", "annotations": {"team": "a"}}, "spec": spec}


STAMP = {"op": "add", "path": "/metadata/annotations/salus.dev~1change", "value": "web-1"}


def change_event(namespace: str) -> dict[str, Any]:
    """A valid ChangeEvent."""
    body = valid("ChangeEvent")
    return {**body, "metadata": {"namespace": namespace, "name": "web-12345678-1"}}


class ClusterContract:
    """What every implementation of the port does."""

    async def test_a_created_object_has_an_identity(self, cluster: Cluster, namespace: str) -> None:
        """And the status that it was given is dropped: status is written apart."""
        asked = {**deployment(namespace), "status": {"replicas": 7}}

        made = await cluster.create(DEPLOYMENTS, asked)

        assert str(uuid.UUID(made["metadata"]["uid"])) == made["metadata"]["uid"]
        assert made["metadata"]["resourceVersion"]
        assert made["metadata"]["creationTimestamp"].endswith("Z")
        assert made["metadata"]["generation"] == 1
        assert (made.get("status") or {}).get("replicas") is None

    async def test_what_was_created_is_read_back(self, cluster: Cluster, namespace: str) -> None:
        made = await cluster.create(CONTROLLER_REVISIONS, revision(namespace))

        assert await cluster.get(Ref(CONTROLLER_REVISIONS, namespace, "kept")) == made
        assert made["apiVersion"] == "apps/v1"
        assert made["kind"] == "ControllerRevision"

    async def test_a_taken_name_is_a_conflict(self, cluster: Cluster, namespace: str) -> None:
        """This is the lock that lets one of two intents through."""
        await cluster.create(CONTROLLER_REVISIONS, revision(namespace))

        with pytest.raises(Conflict):
            await cluster.create(CONTROLLER_REVISIONS, revision(namespace))

    @pytest.mark.parametrize(
        "ask",
        [
            pytest.param(lambda cluster, ref: cluster.get(ref), id="get"),
            pytest.param(lambda cluster, ref: cluster.patch(ref, []), id="patch"),
            pytest.param(lambda cluster, ref: cluster.update_status(ref, {"replicas": 1}), id="update_status"),
            pytest.param(lambda cluster, ref: cluster.delete(ref), id="delete"),
        ],
    )
    async def test_what_is_not_there_is_not_found(
        self, cluster: Cluster, namespace: str, ask: Callable[[Cluster, Ref], Awaitable[object]]
    ) -> None:
        with pytest.raises(NotFound):
            await ask(cluster, Ref(DEPLOYMENTS, namespace, "none"))

    async def test_a_list_is_chosen_by_labels_and_ordered_by_name(self, cluster: Cluster, namespace: str) -> None:
        for name, tier in (("c", "back"), ("b", "front"), ("a", "back")):
            await cluster.create(DEPLOYMENTS, deployment(namespace, name, tier=tier, app="shop"))

        everything = await cluster.list(DEPLOYMENTS, namespace)
        some = await cluster.list(DEPLOYMENTS, namespace, {"tier": "back", "app": "shop"})

        assert [body["metadata"]["name"] for body in everything] == ["a", "b", "c"]
        assert [body["metadata"]["name"] for body in some] == ["a", "c"]

    async def test_the_same_objects_come_one_after_another(self, cluster: Cluster, namespace: str) -> None:
        """With what they are and what is in them, as in a list."""
        for name, tier in (("c", "back"), ("b", "front"), ("a", "back")):
            await cluster.create(DEPLOYMENTS, deployment(namespace, name, tier=tier))

        def undated(bodies: Iterable[Body]) -> list[tuple[str, str, str, object]]:
            return [(b["apiVersion"], b["kind"], b["metadata"]["name"], b["spec"]) for b in bodies]

        for labels in ({}, {"tier": "back"}):
            found = [body async for body in cluster.each(DEPLOYMENTS, namespace, labels)]
            assert undated(found) == undated(await cluster.list(DEPLOYMENTS, namespace, labels))

    async def test_the_objects_of_a_namespace_come_together(self, cluster: Cluster, namespace: str) -> None:
        """Records can be taken in namespace by namespace."""
        mark = uuid.uuid4().hex
        for name in ("b", "a"):
            await cluster.create(DEPLOYMENTS, deployment(namespace, name, mark=mark))

        found = [body["metadata"]["namespace"] async for body in cluster.each(DEPLOYMENTS, None, {"mark": mark})]

        assert found == [namespace, namespace]
        everything = [body["metadata"]["namespace"] async for body in cluster.each(DEPLOYMENTS, None)]
        assert len([one for one, _ in groupby(everything)]) == len(set(everything))

    async def test_a_kind_that_is_not_served_has_no_objects_to_come(self, cluster: Cluster, namespace: str) -> None:
        with pytest.raises(NotFound):
            await anext(aiter(cluster.each(Resource("nobody.example.com/v1", "widgets", "Widget"), namespace)))

    async def test_the_items_of_a_list_say_what_they_are(self, cluster: Cluster, namespace: str) -> None:
        """The API server leaves kind and apiVersion out of them."""
        await cluster.create(DEPLOYMENTS, deployment(namespace))

        (item,) = await cluster.list(DEPLOYMENTS, namespace)

        assert (item["apiVersion"], item["kind"]) == ("apps/v1", "Deployment")

    async def test_a_list_of_metadata_leaves_out_what_is_in_the_objects(self, cluster: Cluster, namespace: str) -> None:
        """It still says what they are, and for the blame who wrote them."""
        body = {"metadata": {"namespace": namespace, "name": "settings", "labels": {"a": "b"}}, "data": {"rate": "5"}}
        await cluster.create(CONFIG_MAPS, body)

        found = await cluster.list_metadata(CONFIG_MAPS, namespace)
        item = next(one for one in found if one["metadata"]["name"] == "settings")

        assert set(item) == {"apiVersion", "kind", "metadata"}
        assert (item["apiVersion"], item["kind"], item["metadata"]["labels"]) == ("v1", "ConfigMap", {"a": "b"})

    async def test_a_list_of_metadata_of_nothing_is_empty(self, cluster: Cluster, namespace: str) -> None:
        """The API server says null for the items of such a list, and of no other."""
        assert await cluster.list_metadata(CONTROLLER_REVISIONS, namespace) == []

    async def test_a_node_has_no_namespace(self, cluster: Cluster) -> None:
        name = f"node-{uuid.uuid4().hex}"
        made = await cluster.create(NODES, {"metadata": {"name": name}, "spec": {"unschedulable": True}})
        try:
            found = await cluster.get(Ref(NODES, "", name))
        finally:
            await cluster.delete(Ref(NODES, "", name))

        assert found["metadata"]["uid"] == made["metadata"]["uid"]
        assert found["spec"]["unschedulable"]

    async def test_a_list_may_span_all_namespaces(self, cluster: Cluster, namespace: str) -> None:
        mark = uuid.uuid4().hex
        await cluster.create(DEPLOYMENTS, deployment(namespace, mark=mark))

        assert len(await cluster.list(DEPLOYMENTS, None, {"mark": mark})) == 1

    async def test_a_patch_does_all_its_operations(self, cluster: Cluster, namespace: str) -> None:
        made = await cluster.create(DEPLOYMENTS, deployment(namespace))
        ref = Ref(DEPLOYMENTS, namespace, "web")

        patched = await cluster.patch(
            ref,
            [
                {"op": "test", "path": "/metadata/uid", "value": made["metadata"]["uid"]},
                {"op": "test", "path": "/metadata/generation", "value": 1},
                {"op": "add", "path": "/metadata/annotations/salus.dev~1change", "value": "web-1"},
                {"op": "add", "path": "/spec/paused", "value": True},
            ],
        )

        annotations = {"team": "a", "salus.dev/change": "web-1"}
        assert annotations.items() <= patched["metadata"]["annotations"].items()  # the controller adds one of its own
        assert patched["spec"]["paused"] is True
        assert patched["metadata"]["uid"] == made["metadata"]["uid"]

    async def test_the_server_notes_what_salus_writes(self, cluster: Cluster, namespace: str) -> None:
        """By managedFields a name is believed: of the deed that was done, and not of one that only bears its name."""
        made = await cluster.create(DEPLOYMENTS, {**deployment(namespace)})
        meant = a_change(action=ActionKind.SCALE, intended=Facts(replicas=5))
        edits = ({"op": "replace", "path": "/spec/replicas", "value": 5},)
        patch = stamped(
            ({"op": "test", "path": "/spec/replicas", "value": made["spec"]["replicas"]}, *edits), made, meant.name
        )
        record = {"metadata": {"creationTimestamp": made["metadata"]["creationTimestamp"]}, "spec": {"patch": patch}}
        ref = Ref(DEPLOYMENTS, namespace, "web")

        named = await cluster.patch(ref, patch[2:])
        assert read(meant, record, named, Facts(replicas=named["spec"]["replicas"])).stamp is Stamp.FORGED
        done = await cluster.patch(ref, patch)
        assert read(meant, record, done, Facts(replicas=done["spec"]["replicas"])).stamp is Stamp.SOUND
        later = {"metadata": {"creationTimestamp": "2999-01-01T00:00:00Z"}, "spec": {"patch": patch}}
        assert read(meant, later, done, Facts(replicas=5)).stamp is Stamp.DOUBTFUL

    @pytest.mark.parametrize(
        "operation",
        [
            pytest.param({"op": "test", "path": "/metadata/uid", "value": "other"}, id="a test that fails"),
            pytest.param({"op": "test", "path": "/metadata/generation", "value": 7}, id="a test of a number"),
            pytest.param({"op": "test", "path": "/metadata/labels/none", "value": "x"}, id="a test of what is absent"),
            pytest.param({"op": "remove", "path": "/metadata/labels/none"}, id="a removal of what is absent"),
            pytest.param({"op": "replace", "path": "/data/none/x", "value": "x"}, id="a replacement below it"),
            pytest.param({"op": "add", "path": "/data/none/x", "value": "x"}, id="an addition below it"),
            pytest.param({"op": "test", "path": "/data/none/x", "value": None}, id="a test for null below it"),
            pytest.param({"op": "replace", "path": "/data/list/7", "value": 1}, id="a replacement past a list's end"),
            pytest.param({"op": "change", "path": "/data/x", "value": 1}, id="an operation that is none"),
            pytest.param({"op": "add", "path": "data", "value": 1}, id="a path that is none"),
        ],
    )
    async def test_a_patch_that_does_not_apply_is_invalid_and_changes_nothing(
        self, cluster: Cluster, namespace: str, operation: dict[str, Any]
    ) -> None:
        """No causes: read the object to learn what changed. What came before in the patch is not done either."""
        made = await cluster.create(CONTROLLER_REVISIONS, revision(namespace))
        ref = Ref(CONTROLLER_REVISIONS, namespace, "kept")

        with pytest.raises(Invalid) as caught:
            await cluster.patch(ref, [{"op": "add", "path": "/metadata/labels/new", "value": "x"}, operation])

        assert caught.value.causes == ()
        assert await cluster.get(ref) == made

    @pytest.mark.parametrize(
        ("operation", "labels"),
        [
            pytest.param(
                {"op": "replace", "path": "/metadata/labels/none", "value": "x"},
                {"app": "web", "none": "x"},
                id="a replacement adds it",
            ),
            pytest.param(
                {"op": "test", "path": "/metadata/labels/none", "value": None},
                {"app": "web"},
                id="a test for null holds",
            ),
        ],
    )
    async def test_an_absent_member_is_treated_leniently(
        self, cluster: Cluster, namespace: str, operation: dict[str, Any], labels: dict[str, str]
    ) -> None:
        """Against RFC 6902; a test for null is thus a way to say that a field must not be there."""
        await cluster.create(CONTROLLER_REVISIONS, revision(namespace))

        patched = await cluster.patch(Ref(CONTROLLER_REVISIONS, namespace, "kept"), [operation])

        assert patched["metadata"]["labels"] == labels

    async def test_a_patch_that_makes_an_invalid_object_names_the_field(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(DEPLOYMENTS, deployment(namespace))

        with pytest.raises(Invalid) as caught:
            await cluster.patch(
                Ref(DEPLOYMENTS, namespace, "web"), [{"op": "replace", "path": "/spec/replicas", "value": -1}]
            )

        assert [path for path, _ in caught.value.causes] == ["spec.replicas"]

    async def test_an_hpa_that_says_no_minimum_is_answered_with_one(self, cluster: Cluster, namespace: str) -> None:
        """Also after its removal: so there is always an old value to test."""
        made = await cluster.create(AUTOSCALERS, hpa(namespace))
        ref = Ref(AUTOSCALERS, namespace, "web")

        raised = await cluster.patch(ref, [{"op": "replace", "path": "/spec/minReplicas", "value": 6}, STAMP])
        back = await cluster.patch(ref, [{"op": "remove", "path": "/spec/minReplicas"}])

        assert made["spec"]["minReplicas"] == 1
        assert (raised["spec"]["minReplicas"], raised["metadata"]["annotations"]["salus.dev/change"]) == (6, "web-1")
        assert back["spec"] == made["spec"]

    async def test_the_minimum_of_an_hpa_is_never_above_its_maximum(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(AUTOSCALERS, hpa(namespace, minReplicas=2))

        with pytest.raises(Invalid) as caught:
            await cluster.patch(
                Ref(AUTOSCALERS, namespace, "web"), [{"op": "replace", "path": "/spec/minReplicas", "value": 11}]
            )

        assert [path for path, _ in caught.value.causes] == ["spec.maxReplicas"]

    @pytest.mark.parametrize(
        ("resource", "body", "floor"),
        [
            pytest.param(AUTOSCALERS, hpa, "minReplicas", id="an HPA"),
            pytest.param(SCALED_OBJECTS, scaled_object, "minReplicaCount", id="a ScaledObject"),
        ],
    )
    async def test_the_generation_of_an_autoscaler_counts_its_spec_alone(
        self, cluster: Cluster, namespace: str, resource: Resource, body: Callable[[str], Body], floor: str
    ) -> None:
        """Not the annotation that names a change."""
        made = await cluster.create(resource, body(namespace))
        ref = Ref(resource, namespace, "web")

        stamped = await cluster.patch(ref, [STAMP])
        raised = await cluster.patch(ref, [{"op": "add", "path": f"/spec/{floor}", "value": 6}, STAMP])

        assert [o["metadata"]["generation"] for o in (made, stamped, raised)] == [1, 1, 2]

    async def test_a_minimum_that_a_scaled_object_does_not_have_is_added_and_removed(
        self, cluster: Cluster, namespace: str
    ) -> None:
        made = await cluster.create(SCALED_OBJECTS, scaled_object(namespace))
        ref = Ref(SCALED_OBJECTS, namespace, "web")

        raised = await cluster.patch(ref, [{"op": "add", "path": "/spec/minReplicaCount", "value": 6}])
        back = await cluster.patch(ref, [{"op": "remove", "path": "/spec/minReplicaCount"}])

        assert (made["spec"].get("minReplicaCount"), raised["spec"]["minReplicaCount"]) == (None, 6)
        assert back["spec"] == made["spec"]

    async def test_a_list_of_a_kind_that_is_not_served_is_not_found(self, cluster: Cluster, namespace: str) -> None:
        """As ScaledObjects are where there is no KEDA; a kind without objects is an empty list."""
        with pytest.raises(NotFound):
            await cluster.list(Resource("nobody.example.com/v1", "widgets", "Widget"), namespace)

        assert await cluster.list(AUTOSCALERS, namespace) == []

    async def test_an_invalid_record_names_the_field(self, cluster: Cluster, namespace: str) -> None:
        body = change_event(namespace)
        body["spec"] = {**body["spec"], "decision": "Maybe"}

        with pytest.raises(Invalid) as caught:
            await cluster.create(CHANGE_EVENTS, body)

        assert "spec.decision" in [path for path, _ in caught.value.causes]

    async def test_a_record_does_not_change(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(CHANGE_EVENTS, change_event(namespace))

        with pytest.raises(Invalid, match="never changes"):
            await cluster.patch(
                Ref(CHANGE_EVENTS, namespace, "web-12345678-1"),
                [{"op": "replace", "path": "/spec/message", "value": "another story"}],
            )

    async def test_a_kept_release_does_not_change(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(CONTROLLER_REVISIONS, revision(namespace))

        with pytest.raises(Invalid) as caught:
            await cluster.patch(
                Ref(CONTROLLER_REVISIONS, namespace, "kept"),
                [{"op": "replace", "path": "/data/spec/x", "value": 2}],
            )

        assert [path for path, _ in caught.value.causes] == ["data"]

    @pytest.mark.parametrize(
        ("operation", "generation"),
        [
            pytest.param({"op": "replace", "path": "/spec/replicas", "value": 0}, 1, id="nothing new is no generation"),
            pytest.param({"op": "add", "path": "/spec/minReadySeconds", "value": 9}, 2, id="a new spec is one"),
            pytest.param({"op": "add", "path": "/metadata/labels", "value": {"x": "y"}}, 1, id="a label is none"),
            pytest.param(
                {"op": "add", "path": "/metadata/annotations/x", "value": "y"},
                2,
                id="an annotation of a Deployment is one",
            ),
        ],
    )
    async def test_the_generation_counts_specs(
        self, cluster: Cluster, namespace: str, operation: dict[str, Any], generation: int
    ) -> None:
        await cluster.create(DEPLOYMENTS, deployment(namespace))

        patched = await cluster.patch(Ref(DEPLOYMENTS, namespace, "web"), [operation])

        assert patched["metadata"]["generation"] == generation

    async def test_the_generation_of_our_kinds_does_not_count_annotations(
        self, cluster: Cluster, namespace: str
    ) -> None:
        await cluster.create(CHANGE_EVENTS, change_event(namespace))

        patched = await cluster.patch(
            Ref(CHANGE_EVENTS, namespace, "web-12345678-1"),
            [{"op": "add", "path": "/metadata/annotations", "value": {"x": "y"}}],
        )

        assert patched["metadata"]["generation"] == 1

    async def test_a_change_of_nothing_is_no_new_version(self, cluster: Cluster, namespace: str) -> None:
        made = await cluster.create(CONTROLLER_REVISIONS, revision(namespace))
        ref = Ref(CONTROLLER_REVISIONS, namespace, "kept")

        same = await cluster.patch(ref, [{"op": "replace", "path": "/metadata/labels/app", "value": "web"}])
        other = await cluster.patch(ref, [{"op": "replace", "path": "/metadata/labels/app", "value": "web2"}])

        assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
        assert other["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]

    async def test_a_stale_version_is_a_conflict(self, cluster: Cluster, namespace: str) -> None:
        made = await cluster.create(CONTROLLER_REVISIONS, revision(namespace))
        ref = Ref(CONTROLLER_REVISIONS, namespace, "kept")
        await cluster.patch(ref, [{"op": "add", "path": "/metadata/labels/x", "value": "1"}])
        stale = {"op": "replace", "path": "/metadata/resourceVersion", "value": made["metadata"]["resourceVersion"]}

        with pytest.raises(Conflict):
            await cluster.patch(ref, [stale, {"op": "add", "path": "/metadata/labels/x", "value": "2"}])

    async def test_our_kinds_begin_unobserved(self, cluster: Cluster, namespace: str) -> None:
        """So that kstatus waits for us."""
        made = await cluster.create(CHANGE_EVENTS, change_event(namespace))

        assert made["status"]["observedGeneration"] == -1

    async def test_the_status_is_merged_and_nothing_else_is_written(self, cluster: Cluster, namespace: str) -> None:
        """Fields that are not named stay, null removes; the spec and its generation stay."""
        made = await cluster.create(CHANGE_EVENTS, change_event(namespace))
        ref = Ref(CHANGE_EVENTS, namespace, "web-12345678-1")

        first = await cluster.update_status(ref, {"outcome": "Recovered", "message": "on its way"})
        second = await cluster.update_status(ref, {"outcome": None, "observedGeneration": 1})

        assert first["status"]["outcome"] == "Recovered"
        assert "outcome" not in second["status"]
        assert (second["status"]["message"], second["status"]["observedGeneration"]) == ("on its way", 1)
        assert second["spec"] == made["spec"]
        assert second["metadata"]["generation"] == 1
        assert second["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]

    async def test_a_patch_of_the_object_leaves_its_status_alone(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(CHANGE_EVENTS, change_event(namespace))
        ref = Ref(CHANGE_EVENTS, namespace, "web-12345678-1")

        operation = {"op": "add", "path": "/status/message", "value": "forged"}
        direct = await cluster.patch(ref, [operation])
        by_subresource = await cluster.patch(ref, [operation], subresource="status")

        assert direct["status"].get("message", "") == ""
        assert by_subresource["status"]["message"] == "forged"

    async def test_a_deletion_is_of_the_very_object(self, cluster: Cluster, namespace: str) -> None:
        """One that was made again under the same name has another uid, and stays."""
        made = await cluster.create(CONTROLLER_REVISIONS, revision(namespace))
        ref = Ref(CONTROLLER_REVISIONS, namespace, "kept")

        with pytest.raises(Conflict):
            await cluster.delete(ref, uid=str(uuid.uuid4()))
        await cluster.delete(ref, uid=made["metadata"]["uid"])

        with pytest.raises(NotFound):
            await cluster.get(ref)

    @pytest.mark.parametrize(
        "name",
        [
            pytest.param("../../pods/x", id="a way up"),
            pytest.param("web/status", id="a subresource"),
            pytest.param("web?dryRun=All", id="a query"),
            pytest.param("Web", id="capital letters"),
            pytest.param("web\n", id="a line end"),
            pytest.param("", id="nothing"),
            pytest.param("a" * 254, id="too long"),
        ],
    )
    async def test_a_name_that_is_none_never_leaves_the_house(
        self, cluster: Cluster, namespace: str, name: str
    ) -> None:
        for ref in (Ref(DEPLOYMENTS, namespace, name), Ref(DEPLOYMENTS, name, "web")):
            with pytest.raises(Invalid):
                await cluster.get(ref)
            with pytest.raises(Invalid):
                await cluster.patch(ref, [])
            with pytest.raises(Invalid):
                await cluster.delete(ref)

    async def test_the_operator_itself_writes_records_only(self, cluster: Cluster, namespace: str) -> None:
        """Whatever RBAC says: what is not in the list does not leave the house."""
        await cluster.create(DEPLOYMENTS, deployment(namespace))
        itself = self.as_the_operator(cluster)
        ref = Ref(DEPLOYMENTS, namespace, "web")

        for write in (
            itself.patch(ref, []),
            itself.patch(ref, [], subresource="status"),
            itself.update_status(ref, {}),
            itself.delete(ref),
            itself.delete(Ref(PODS, namespace, "web-0")),
            itself.create(DEPLOYMENTS, deployment(namespace, "other")),
            itself.patch(Ref(HEALTH_POLICIES, namespace, "web"), []),
        ):
            with pytest.raises(Forbidden):
                await write
        assert await itself.create(CHANGE_EVENTS, change_event(namespace))

    def as_the_operator(self, cluster: Cluster) -> Cluster:
        """The same cluster with the rights of the product, not of this test."""
        raise NotImplementedError

    async def test_a_label_cannot_widen_a_selection(self, cluster: Cluster, namespace: str) -> None:
        with pytest.raises(Invalid):
            await cluster.list(DEPLOYMENTS, namespace, {"app": "web,tier!=x"})


class TestFakeCluster(ClusterContract):
    """The contract, and what only the fake can be told."""

    @pytest.fixture
    def cluster(self) -> FakeCluster:
        return FakeCluster(rights=SPECIMENS)

    @pytest.fixture
    def namespace(self) -> str:
        return "shop"

    def as_the_operator(self, cluster: Cluster) -> Cluster:
        assert isinstance(cluster, FakeCluster)
        cluster.rights = RECORD_KEEPING
        return cluster

    async def test_it_remembers_writes_in_their_order(self, cluster: FakeCluster, namespace: str) -> None:
        await cluster.create(DEPLOYMENTS, deployment(namespace))
        ref = Ref(DEPLOYMENTS, namespace, "web")
        operations = [{"op": "replace", "path": "/spec/replicas", "value": 3}]
        await cluster.patch(ref, operations)
        with pytest.raises(NotFound):
            await cluster.delete(Ref(DEPLOYMENTS, namespace, "none"))

        assert [write.verb for write in cluster.writes] == ["create", "patch"]
        assert (cluster.writes[1].ref, cluster.writes[1].body) == (ref, operations)
        assert [write.verb for write in cluster.refused] == ["delete"]

    async def test_a_failure_before_the_effect(self, cluster: FakeCluster, namespace: str) -> None:
        cluster.fail_next(Throttled("slow down", timedelta(seconds=3)))

        with pytest.raises(Throttled):
            await cluster.create(DEPLOYMENTS, deployment(namespace))

        assert not cluster.objects(DEPLOYMENTS)
        assert not cluster.writes

    async def test_a_lost_reply(self, cluster: FakeCluster, namespace: str) -> None:
        """The effect is there, and the caller cannot know."""
        cluster.fail_next(after_effect=True)

        with pytest.raises(Unavailable):
            await cluster.create(DEPLOYMENTS, deployment(namespace))

        assert len(cluster.objects(DEPLOYMENTS)) == len(cluster.writes) == 1
        await cluster.delete(Ref(DEPLOYMENTS, namespace, "web"))

    async def test_others_change_things_too(self, cluster: FakeCluster, namespace: str) -> None:
        """Such changes count generations, and are not among the writes."""
        cluster.put({**deployment(namespace), "status": {"replicas": 2}})
        ref = Ref(DEPLOYMENTS, namespace, "web")

        edited = cluster.edit(ref, lambda body: body["spec"].update(replicas=5))

        assert (edited["metadata"]["generation"], edited["status"]["replicas"]) == (2, 2)
        assert not cluster.writes
        cluster.remove(ref)
        with pytest.raises(NotFound):
            await cluster.get(ref)

    async def test_what_is_read_is_a_copy(self, cluster: FakeCluster, namespace: str) -> None:
        cluster.put(deployment(namespace))
        ref = Ref(DEPLOYMENTS, namespace, "web")

        (await cluster.get(ref))["spec"]["replicas"] = 99

        assert (await cluster.get(ref))["spec"]["replicas"] == 0


class TestApiCluster(ClusterContract):
    """The contract on the real API server, and what only its audit log can tell."""

    @pytest.fixture
    def cluster(self, connection: Connection, our_kinds: None, keda: None) -> ApiCluster:  # noqa: ARG002 - served
        self.connection = connection
        return ApiCluster(connection, rights=SPECIMENS)

    def as_the_operator(self, cluster: Cluster) -> Cluster:
        assert isinstance(cluster, ApiCluster)
        return ApiCluster(self.connection)

    def writes(self, devcluster: DevCluster, namespace: str) -> list[AuditEvent]:
        return devcluster.audit.writes(user=USER, namespace=namespace)

    async def test_every_write_is_one_request_by_field_manager_salus(
        self, cluster: ApiCluster, devcluster: DevCluster, namespace: str
    ) -> None:
        await cluster.create(CHANGE_EVENTS, change_event(namespace))
        ref = Ref(CHANGE_EVENTS, namespace, "web-12345678-1")
        await cluster.patch(ref, [{"op": "add", "path": "/metadata/annotations", "value": {"x": "y"}}])
        await cluster.update_status(ref, {"message": "done"})
        await cluster.delete(ref)

        last = devcluster.audit.wait_for(
            lambda event: (event.user, event.namespace, event.verb) == (USER, namespace, "delete"), what="the deletion"
        )
        writes = self.writes(devcluster, namespace)
        assert [(write.verb, write.subresource, write.field_manager) for write in writes[:3]] == [
            ("create", "", "salus"),
            ("patch", "", "salus"),
            ("patch", "status", "salus"),
        ]
        assert len(writes) == 4
        assert last.code == 200

    async def test_the_fence_stands_before_every_write(
        self, connection: Connection, devcluster: DevCluster, namespace: str
    ) -> None:
        """Reading goes on."""

        def fence() -> None:
            raise Rejected("the lease is another's")

        cluster, ref = ApiCluster(connection, fence, SPECIMENS), Ref(DEPLOYMENTS, namespace, "web")
        for write in (
            cluster.create(DEPLOYMENTS, deployment(namespace)),
            cluster.patch(ref, []),
            cluster.update_status(ref, {}),
            cluster.delete(ref),
        ):
            with pytest.raises(Rejected, match="the lease is another's"):
                await write

        assert await cluster.list(DEPLOYMENTS, namespace) == []
        assert self.writes(devcluster, namespace) == []

    async def test_a_long_list_comes_in_pages(
        self, cluster: ApiCluster, namespace: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(api, "PAGE_SIZE", 2)
        for index in range(5):
            await cluster.create(DEPLOYMENTS, deployment(namespace, f"web-{index}"))

        found = await cluster.list(DEPLOYMENTS, namespace)
        each = [body async for body in cluster.each(DEPLOYMENTS, namespace)]

        assert [body["metadata"]["name"] for body in found] == [f"web-{index}" for index in range(5)]
        assert [body["metadata"]["uid"] for body in each] == [body["metadata"]["uid"] for body in found]

    async def test_a_namespace_that_is_not_there(self, cluster: ApiCluster) -> None:
        assert await cluster.list(PODS, "no-such-namespace") == []
        with pytest.raises(NotFound):
            await cluster.create(DEPLOYMENTS, deployment("no-such-namespace"))

    async def test_a_closed_connection_is_unavailable(self, devcluster: DevCluster) -> None:
        connection = await Connection.open(Login(devcluster.kubeconfig))
        await connection.close()

        with pytest.raises(Unavailable, match="closed"):
            await ApiCluster(connection).get(Ref(PODS, "default", "x"))


async def _html(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>welcome</html>", content_type="text/html")


async def _list(_: web.Request) -> web.StreamResponse:
    return web.json_response([1, 2])


async def _silence(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("the wait has no end")


async def _hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport
    request.transport.close()
    return web.Response()


async def _half(request: web.Request) -> web.StreamResponse:
    assert request.transport
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"kind":')
    request.transport.close()
    return response


async def _elsewhere(_: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "http://127.0.0.1:9/"})


REF = Ref(DEPLOYMENTS, "shop", "web")


class TestErrors:
    """Every way to fail becomes one of the errors of the port."""

    @pytest.fixture
    async def cluster(
        self, server: Scripted, tmp_path: Path, request: pytest.FixtureRequest
    ) -> AsyncIterator[ApiCluster]:
        """Impatient where no answer comes; a busy machine takes its time for one that does."""
        login = Login(kubeconfig(tmp_path / "kubeconfig", server.url))
        silent = getattr(request.node, "callspec", None) and request.node.callspec.params.get("answer") is _silence
        connection = await Connection.open(login, patience=timedelta(seconds=0.3 if silent else 30))
        cluster = ApiCluster(connection, rights=SPECIMENS)
        yield cluster
        await cluster.close()

    @pytest.mark.parametrize(
        ("answer", "expected", "message"),
        [
            pytest.param(status(400), Invalid, "400 no, thank you", id="400 is invalid"),
            pytest.param(status(401), Forbidden, "401 no, thank you", id="401 is forbidden"),
            pytest.param(status(403), Forbidden, "403 no, thank you", id="403 is forbidden"),
            pytest.param(status(404), NotFound, "404 no, thank you", id="404 is not found"),
            pytest.param(status(408), Unavailable, "408 no, thank you", id="408 tells nothing"),
            pytest.param(status(409), Conflict, "409 no, thank you", id="409 is a conflict"),
            pytest.param(status(413), Rejected, "413 no, thank you", id="another 4xx is a refusal"),
            pytest.param(status(422), Invalid, "422 no, thank you", id="422 is invalid"),
            pytest.param(status(429), Throttled, "429 no, thank you", id="429 is throttled"),
            pytest.param(status(500), Unavailable, "500 no, thank you", id="500 tells nothing"),
            pytest.param(status(503), Unavailable, "503 no, thank you", id="503 tells nothing"),
            pytest.param(_html, Unavailable, "not a JSON object", id="a page for people tells nothing"),
            pytest.param(_list, Unavailable, "not a JSON object", id="JSON that is no object tells nothing"),
            pytest.param(_silence, Unavailable, "no answer in time", id="silence tells nothing"),
            pytest.param(_hang_up, Unavailable, "isconnected", id="a hang-up tells nothing"),
            pytest.param(_half, Unavailable, "not completed", id="half an answer tells nothing"),
            pytest.param(_elsewhere, Unavailable, "302", id="a redirect is not followed"),
        ],
    )
    @pytest.mark.parametrize(
        "ask",
        [
            pytest.param(lambda cluster: cluster.get(REF), id="get"),
            pytest.param(lambda cluster: cluster.list(DEPLOYMENTS, "shop"), id="list"),
            pytest.param(lambda cluster: cluster.create(DEPLOYMENTS, deployment("shop")), id="create"),
            pytest.param(lambda cluster: cluster.patch(REF, []), id="patch"),
            pytest.param(lambda cluster: cluster.update_status(REF, {}), id="update_status"),
            pytest.param(lambda cluster: cluster.delete(REF), id="delete"),
        ],
    )
    async def test_failure(
        self,
        cluster: ApiCluster,
        server: Scripted,
        answer: Answer,
        expected: type[ClusterError],
        message: str,
        ask: Callable[[Cluster], Awaitable[object]],
    ) -> None:
        server.answer = answer

        with pytest.raises(expected, match=message) as caught:
            await ask(cluster)

        assert expected in caught.type.__mro__[:2]
        assert "/apis/apps/v1/namespaces/shop/deployments" in str(caught.value)

    async def test_causes_are_kept(self, cluster: ApiCluster, server: Scripted) -> None:
        server.answer = status(422)

        with pytest.raises(Invalid) as caught:
            await cluster.patch(REF, [])

        assert caught.value.causes == (("spec.x", "is wrong"),)

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            pytest.param({"Retry-After": "7"}, 7, id="what the server says"),
            pytest.param({}, 1, id="a second if it says nothing"),
            pytest.param({"Retry-After": "Sun, 22 Nov 2026 10:00:00 GMT"}, 1, id="a second for a date"),
        ],
    )
    async def test_when_to_try_again(
        self, cluster: ApiCluster, server: Scripted, header: dict[str, str], seconds: int
    ) -> None:
        server.answer = status(429, **header)

        with pytest.raises(Throttled) as caught:
            await cluster.get(REF)

        assert caught.value.retry_after == timedelta(seconds=seconds)

    @pytest.mark.parametrize(
        ("header", "early", "late"),
        [
            pytest.param({"Retry-After": "7"}, 6.9, 7.0, id="as long as the server says"),
            pytest.param({}, 0.9, 1.0, id="a second if it says nothing"),
            pytest.param({"Retry-After": "86400"}, 59.9, 60.0, id="but no longer than a minute"),
        ],
    )
    async def test_after_a_429_nothing_is_sent_before_its_time(
        self, server: Scripted, tmp_path: Path, header: dict[str, str], early: float, late: float
    ) -> None:
        """Neither the same request nor another: who sends a storm is throttled all the more."""
        now = [100.0]
        login = Login(kubeconfig(tmp_path / "kubeconfig", server.url))
        async with await Connection.open(login, monotonic=lambda: now[0]) as connection:
            cluster = ApiCluster(connection, rights=SPECIMENS)
            server.answer = status(429, **header)
            with pytest.raises(Throttled):
                await cluster.patch(REF, [])
            server.answer = status(404)
            now[0] = 100.0 + early
            for ask in (cluster.get(REF), cluster.create(DEPLOYMENTS, deployment("shop")), cluster.delete(REF)):
                with pytest.raises(Throttled, match="not sent"):
                    await ask
            with pytest.raises(Throttled, match="not sent"):
                await anext(connection.watch("/apis/apps/v1/deployments", {}, timedelta(seconds=1)))
            assert len(server.seen) == 1

            now[0] = 100.0 + late
            with pytest.raises(NotFound):
                await cluster.get(REF)

    async def test_nobody_there(self, tmp_path: Path) -> None:
        cluster = ApiCluster(await Connection.open(Login(kubeconfig(tmp_path / "k", "http://127.0.0.1:9"))))

        with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
            await cluster.get(REF)
        await cluster.close()

    async def test_a_list_whose_start_is_forgotten_is_begun_again(self, cluster: ApiCluster, server: Scripted) -> None:
        """But not for ever."""
        queries: list[str] = []

        async def answer(request: web.Request) -> web.StreamResponse:
            queries.append(request.query.get("continue", ""))
            if queries[-1] and len(queries) < 3:
                return await status(410)(request)
            token = "" if queries[-1] else "next"
            return web.json_response({"metadata": {"continue": token}, "items": [{"metadata": {"name": "x"}}]})

        server.answer = answer
        assert len(await cluster.list(DEPLOYMENTS, "shop")) == 2
        assert queries == ["", "next", "", "next"]

        server.answer = status(410)
        with pytest.raises(Unavailable, match="3 times"):
            await cluster.list(DEPLOYMENTS, "shop")


class TestCredentials:
    """Where the credentials come from, and what becomes of old ones."""

    async def test_a_token_that_was_replaced_is_read_again(self, server: Scripted, tmp_path: Path) -> None:
        """A service account's token lives for an hour; the deed that meets its end is not lost."""
        token = tmp_path / "token"
        token.write_text("old")
        login = Login(kubeconfig(tmp_path / "kubeconfig", server.url, tokenFile=str(token)))

        async def answer(request: web.Request) -> web.StreamResponse:
            known = request.headers.get("Authorization") == "Bearer new"
            return web.json_response({"kind": "Deployment"}) if known else await status(401)(request)

        server.answer = answer
        async with await Connection.open(login) as connection:
            token.write_text("new")
            assert await ApiCluster(connection, rights=SPECIMENS).patch(REF, []) == {"kind": "Deployment"}

        assert [seen.get("Authorization") for seen in server.seen] == ["Bearer old", "Bearer new"]

    async def test_a_server_on_this_machine_is_not_asked_for_through_a_proxy(
        self, server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As kubectl does it; one elsewhere is."""
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        async with await Connection.open(Login(kubeconfig(tmp_path / "here", server.url))) as here:
            with pytest.raises(NotFound):
                await ApiCluster(here).get(REF)
        async with await Connection.open(Login(kubeconfig(tmp_path / "there", "http://192.0.2.1"))) as there:
            with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
                await ApiCluster(there).get(REF)

    async def test_a_body_goes_out_as_it_is(self, server: Scripted, tmp_path: Path) -> None:
        """With the media type of its kind of patch."""
        bodies: list[Body] = []

        async def answer(request: web.Request) -> web.StreamResponse:
            bodies.append(json.loads(await request.read()))
            return web.json_response({})

        server.answer = answer
        async with await Connection.open(Login(kubeconfig(tmp_path / "kubeconfig", server.url))) as connection:
            cluster = ApiCluster(connection, rights=SPECIMENS)
            await cluster.patch(REF, ({"op": "test", "path": "/x", "value": ("a", None)},))
            await cluster.update_status(REF, {"gone": None})

        assert bodies == [[{"op": "test", "path": "/x", "value": ["a", None]}], {"status": {"gone": None}}]
        assert [seen["Content-Type"] for seen in server.seen] == [
            "application/json-patch+json",
            "application/merge-patch+json",
        ]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            pytest.param(None, "no such file", id="no file"),
            pytest.param("a: [", "cannot use", id="no YAML"),
            pytest.param("kind: Config\n", "Expected", id="no configuration"),
        ],
    )
    async def test_unusable_credentials_are_named(self, tmp_path: Path, content: str | None, message: str) -> None:
        path = tmp_path / "kubeconfig"
        if content is not None:
            path.write_text(content)

        with pytest.raises(NoCredentials, match=message) as caught:
            await Connection.open(Login(path))

        assert str(path) in str(caught.value)

    async def test_outside_a_cluster_the_usual_places_are_looked_at(
        self, server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """$KUBECONFIG, then the pod's service account, then the home folder."""
        server.answer = status(404)
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "kubeconfig", server.url)))
        async with await Connection.open() as connection:
            with pytest.raises(NotFound):
                await ApiCluster(connection).get(REF)

        monkeypatch.delenv("KUBECONFIG")
        monkeypatch.setenv("HOME", str(tmp_path))
        with pytest.raises(NoCredentials, match=r"~/\.kube/config"):
            await Connection.open()
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "9")
        with pytest.raises(NoCredentials, match="service account of the pod"):
            await Connection.open()
