"""Lists: what is in them, in which order, and by pages."""

import uuid
from collections.abc import Iterable
from itertools import groupby

import pytest

from salus.adapters import api
from salus.adapters.cluster import ApiCluster
from salus.core.objects.selectors import selector_from, selects
from salus.model.scalars import Body
from salus.ports import (
    AUTOSCALERS,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    PODS,
    Cluster,
    Invalid,
    NotFound,
    Resource,
)
from tests.contract.cluster_port.objects import deployment
from tests.contract.cluster_port.subjects import InRehearsal, OnServer


def expression(operator: str, *values: str, key: str = "tier") -> Body:
    """A line of matchExpressions."""
    return {"key": key, "operator": operator, "values": list(values)}


class ListsContract:
    """What every implementation of the port does."""

    async def test_a_list_is_chosen_by_labels_and_ordered_by_name(self, cluster: Cluster, namespace: str) -> None:
        for name, tier in (("c", "back"), ("b", "front"), ("a", "back")):
            await cluster.create(DEPLOYMENTS, deployment(namespace, name, tier=tier, app="shop"))

        everything = await cluster.list(DEPLOYMENTS, namespace)
        some = await cluster.list(DEPLOYMENTS, namespace, {"tier": "back", "app": "shop"})

        assert [body["metadata"]["name"] for body in everything] == ["a", "b", "c"]
        assert [body["metadata"]["name"] for body in some] == ["a", "c"]

    @pytest.mark.parametrize(
        ("written", "names"),
        [
            pytest.param({}, "abc", id="an empty selector is for all"),
            pytest.param({"matchLabels": {"tier": "back"}}, "ac", id="a label"),
            pytest.param({"matchExpressions": [expression("In", "back", "side")]}, "ac", id="one of several values"),
            pytest.param({"matchExpressions": [expression("NotIn", "front")]}, "ac", id="not this value"),
            pytest.param({"matchExpressions": [expression("NotIn", "x", key="canary")]}, "ab", id="nor not there"),
            pytest.param({"matchExpressions": [expression("Exists", key="canary")]}, "c", id="there"),
            pytest.param({"matchExpressions": [expression("DoesNotExist", key="canary")]}, "ab", id="not there"),
            pytest.param(
                {"matchLabels": {"tier": "back"}, "matchExpressions": [expression("DoesNotExist", key="canary")]},
                "a",
                id="both",
            ),
        ],
    )
    async def test_a_list_is_chosen_as_a_workload_chooses_its_pods(
        self, cluster: Cluster, namespace: str, written: Body, names: str
    ) -> None:
        """The server and the core read a selector the same way."""
        for name, labels in (("c", {"tier": "back", "canary": "x"}), ("b", {"tier": "front"}), ("a", {"tier": "back"})):
            await cluster.create(DEPLOYMENTS, deployment(namespace, name, **labels))
        selector = selector_from(written)

        found = await cluster.list(DEPLOYMENTS, namespace, selector)
        everything = await cluster.list(DEPLOYMENTS, namespace)

        assert [body["metadata"]["name"] for body in found] == list(names)
        assert [b["metadata"]["name"] for b in everything if selects(selector, b["metadata"]["labels"])] == list(names)

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

    async def test_a_list_may_span_all_namespaces(self, cluster: Cluster, namespace: str) -> None:
        mark = uuid.uuid4().hex
        await cluster.create(DEPLOYMENTS, deployment(namespace, mark=mark))

        assert len(await cluster.list(DEPLOYMENTS, None, {"mark": mark})) == 1

    async def test_a_list_of_a_kind_that_is_not_served_is_not_found(self, cluster: Cluster, namespace: str) -> None:
        """As ScaledObjects are where there is no KEDA; a kind without objects is an empty list."""
        with pytest.raises(NotFound):
            await cluster.list(Resource("nobody.example.com/v1", "widgets", "Widget"), namespace)

        assert await cluster.list(AUTOSCALERS, namespace) == []

    async def test_a_label_cannot_widen_a_selection(self, cluster: Cluster, namespace: str) -> None:
        with pytest.raises(Invalid):
            await cluster.list(DEPLOYMENTS, namespace, {"app": "web,tier!=x"})
        for written in (expression("In", "web),tier in (x"), expression("Exists", key="app,tier")):
            with pytest.raises(Invalid):
                await cluster.list(DEPLOYMENTS, namespace, selector_from({"matchExpressions": [written]}))


class TestRehearsalCluster(ListsContract, InRehearsal):
    """The contract in a rehearsal."""


class TestApiCluster(ListsContract, OnServer):
    """The contract on the real API server, and what only that can tell."""

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
