"""The Lease on a real API server: what it refuses and keeps is what the election relies on."""

from typing import Any

import pytest

from salus.adapters.api import Connection
from salus.adapters.clock import SystemClock
from salus.adapters.cluster import ApiCluster
from salus.adapters.lease import Leadership, NotLeading
from salus.ports import LEASES, Conflict, Invalid, NotFound, Ref, Resource, right
from tools.devcluster.cluster import DevCluster

CONFIG_MAPS = Resource("v1", "configmaps", "ConfigMap")


def replica(connection: Connection, namespace: str, name: str) -> Leadership:
    return Leadership(ApiCluster(connection), Ref(LEASES, namespace, "salus"), name, SystemClock())


async def leader(connection: Connection, namespace: str, name: str = "a") -> Leadership:
    one = replica(connection, namespace, name)
    await one.step()
    assert one.begin(await one.next_term())
    return one


async def test_a_lease_is_created_renewed_and_given_back(connection: Connection, namespace: str) -> None:
    """And people can read in it who leads, and since when."""
    cluster, ref = ApiCluster(connection), Ref(LEASES, namespace, "salus")
    first = await leader(connection, namespace)
    created = (await cluster.get(ref))["spec"]
    await first.step()
    renewed = (await cluster.get(ref))["spec"]
    await first.release()
    released = (await cluster.get(ref))["spec"]

    assert created["holderIdentity"] == "a"
    assert created["leaseDurationSeconds"] == 15
    assert renewed["acquireTime"] == created["acquireTime"]
    assert renewed["renewTime"] > created["renewTime"]
    assert "holderIdentity" not in released


async def test_the_next_takes_a_lease_that_was_given_back(connection: Connection, namespace: str) -> None:
    first, second = await leader(connection, namespace), replica(connection, namespace, "b")
    await second.step()
    assert second.leader == "a"
    await first.release()
    await second.step()

    assert second.holds(await second.next_term())
    assert (await ApiCluster(connection).get(Ref(LEASES, namespace, "salus")))["spec"]["leaseTransitions"] == 1


async def test_a_lease_that_was_written_meanwhile_is_not_overwritten(connection: Connection, namespace: str) -> None:
    """The one request that decides between two replicas."""
    await leader(connection, namespace)
    stale: list[dict[str, Any]] = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "1"},
        {"op": "add", "path": "/spec", "value": {"holderIdentity": "b", "leaseDurationSeconds": 15}},
    ]

    with pytest.raises((Invalid, Conflict)) as caught:
        await ApiCluster(connection).patch(Ref(LEASES, namespace, "salus"), stale)

    assert not (isinstance(caught.value, Invalid) and caught.value.causes)


async def test_a_lease_in_a_namespace_that_is_not_there_is_told(connection: Connection) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        await replica(connection, "nowhere", "a").step()


async def test_a_write_that_waited_for_its_turn_is_fenced_when_it_leaves(
    connection: Connection, devcluster: DevCluster, namespace: str
) -> None:
    """Leadership lost between the check before the request and its first byte: nothing is sent."""
    asked: list[bool] = []

    def fence() -> None:
        asked.append(True)
        if len(asked) > 1:
            raise NotLeading("frozen in between")

    cluster = ApiCluster(connection, fence, {right("create", CONFIG_MAPS)})
    with pytest.raises(NotLeading, match="frozen in between"):
        await cluster.create(CONFIG_MAPS, {"metadata": {"namespace": namespace, "name": "x"}})

    assert asked == [True, True]
    assert await ApiCluster(connection).list(CONFIG_MAPS, namespace, {"app": "x"}) == []
    with pytest.raises(NotFound):
        await ApiCluster(connection).get(Ref(CONFIG_MAPS, namespace, "x"))
    assert devcluster.audit.writes(resource="configmaps", namespace=namespace, name="x") == []
