"""A namespace in which all commands have something to tell: a release that was good, one that is ill, a question."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salus.cli.answer import ANSWERING
from salus.cli.withdraw import WITHDRAWING
from salus.model.scalars import Body
from salus.ports import CHANGE_EVENTS, KEPT_RELEASES, Ref
from tests.builders import a_template
from tests.fakes.api import Api, served
from tests.fakes.prometheus import Steady, a_shop, serving
from tests.fakes.prometheus_api import prometheus_served
from tests.unit.stage import NAME, NAMESPACE, Stage, a_stage
from tests.unit.test_rollbacks import roll_out

NEVER_EXPIRES = "2999-01-01T00:00:00Z"
A_POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "checkout-77f75bdd5-x2k9q",
        "namespace": NAMESPACE,
        "uid": "uid-of-a-pod",
        "labels": {"app": NAME},
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "ownerReferences": [{"kind": "ReplicaSet", "name": "checkout-77f75bdd5"}],
    },
    "spec": {},
    "status": {"phase": "Running", "podIP": "10.0.0.7"},
}
UNDO = {"name": "undo", "rollback": {}}


async def _played() -> Stage:
    stage = a_stage(lambda body: "v1" in str(body["spec"]["template"]["spec"]), dict(UNDO), mode="Approve")
    roll_out(stage, 1, a_template("shop:v1"))
    await stage.ticks(6)
    roll_out(stage, 2, a_template("shop:v2"))
    await stage.ticks(3)
    return stage


@dataclass(slots=True)
class World:
    """What a person's commands meet."""

    stage: Stage
    api: Api
    kubeconfig: Path
    prometheus: str
    """Address of one that answers; below `/well` and `/ill`."""
    shop: Steady
    """One that knows the series of its pods, for `salus init`."""
    shop_url: str

    @property
    def question(self) -> str:
        """Name of the change that waits for an answer."""
        (found,) = self.stage.changes
        return str(found["metadata"]["name"])

    @property
    def incident(self) -> str:
        """Name of the incident."""
        return str(self.stage.incidents[0]["metadata"]["name"])

    @property
    def kept(self) -> str:
        """Name of the release that was good."""
        return str(self.stage.cluster.objects(KEPT_RELEASES)[0]["metadata"]["name"])

    def edit(self, ref: Ref, change: Callable[[dict[str, Any]], object]) -> Body:
        """Have somebody else change an object."""
        return self.stage.cluster.edit(ref, change)

    def install(self, version: str) -> None:
        """Have the chart of this version installed, as far as its Deployment tells."""
        labels = {"app.kubernetes.io/name": "salus", "app.kubernetes.io/version": version}
        image = f"registry.example.com/platform/salus:{version}"
        self.stage.cluster.put(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "salus", "namespace": "salus-system", "labels": labels},
                "spec": {"template": {"spec": {"containers": [{"name": "salus", "image": image}]}}},
            }
        )

    def will_end(self, outcome: str) -> None:
        """Have an operator that does what was approved at once, and finds this."""

        def end(ref: Ref) -> None:
            at = {"appliedAt": "2026-11-22T12:10:00Z", "completedAt": "2026-11-22T12:11:00Z"}
            self.edit(ref, lambda body: body["status"].update(outcome=outcome, message="so it ended", **at))

        self.api.after = end


@contextmanager
def a_world(folder: Path) -> Iterator[World]:
    """All of it, behind an API server."""
    stage = asyncio.run(_played())
    stage.cluster.rights = {*stage.cluster.rights, *ANSWERING, *WITHDRAWING}
    (question,) = stage.changes
    ref = Ref(CHANGE_EVENTS, NAMESPACE, question["metadata"]["name"])
    stage.cluster.edit(ref, lambda body: body["spec"].update(expiresAt=NEVER_EXPIRES))
    api = Api(stage.cluster)
    stage.cluster.adopt(A_POD)
    shop = a_shop(NAMESPACE, NAME, A_POD["metadata"]["name"], A_POD["metadata"]["uid"])
    with served(api, folder) as kubeconfig, prometheus_served() as prometheus, serving(shop.answer) as url:
        yield World(stage, api, kubeconfig, prometheus, shop, url)
