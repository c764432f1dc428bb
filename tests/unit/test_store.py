"""The policies in use: compiled once a generation, healed by a LIST, one bad one among many good ones."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from salus.core.compile import Catalog, SpecError
from salus.model.types import Body
from salus.model.values import Policy, PolicyKey
from salus.store import PolicyStore, key_of
from tests.builders import a_policy_body


@dataclass
class Remembering:
    """A listener that keeps what it was told."""

    told: list[str] = field(default_factory=list)

    def accepted(self, policy: Policy, body: Body) -> None:
        assert body["metadata"]["name"] == policy.key.name
        self.told.append(f"accepted {policy.key.name} {policy.generation}")

    def refused(self, body: Body, error: SpecError) -> None:
        self.told.append(f"refused {body['metadata']['name']}: {error.problems[0].path}")

    def removed(self, key: PolicyKey) -> None:
        self.told.append(f"removed {key.name}")


def a_store(*sources: str) -> tuple[PolicyStore, list[str]]:
    listener = Remembering()
    return PolicyStore(Catalog({}, sources or ("default",)), listener), listener.told


def policy(name: str = "a", generation: int = 1, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 — handed on
    return a_policy_body(name=name, uid=fields.pop("uid", f"uid-of-{name}"), generation=generation, **fields)


def broken(name: str = "a", generation: int = 1) -> dict[str, Any]:
    return policy(name, generation, checks=[{"name": "x", "query": "sum(", "unhealthy": {"above": "0"}}])


def deleting(name: str = "a") -> dict[str, Any]:
    body = policy(name)
    body["metadata"]["deletionTimestamp"] = "2026-11-22T12:00:00Z"
    return body


@pytest.mark.parametrize(
    ("bodies", "told", "in_use"),
    [
        pytest.param([policy()], ["accepted a 1"], ["a"], id="a new policy"),
        pytest.param([policy(), policy()], ["accepted a 1"], ["a"], id="the same generation twice"),
        pytest.param([policy(), policy(generation=2)], ["accepted a 1", "accepted a 2"], ["a"], id="a new generation"),
        pytest.param(
            [policy(generation=2), policy(generation=1)],
            ["accepted a 2"],
            ["a"],
            id="an older generation that comes late",
        ),
        pytest.param(
            [policy(generation=2), policy(uid="another")],
            ["accepted a 2", "accepted a 1"],
            ["a"],
            id="deleted and made again begins anew",
        ),
        pytest.param([broken()], ["refused a: spec.checks[0].query"], [], id="one that cannot be used"),
        pytest.param(
            [broken(), broken()], ["refused a: spec.checks[0].query"], [], id="is told once, not again and again"
        ),
        pytest.param(
            [broken(), policy(generation=2)],
            ["refused a: spec.checks[0].query", "accepted a 2"],
            ["a"],
            id="and used once it is mended",
        ),
        pytest.param(
            [policy(), broken(generation=2)],
            ["accepted a 1", "refused a: spec.checks[0].query"],
            [],
            id="a policy that was spoiled is out of use",
        ),
        pytest.param([policy(), deleting()], ["accepted a 1", "removed a"], [], id="one that is being deleted"),
        pytest.param([deleting()], [], [], id="one that was never known and is being deleted"),
        pytest.param(
            [policy("a"), broken("b"), policy("c")],
            ["accepted a 1", "refused b: spec.checks[0].query", "accepted c 1"],
            ["a", "c"],
            id="a bad one leaves the others alone",
        ),
    ],
)
def test_what_is_watched(bodies: list[dict[str, Any]], told: list[str], in_use: list[str]) -> None:
    store, heard = a_store()
    for body in bodies:
        store.put(body)

    assert heard == told
    assert [key.name for key in store.policies] == in_use


def test_a_list_removes_ghosts_and_brings_what_the_watch_missed() -> None:
    store, heard = a_store()
    for name in ("stays", "ghost", "changed"):
        store.put(policy(name))
    store.put(broken("bad-ghost"))
    heard.clear()
    store.replace([policy("stays"), policy("changed", 2), policy("missed")])

    assert sorted(heard) == ["accepted changed 2", "accepted missed 1", "removed bad-ghost", "removed ghost"]
    assert sorted(key.name for key in store.policies) == ["changed", "missed", "stays"]


def test_an_empty_list_removes_everything() -> None:
    store, heard = a_store()
    store.put(policy())
    store.replace([])

    assert heard == ["accepted a 1", "removed a"]
    assert not store.policies


def test_a_status_update_is_no_news() -> None:
    """Salus writes the status itself; the event that follows must not start anything."""
    store, heard = a_store()
    store.put(policy())
    store.put({**policy(), "status": {"observedGeneration": 1}})

    assert heard == ["accepted a 1"]


def test_a_policy_that_is_gone_is_removed_once() -> None:
    store, heard = a_store()
    store.put(policy())
    store.remove(key_of(policy()))
    store.remove(key_of(policy()))

    assert heard == ["accepted a 1", "removed a"]


def test_a_policy_that_came_back_is_accepted_again() -> None:
    store, heard = a_store()
    store.put(policy())
    store.remove(key_of(policy()))
    store.put(policy())

    assert heard == ["accepted a 1", "removed a", "accepted a 1"]


def test_which_policies_are_known() -> None:
    """One that cannot be used is known too: its records still have an owner."""
    store, _ = a_store()
    store.put(policy("good"))
    store.put(broken("bad"))

    assert [store.knows(PolicyKey("shop", name)) for name in ("good", "bad", "none")] == [True, True, False]
    assert not store.knows(PolicyKey("elsewhere", "good"))


def test_another_catalog_compiles_everything_anew() -> None:
    store, heard = a_store("default")
    store.put(policy("a", source="default"))
    store.put(policy("b", source="prod"))
    heard.clear()
    store.use(Catalog({}, ("prod",)))

    assert heard == ["refused a: spec.source", "accepted b 1"]
    assert [key.name for key in store.policies] == ["b"]


def test_the_same_name_in_two_namespaces_is_two_policies() -> None:
    store, heard = a_store()
    elsewhere = policy()
    elsewhere["metadata"]["namespace"] = "elsewhere"
    store.put(policy())
    store.put(elsewhere)

    assert heard == ["accepted a 1", "accepted a 1"]
    assert len(store.policies) == 2
