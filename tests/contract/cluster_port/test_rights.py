"""What leaves the house: names, writes of the operator's own, and none behind the fence."""

import asyncio
import uuid
from dataclasses import dataclass

import pytest

from salus.adapters.api import Connection, Login
from salus.adapters.cluster import ApiCluster
from salus.ports import (
    CHANGE_EVENTS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    HEALTH_POLICIES,
    PODS,
    PRIORITY_CLASSES,
    RECORD_KEEPING,
    SECRETS,
    Cluster,
    Forbidden,
    Invalid,
    Ref,
    Rejected,
    right,
)
from salus.rehearsal.cluster import RehearsalCluster
from tests.contract.cluster_port.objects import change_event, deployment
from tests.contract.cluster_port.subjects import InRehearsal, OnServer
from tests.contract.conftest import USER
from tests.fakes.cluster import SPECIMENS
from tests.rows import Row, sentence
from tools.devcluster.audit import AuditEvent
from tools.devcluster.cluster import DevCluster


@dataclass(frozen=True, slots=True)
class NoName(Row):
    """What is no name of an object."""

    name: str


NO_NAMES = [
    NoName("a way up", "../../pods/x"),
    NoName("a subresource", "web/status"),
    NoName("a query", "web?dryRun=All"),
    NoName("capital letters", "Web"),
    NoName("a line end", "web\n"),
    NoName("nothing", ""),
    NoName("too long", "a" * 254),
]


class RightsContract:
    """What every implementation of the port does."""

    @pytest.mark.parametrize("row", NO_NAMES, ids=sentence)
    async def test_a_name_that_is_none_never_leaves_the_house(
        self, cluster: Cluster, namespace: str, row: NoName
    ) -> None:
        for ref in (Ref(DEPLOYMENTS, namespace, row.name), Ref(DEPLOYMENTS, row.name, "web")):
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

    async def test_it_knows_what_the_operator_may_read(self, cluster: Cluster, namespace: str) -> None:
        assert await cluster.may(right("list", CONFIG_MAPS), namespace)

    def as_the_operator(self, cluster: Cluster) -> Cluster:
        """The same cluster with the rights of the product, not of this test."""
        raise NotImplementedError


class TestRehearsalCluster(RightsContract, InRehearsal):
    """The contract in a rehearsal."""

    def as_the_operator(self, cluster: Cluster) -> Cluster:
        assert isinstance(cluster, RehearsalCluster)
        cluster.rights = RECORD_KEEPING
        return cluster


class TestApiCluster(RightsContract, OnServer):
    """The contract on the real API server, and what only that can tell."""

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

    async def test_what_nobody_gave_is_no_right(self, devcluster: DevCluster, namespace: str) -> None:
        """In a namespace, and of what is in none."""
        name = f"reader-{uuid.uuid4().hex[:6]}"
        devcluster.kubectl("-n", namespace, "create", "role", "r", "--verb=list", "--resource=configmaps")
        devcluster.kubectl("-n", namespace, "create", "rolebinding", "r", "--role=r", f"--user={name}")
        async with await Connection.open(Login(devcluster.kubeconfig_for(name))) as connection:
            cluster = ApiCluster(connection)
            async with asyncio.timeout(30):
                while not await cluster.may(right("list", CONFIG_MAPS), namespace):  # noqa: ASYNC110 - RBAC tells nobody
                    await asyncio.sleep(0.1)

            assert not await cluster.may(right("list", SECRETS), namespace)
            assert not await cluster.may(right("list", CONFIG_MAPS), "default")
            assert not await cluster.may(right("list", PRIORITY_CLASSES), "")

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
