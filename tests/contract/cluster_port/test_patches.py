"""Patches: what they do, what they do not, and which generation and version come of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from salus.core.actions.stamp import Stamp, read, stamped
from salus.model.change import ActionKind, Facts
from salus.ports import CONTROLLER_REVISIONS, DEPLOYMENTS, Cluster, Conflict, Invalid, Ref
from tests.builders import a_change
from tests.contract.cluster_port.objects import deployment, revision
from tests.contract.cluster_port.subjects import InRehearsal, OnServer
from tests.rows import Row, sentence


@dataclass(frozen=True, slots=True)
class Misfit(Row):
    """An operation that the object does not allow."""

    operation: Mapping[str, Any]


MISFITS = [
    Misfit("a test that fails", {"op": "test", "path": "/metadata/uid", "value": "other"}),
    Misfit("a test of a number", {"op": "test", "path": "/metadata/generation", "value": 7}),
    Misfit("a test of what is absent", {"op": "test", "path": "/metadata/labels/none", "value": "x"}),
    Misfit("a removal of what is absent", {"op": "remove", "path": "/metadata/labels/none"}),
    Misfit("a replacement below it", {"op": "replace", "path": "/data/none/x", "value": "x"}),
    Misfit("an addition below it", {"op": "add", "path": "/data/none/x", "value": "x"}),
    Misfit("a test for null below it", {"op": "test", "path": "/data/none/x", "value": None}),
    Misfit("a replacement past a list's end", {"op": "replace", "path": "/data/list/7", "value": 1}),
    Misfit("an operation that is none", {"op": "change", "path": "/data/x", "value": 1}),
    Misfit("a path that is none", {"op": "add", "path": "data", "value": 1}),
]


@dataclass(frozen=True, slots=True)
class Absent(Row):
    """An operation on a label that is not there, and the labels after it."""

    operation: Mapping[str, Any]
    labels: dict[str, str]


ABSENT = [
    Absent(
        "a replacement adds it",
        {"op": "replace", "path": "/metadata/labels/none", "value": "x"},
        {"app": "web", "none": "x"},
    ),
    Absent("a test for null holds", {"op": "test", "path": "/metadata/labels/none", "value": None}, {"app": "web"}),
]


@dataclass(frozen=True, slots=True)
class Counted(Row):
    """An operation, and the generation after it."""

    operation: Mapping[str, Any]
    generation: int


COUNTED = [
    Counted("nothing new is no generation", {"op": "replace", "path": "/spec/replicas", "value": 0}, 1),
    Counted("a new spec is one", {"op": "add", "path": "/spec/minReadySeconds", "value": 9}, 2),
    Counted("a label is none", {"op": "add", "path": "/metadata/labels", "value": {"x": "y"}}, 1),
    Counted("an annotation of a Deployment is one", {"op": "add", "path": "/metadata/annotations/x", "value": "y"}, 2),
]


class PatchesContract:
    """What every implementation of the port does."""

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
        """By managedFields a name is believed: of the write that was done, and not of one that only bears its name."""
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

    @pytest.mark.parametrize("row", MISFITS, ids=sentence)
    async def test_a_patch_that_does_not_apply_is_invalid_and_changes_nothing(
        self, cluster: Cluster, namespace: str, row: Misfit
    ) -> None:
        """No causes: read the object to learn what changed. What came before in the patch is not done either."""
        made = await cluster.create(CONTROLLER_REVISIONS, revision(namespace))
        ref = Ref(CONTROLLER_REVISIONS, namespace, "kept")

        with pytest.raises(Invalid) as caught:
            await cluster.patch(ref, [{"op": "add", "path": "/metadata/labels/new", "value": "x"}, row.operation])

        assert caught.value.causes == ()
        assert await cluster.get(ref) == made

    @pytest.mark.parametrize("row", ABSENT, ids=sentence)
    async def test_an_absent_member_is_treated_leniently(self, cluster: Cluster, namespace: str, row: Absent) -> None:
        """Against RFC 6902; a test for null is thus a way to say that a field must not be there."""
        await cluster.create(CONTROLLER_REVISIONS, revision(namespace))

        patched = await cluster.patch(Ref(CONTROLLER_REVISIONS, namespace, "kept"), [row.operation])

        assert patched["metadata"]["labels"] == row.labels

    async def test_a_patch_that_makes_an_invalid_object_names_the_field(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(DEPLOYMENTS, deployment(namespace))

        with pytest.raises(Invalid) as caught:
            await cluster.patch(
                Ref(DEPLOYMENTS, namespace, "web"), [{"op": "replace", "path": "/spec/replicas", "value": -1}]
            )

        assert [path for path, _ in caught.value.causes] == ["spec.replicas"]

    @pytest.mark.parametrize("row", COUNTED, ids=sentence)
    async def test_the_generation_counts_specs(self, cluster: Cluster, namespace: str, row: Counted) -> None:
        await cluster.create(DEPLOYMENTS, deployment(namespace))

        patched = await cluster.patch(Ref(DEPLOYMENTS, namespace, "web"), [row.operation])

        assert patched["metadata"]["generation"] == row.generation

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


class TestRehearsalCluster(PatchesContract, InRehearsal):
    """The contract in a rehearsal."""


class TestApiCluster(PatchesContract, OnServer):
    """The contract on the real API server."""
