"""What only the cluster of values, and its fake, can be told."""

from datetime import timedelta

import pytest

from salus.ports import DEPLOYMENTS, NotFound, Ref, Throttled, Unavailable
from tests.contract.cluster_port.objects import deployment
from tests.fakes.cluster import SPECIMENS, FakeCluster


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster(rights=SPECIMENS)


@pytest.fixture
def namespace() -> str:
    return "shop"


class TestFakeCluster:
    """The fake."""

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
