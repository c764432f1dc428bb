"""Objects that are made, read and deleted."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from salus.ports import CONTROLLER_REVISIONS, DEPLOYMENTS, NODES, Cluster, Conflict, NotFound, Ref
from tests.contract.cluster_port.objects import deployment, revision
from tests.contract.cluster_port.subjects import InRehearsal, OnServer
from tests.rows import Row, sentence


@dataclass(frozen=True, slots=True)
class Ask(Row):
    """A request for an object."""

    ask: Callable[[Cluster, Ref], Awaitable[object]]


ASKS = [
    Ask("get", lambda cluster, ref: cluster.get(ref)),
    Ask("patch", lambda cluster, ref: cluster.patch(ref, [])),
    Ask("update_status", lambda cluster, ref: cluster.update_status(ref, {"replicas": 1})),
    Ask("delete", lambda cluster, ref: cluster.delete(ref)),
]


class ObjectsContract:
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

    @pytest.mark.parametrize("row", ASKS, ids=sentence)
    async def test_what_is_not_there_is_not_found(self, cluster: Cluster, namespace: str, row: Ask) -> None:
        with pytest.raises(NotFound):
            await row.ask(cluster, Ref(DEPLOYMENTS, namespace, "none"))

    async def test_a_node_has_no_namespace(self, cluster: Cluster) -> None:
        name = f"node-{uuid.uuid4().hex}"
        made = await cluster.create(NODES, {"metadata": {"name": name}, "spec": {"unschedulable": True}})
        try:
            found = await cluster.get(Ref(NODES, "", name))
        finally:
            await cluster.delete(Ref(NODES, "", name))

        assert found["metadata"]["uid"] == made["metadata"]["uid"]
        assert found["spec"]["unschedulable"]

    async def test_a_deletion_is_of_the_very_object(self, cluster: Cluster, namespace: str) -> None:
        """One that was made again under the same name has another uid, and stays."""
        made = await cluster.create(CONTROLLER_REVISIONS, revision(namespace))
        ref = Ref(CONTROLLER_REVISIONS, namespace, "kept")

        with pytest.raises(Conflict):
            await cluster.delete(ref, uid=str(uuid.uuid4()))
        await cluster.delete(ref, uid=made["metadata"]["uid"])

        with pytest.raises(NotFound):
            await cluster.get(ref)


class TestRehearsalCluster(ObjectsContract, InRehearsal):
    """The contract in a rehearsal."""


class TestApiCluster(ObjectsContract, OnServer):
    """The contract on the real API server."""
