"""The policies in use: compiled once a generation, healed by a LIST, one bad one among many good ones."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from salus.core.policy.compile import Catalog, SpecError, compile_policy
from salus.core.policy.windows import Rules
from salus.model.scalars import Body
from salus.model.values.keys import PolicyKey
from salus.model.values.metrics import Rule
from salus.model.values.policies import Policy
from salus.store import PolicyStore, bare, key_of
from tests.builders import a_policy_body

HOSTILE = Path(__file__).parent / "data" / "hostile"


@dataclass
class Remembering:
    """A listener that keeps what it was told, and fails at what it is told to fail at."""

    told: list[str] = field(default_factory=list)
    fails_at: str = ""
    reasons: list[str] = field(default_factory=list)

    def accepted(self, policy: Policy, body: Body) -> None:
        if policy.key.name == self.fails_at:
            raise RecursionError
        assert body["metadata"]["name"] == policy.key.name
        self.told.append(f"accepted {policy.key.name} {policy.generation}")

    def refused(self, body: Body, error: SpecError) -> None:
        self.told.append(f"refused {body['metadata']['name']}: {error.problems[0].path}")
        self.reasons.append(error.reason)

    def removed(self, key: PolicyKey) -> None:
        self.told.append(f"removed {key.name}")

    def escaped(self, about: str, error: BaseException) -> None:
        self.told.append(f"escaped {about}: {type(error).__name__}")


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


async def test_a_list_removes_ghosts_and_brings_what_the_watch_missed() -> None:
    store, heard = a_store()
    for name in ("stays", "ghost", "changed"):
        store.put(policy(name))
    store.put(broken("bad-ghost"))
    heard.clear()
    await store.replace([policy("stays"), policy("changed", 2), policy("missed")])

    assert sorted(heard) == ["accepted changed 2", "accepted missed 1", "removed bad-ghost", "removed ghost"]
    assert sorted(key.name for key in store.policies) == ["changed", "missed", "stays"]


async def test_an_empty_list_removes_everything() -> None:
    store, heard = a_store()
    store.put(policy())
    await store.replace([])

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


async def test_another_catalog_compiles_everything_anew() -> None:
    store, heard = a_store("default")
    store.put(policy("a", source="default"))
    store.put(policy("b", source="prod"))
    heard.clear()
    await store.use(Catalog({}, ("prod",)))

    assert heard == ["refused a: spec.source", "accepted b 1"]
    assert [key.name for key in store.policies] == ["b"]


async def test_what_is_told_of_rules_renews_only_the_policies_that_it_speaks_of() -> None:
    """Case 07: the others go on with what their checks remember."""
    store, told = a_store()
    recorded = {"name": "x", "query": "job:errors:sum", "unhealthy": {"above": "0"}}
    for body in (policy("a"), policy("b", checks=[recorded]), broken("c")):
        store.put(body)
    rules = Rules((Rule("job:errors:sum", "sum(rate(errors[1h]))"),))
    del told[:]

    await store.learn({"default": rules, "other": rules})
    await store.learn({"default": rules})

    assert told == ["accepted b 1"]
    (check,) = store.policies[PolicyKey("shop", "b")].checks
    assert (check.window, check.hidden) == (timedelta(hours=1), ())


def test_the_same_name_in_two_namespaces_is_two_policies() -> None:
    store, heard = a_store()
    elsewhere = policy()
    elsewhere["metadata"]["namespace"] = "elsewhere"
    store.put(policy())
    store.put(elsewhere)

    assert heard == ["accepted a 1", "accepted a 1"]
    assert len(store.policies) == 2


class Panic(BaseException):
    """As pyo3 raises them: no Exception."""


def hostile(file: str) -> Body:
    return cast("Body", yaml.safe_load((HOSTILE / file).read_text(encoding="utf-8")))


@pytest.mark.parametrize("file", ["pill.yaml", "evil.yaml"])
async def test_a_policy_that_stopped_salus_is_refused_and_the_others_are_used(file: str) -> None:
    store, heard = a_store()
    await store.replace([policy("a"), hostile(file), policy("c")])
    await store.use(store.catalog)

    name = hostile(file)["metadata"]["name"]
    once = ["accepted a 1", f"refused {name}: spec.checks[0].query", "accepted c 1"]
    assert heard == [*once, *once]
    assert [key.name for key in store.policies] == ["a", "c"]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(Panic("unwrap"), id="a panic of a native library"),
        pytest.param(RecursionError(), id="a recursion too deep"),
        pytest.param(MemoryError(), id="no memory"),
        pytest.param(KeyError("spec"), id="a defect of ours"),
        pytest.param(BaseExceptionGroup("several", [Panic(), ValueError()]), id="several at once"),
    ],
)
async def test_whatever_escapes_while_a_policy_is_compiled_is_that_policys_own(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compile_or_fail(body: Body, catalog: Catalog) -> Policy:
        if body["metadata"]["name"] == "b":
            raise error
        return compile_policy(body, catalog)

    monkeypatch.setattr("salus.store.compile_policy", compile_or_fail)
    listener = Remembering()
    store = PolicyStore(Catalog({}, ("default",)), listener)
    await store.replace([policy("a"), policy("b"), policy("c")])
    store.put(policy("b"))

    kind = type(error).__name__
    assert listener.told == ["accepted a 1", f"escaped shop/b: {kind}", "refused b: spec", "accepted c 1"], "told once"
    assert listener.reasons == ["InternalError"]
    assert store.knows(PolicyKey("shop", "b")), "its records still have an owner"

    store.put(policy("b", generation=2))

    assert listener.told[-2:] == [f"escaped shop/b: {kind}", "refused b: spec"], "tried again when it changes"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), BaseExceptionGroup("", [SystemExit(1)])])
async def test_what_ends_the_process_goes_through(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: object) -> Policy:
        raise error

    monkeypatch.setattr("salus.store.compile_policy", end)
    store, _ = a_store()

    with pytest.raises(type(error)):
        store.put(policy())


async def test_a_policy_whose_taking_up_fails_is_not_used_and_its_author_is_told() -> None:
    listener = Remembering(fails_at="b")
    store = PolicyStore(Catalog({}, ("default",)), listener)
    await store.replace([policy("a"), policy("b"), policy("c")])

    assert listener.told == ["accepted a 1", "escaped shop/b: RecursionError", "refused b: spec", "accepted c 1"]
    assert [key.name for key in store.policies] == ["a", "c"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"metadata": None}, id="no metadata"),
        pytest.param({"metadata": {"name": "x"}}, id="no namespace"),
        pytest.param({"metadata": {"name": ["x"], "namespace": "shop"}}, id="a name that is none"),
        pytest.param([], id="no object at all"),
    ],
)
async def test_an_object_without_a_name_costs_the_others_nothing(body: Any) -> None:  # noqa: ANN401 — anything
    store, heard = a_store()
    await store.replace([body, policy("a")])
    store.put(body)
    store.gone(body)

    assert [one for one in heard if not one.startswith("escaped an object without a name")] == ["accepted a 1"]
    assert len(heard) == 4


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"uid": None, "generation": None}, id="neither uid nor generation"),
        pytest.param({"uid": 7, "generation": "7"}, id="of other types"),
        pytest.param({"generation": 1.5, "uid": {}}, id="of odd types"),
    ],
)
async def test_a_policy_with_odd_metadata_is_used_as_it_is(metadata: dict[str, Any]) -> None:
    body = policy("odd")
    body["metadata"].update(metadata)
    store, heard = a_store()
    store.put(body)
    await store.replace([body, policy("a")])

    assert heard == ["accepted odd 0", "accepted a 1"]


async def test_others_have_their_turn_while_many_policies_are_compiled() -> None:
    """The Lease is renewed by the same event loop."""
    store, heard = a_store()
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await store.replace([policy(f"p{index}") for index in range(50)])
    replaced = turns
    await store.use(store.catalog)
    task.cancel()

    assert len(heard) == 100
    assert replaced >= 50
    assert turns >= 100


async def test_what_changes_while_a_list_is_worked_off_is_not_set_back() -> None:
    store, heard = a_store()

    async def watch() -> None:
        store.gone(policy("gone"))
        store.put(policy("newer", generation=2))

    watching = asyncio.create_task(watch())
    await store.replace([policy("first"), policy("gone"), policy("newer")])
    await watching

    assert heard == ["accepted first 1", "removed gone", "accepted newer 2"]
    assert store.keys() == {PolicyKey("shop", "first"), PolicyKey("shop", "newer")}


def test_of_a_policy_only_what_is_asked_for_is_kept() -> None:
    """Its annotations may be of a quarter of a megabyte, and it is kept for as long as it exists."""
    body = policy()
    much = "x" * 250_000
    body["metadata"] |= {"annotations": {"much": much}, "labels": {"a": "b"}, "managedFields": [{"manager": much}]}

    kept = bare({**body, "apiVersion": "salus.dev/v1alpha1", "kind": "HealthPolicy"})

    assert kept["metadata"] == {key: body["metadata"][key] for key in ("namespace", "name", "uid", "generation")}
    assert (kept["spec"], kept["status"]) == (body["spec"], body.get("status"))
    store, told = a_store()
    store.put(kept)
    assert told == ["accepted a 1"]


def test_a_deletion_that_has_begun_is_not_lost_with_the_rest() -> None:
    store, told = a_store()

    for body in (policy(), deleting()):
        store.put(bare(body))

    assert told == ["accepted a 1", "removed a"]


@pytest.mark.parametrize("metadata", [None, [], "x", {"name": "a"}])
def test_what_has_no_metadata_does_no_harm_on_the_way(metadata: object) -> None:
    assert bare({"metadata": metadata})["spec"] is None
