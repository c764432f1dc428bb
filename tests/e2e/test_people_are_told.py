"""Nobody is left in the dark: faults of real containers that cannot be healed at once, or at all, and who hears of it.

On the installation of `test_install`, and after it. How long each took is printed with the figures, for
docs/concepts/reliability.md; nothing is held to it.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from examples.demo.stage import SHOP
from tests.e2e.installation import POLICY, TARGET, TENANT, Installation
from tools.devcluster.api import Object
from tools.devcluster.salus import QUICK

pytestmark = pytest.mark.timeout(900)

_OF_TARGET = f'namespace="{TENANT}",pod=~"{TARGET}-.*"'
ERRORS = {
    "name": "errors",
    "query": f'sum(rate(http_requests_total{{{_OF_TARGET},code!="200"}}[30s]))'
    f" / sum(rate(http_requests_total{{{_OF_TARGET}}}[30s]))",
    "unhealthy": {"above": "0.5"},
    "for": "5s",
}
"""Has no answer where no pod serves; nothing says what that means."""
ALL_YEAR = {"name": "all-year", "cron": "0 0 1 1 *", "duration": "8784h"}

ANOTHER_TYPO = {
    "spec": {
        "template": {
            "spec": {
                "containers": [
                    {"name": "shop", "image": "salus.dev/shop:v3-typo", "imagePullPolicy": "IfNotPresent"},
                ]
            }
        }
    }
}
"""A release whose image is not there."""


@pytest.fixture
def shop(salus: Installation) -> Iterator[Installation]:
    """The shop is well before, and made well after."""
    _apply(salus, POLICY)
    salus.wait_ready()
    yield salus
    salus.cluster.kubectl("apply", "-f", str(SHOP / "manifests" / "deployment.yaml"))
    salus.wait(salus.rolled_out, "the shop is as it was")
    _apply(salus, POLICY)
    salus.wait_ready()
    salus.wait(lambda: not salus.open_incidents(), "its incident is over")


def _apply(salus: Installation, *objects: Object) -> None:
    salus.cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))


def _policy(name: str, **spec: Any) -> Object:  # noqa: ANN401 — any field of a policy
    target = {"kind": "Deployment", "name": name}
    body: Object = {**POLICY, "metadata": {"name": name, "namespace": TENANT}}
    return {**body, "spec": {**POLICY["spec"], "target": target, **spec}}


def _told(salus: Installation, target: str) -> list[str]:
    """What people were told of a workload."""
    changes = [c["spec"] for c in salus.changes() if c["spec"]["action"] == "Notify"]
    return [spec["message"] for spec in changes if spec["targetRef"]["name"] == target and spec["decision"] == "Act"]


def _seconds_until(salus: Installation, condition: Callable[[], bool], what: str) -> float:
    began = time.monotonic()
    salus.wait(condition, what)
    return time.monotonic() - began


def _wait_healed(salus: Installation, before: int) -> None:
    """Wait for one more rollback than before, and for the proof that it helped."""
    salus.wait(lambda: len(salus.rollbacks()) > before, "a rollback")
    change = salus.rollbacks()[-1]
    salus.wait(lambda: salus.outcome(change) == "Recovered", "proof that it helped")


def _note(figures: dict[str, str], fault: str, seconds: float, after: str) -> None:
    figures[f"people are told: {fault}"] = f"{seconds:.0f} s after {after}"


def test_a_stuck_rollout_without_a_release_to_go_back_to(salus: Installation, figures: dict[str, str]) -> None:
    deployment = yaml.safe_load((SHOP / "manifests" / "deployment.yaml").read_text(encoding="utf-8"))
    deployment["metadata"]["name"] = "orders"
    deployment["spec"] |= {"progressDeadlineSeconds": 20, "selector": {"matchLabels": {"app": "orders"}}}
    deployment["spec"]["template"]["metadata"]["labels"] = {"app": "orders"}
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "salus.dev/orders:typo"
    remedies = [*POLICY["spec"]["remedies"], {"name": "restart", "restart": {}}]
    _apply(salus, _policy("orders", remedies=remedies, escalateAfter="1m"), deployment)

    seconds = _seconds_until(salus, lambda: bool(_told(salus, "orders")), "people are told")

    _note(figures, "a stuck rollout, nothing to go back to", seconds, "the rollout began")
    salus.cluster.kubectl("delete", "-n", TENANT, "healthpolicy/orders", "deployment/orders")
    assert len(_told(salus, "orders")) == 1


def test_a_freeze(shop: Installation, figures: dict[str, str]) -> None:
    """What waits for the freeze is told at once, and done when it is lifted."""
    usual = {"cluster": "e2e", "sources": {"default": {"url": shop.source}}, **QUICK}
    before, told = len(shop.rollbacks()), len(_told(shop, TARGET))
    shop.upgrade(config={**usual, "freezes": [ALL_YEAR]})

    shop.release("missing-image")
    seconds = _seconds_until(shop, lambda: len(_told(shop, TARGET)) > told, "people are told")
    frozen = len(shop.rollbacks())
    shop.upgrade()
    _wait_healed(shop, before)

    _note(figures, "a freeze", seconds, "a bad release")
    assert frozen == before
    assert "all-year" in _told(shop, TARGET)[-1]


def test_a_missing_right(shop: Installation, figures: dict[str, str]) -> None:
    """What waits for a right is told at once, and done when it is given."""
    before, told = len(shop.rollbacks()), len(_told(shop, TARGET))
    with _without_rights(shop):
        # Another one than under the freeze: to bring that back would be to take Salus' rollback back.
        shop.cluster.kubectl("patch", "-n", TENANT, f"deployment/{TARGET}", f"--patch={json.dumps(ANOTHER_TYPO)}")
        seconds = _seconds_until(shop, lambda: len(_told(shop, TARGET)) > told, "people are told")
        assert len(shop.rollbacks()) == before
    _wait_healed(shop, before)

    _note(figures, "a missing right", seconds, "a bad release")


def test_scaled_to_zero(shop: Installation, figures: dict[str, str]) -> None:
    check = {"name": "replicas", "preset": "ReplicasMissing", "for": "10s"}
    spec = {"checks": [*POLICY["spec"]["checks"], check], "remedies": [{"name": "page", "notify": {}}]}
    _apply(shop, _policy(TARGET, **spec))
    shop.wait_ready()
    told = len(_told(shop, TARGET))

    shop.cluster.kubectl("scale", "-n", TENANT, f"deployment/{TARGET}", "--replicas=0")
    seconds = _seconds_until(shop, lambda: len(_told(shop, TARGET)) > told, "people are told")

    _note(figures, "scaled to zero", seconds, "the scaling")
    assert len(_told(shop, TARGET)) == told + 1


def test_all_pods_crash_at_once_under_a_ratio_that_nobody_answers(shop: Installation, figures: dict[str, str]) -> None:
    """The requests' series vanish with the pods; what is known of the pods is enough to go back."""
    _apply(shop, _policy(TARGET, checks=[*POLICY["spec"]["checks"], ERRORS]))
    shop.wait_ready()
    before = len(shop.rollbacks())
    recreate = '{"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}}'
    shop.cluster.kubectl("patch", "-n", TENANT, f"deployment/{TARGET}", f"--patch={recreate}")
    environment = shop.environment()

    shop.release("crash")
    seconds = _seconds_until(shop, lambda: len(shop.rollbacks()) > before, "a rollback")
    _wait_healed(shop, before)

    figures["healed: all pods crash, no requests are counted"] = f"rolled back {seconds:.0f} s after the release"
    assert shop.breached(shop.rollbacks()[-1]) == {"crash-looping"}
    assert shop.environment() == environment


@contextlib.contextmanager
def _without_rights(salus: Installation) -> Iterator[None]:
    """The tenant lends its account no more."""
    kubectl = salus.cluster.kubectl
    bindings = kubectl("get", "rolebindings", "-n", TENANT, "-o", "yaml")
    kubectl("delete", "rolebindings", "-n", TENANT, "--all")
    try:
        yield
    finally:
        items = [_bare(item) for item in yaml.safe_load(bindings)["items"]]
        _apply(salus, *items)


def _bare(body: Object) -> Object:
    """An object as it can be created anew."""
    kept = {
        key: body["metadata"][key] for key in ("name", "namespace", "labels", "annotations") if key in body["metadata"]
    }
    return {**body, "metadata": kept}
