"""The minimum of an autoscaler, as the API server treats it."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from salus.model.scalars import Body
from salus.ports import AUTOSCALERS, SCALED_OBJECTS, Cluster, Invalid, Ref, Resource
from tests.contract.cluster_port.objects import STAMP, hpa, scaled_object
from tests.contract.cluster_port.subjects import InRehearsal, OnServer
from tests.rows import Row, sentence


@dataclass(frozen=True, slots=True)
class Scaler(Row):
    """A kind of autoscaler."""

    resource: Resource
    body: Callable[[str], Body]
    """Makes one in a namespace."""
    floor: str
    """Its field for the minimum."""


SCALERS = [
    Scaler("an HPA", AUTOSCALERS, hpa, "minReplicas"),
    Scaler("a ScaledObject", SCALED_OBJECTS, scaled_object, "minReplicaCount"),
]


class AutoscalersContract:
    """What every implementation of the port does."""

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

    @pytest.mark.parametrize("row", SCALERS, ids=sentence)
    async def test_the_generation_of_an_autoscaler_counts_its_spec_alone(
        self, cluster: Cluster, namespace: str, row: Scaler
    ) -> None:
        """Not the annotation that names a change."""
        made = await cluster.create(row.resource, row.body(namespace))
        ref = Ref(row.resource, namespace, "web")

        stamped = await cluster.patch(ref, [STAMP])
        raised = await cluster.patch(ref, [{"op": "add", "path": f"/spec/{row.floor}", "value": 6}, STAMP])

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


class TestRehearsalCluster(AutoscalersContract, InRehearsal):
    """The contract in a rehearsal."""


class TestApiCluster(AutoscalersContract, OnServer):
    """The contract on the real API server."""
