"""Which pod holds the rollout of a StatefulSet back: only one that Kubernetes would wait for in vain."""

from collections.abc import Mapping
from typing import Any

import pytest

from salus.core.pods import stuck_pod

STATEFUL_SET: Mapping[str, Any] = {
    "metadata": {"name": "db", "uid": "uid-of-db", "generation": 3},
    "status": {"observedGeneration": 3, "updateRevision": "db-good"},
}


def a_pod(
    ordinal: int, revision: str = "db-good", *, ready: bool = True, owner: str = "uid-of-db", **metadata: str
) -> dict[str, Any]:
    return {
        "metadata": {
            "name": f"db-{ordinal}",
            "labels": {"controller-revision-hash": revision},
            "ownerReferences": [{"uid": owner}],
            **metadata,
        },
        "status": {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }


def stuck(ordinal: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 — handed on
    return a_pod(ordinal, "db-bad", ready=False, **fields)


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        pytest.param(
            [a_pod(0), a_pod(1), stuck(2)], "db-2", id="only ordinal 2 runs the bad release, and is not ready"
        ),
        pytest.param([stuck(10), a_pod(9), stuck(2)], "db-2", id="the first of several, by number"),
        pytest.param([a_pod(0), a_pod(1), a_pod(2)], None, id="all is well"),
        pytest.param(
            [a_pod(0), a_pod(1, "db-bad")], None, id="a ready pod of the bad release is replaced without help"
        ),
        pytest.param([a_pod(0, ready=False), stuck(1)], None, id="a pod of the wanted release is still starting"),
        pytest.param(
            [stuck(0, deletionTimestamp="2026-11-22T12:00:00Z"), stuck(1)], None, id="it is being deleted already"
        ),
        pytest.param([a_pod(0), stuck(1, owner="another")], None, id="a pod of another owner"),
        pytest.param([], None, id="no pods"),
    ],
)
def test_the_pod_that_holds_it_back(pods: list[dict[str, Any]], expected: str | None) -> None:
    found = stuck_pod(STATEFUL_SET, pods)

    assert (found["metadata"]["name"] if found else None) == expected


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({"observedGeneration": 2, "updateRevision": "db-good"}, id="its controller has not seen the spec"),
        pytest.param({"observedGeneration": 3}, id="it does not say which revision it wants"),
        pytest.param(None, id="it has no status"),
    ],
)
def test_nothing_is_stuck_before_the_controller_has_seen_the_rollback(status: Mapping[str, Any] | None) -> None:
    assert stuck_pod({**STATEFUL_SET, "status": status}, [stuck(2)]) is None
