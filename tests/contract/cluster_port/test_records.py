"""Records and kept releases: what of them changes, and what never does."""

import pytest

from salus.ports import CHANGE_EVENTS, CONTROLLER_REVISIONS, Cluster, Invalid, Ref
from tests.contract.cluster_port.objects import change_event, revision
from tests.contract.cluster_port.subjects import InRehearsal, OnServer


class RecordsContract:
    """What every implementation of the port does."""

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
                Ref(CONTROLLER_REVISIONS, namespace, "kept"), [{"op": "replace", "path": "/data/spec/x", "value": 2}]
            )

        assert [path for path, _ in caught.value.causes] == ["data"]

    async def test_the_generation_of_our_kinds_does_not_count_annotations(
        self, cluster: Cluster, namespace: str
    ) -> None:
        await cluster.create(CHANGE_EVENTS, change_event(namespace))

        patched = await cluster.patch(
            Ref(CHANGE_EVENTS, namespace, "web-12345678-1"),
            [{"op": "add", "path": "/metadata/annotations", "value": {"x": "y"}}],
        )

        assert patched["metadata"]["generation"] == 1

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


class TestRehearsalCluster(RecordsContract, InRehearsal):
    """The contract in a rehearsal."""


class TestApiCluster(RecordsContract, OnServer):
    """The contract on the real API server."""
