"""Which policies of a namespace are measured when it has too many, and what the others are told."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.core.policy.caps import Claim, left_out
from salus.core.policy.compile import Catalog, compile_policy
from salus.model.scalars import Body
from salus.model.values.configuration import Bounds
from salus.model.values.keys import PolicyKey
from salus.model.values.metrics import Answer, Query, Value
from salus.model.values.policies import Policy
from salus.ports import CHANGE_EVENTS, HEALTH_POLICIES, INCIDENTS, Ref
from salus.reconcile.tick import Reconciler
from salus.rehearsal.ports import VirtualClock
from tests.builders import NAMESPACE, NOW, RESTART, a_deployment_body, a_policy_body
from tests.fakes.cluster import FakeCluster
from tests.unit.stage import a_reconciler


def a_claim(name: str, created: int, targets: int = 1) -> Claim:
    return Claim(PolicyKey("shop", name), f"2026-11-22T03:04:{created:02d}Z", targets)


@pytest.mark.parametrize(
    ("claims", "bounds", "out"),
    [
        pytest.param([a_claim("b", 2), a_claim("a", 1)], Bounds(policies=2), {}, id="as many as there may be"),
        pytest.param(
            [a_claim("a", 2), a_claim("b", 1)], Bounds(policies=1), {"a": "TooManyPolicies"}, id="the newest is out"
        ),
        pytest.param(
            [a_claim("b", 1), a_claim("a", 1)], Bounds(policies=1), {"b": "TooManyPolicies"}, id="then by name"
        ),
        pytest.param(
            [a_claim("a", 1, 3), a_claim("b", 2, 2)], Bounds(targets=5), {}, id="as many targets as there may be"
        ),
        pytest.param(
            [a_claim("a", 1, 3), a_claim("b", 2, 3), a_claim("c", 3, 2)],
            Bounds(targets=5),
            {"b": "TooManyTargets"},
            id="one that does not fit is out as a whole, a smaller one that is newer fits",
        ),
        pytest.param(
            [a_claim("a", 1, 9), a_claim("b", 2, 1)],
            Bounds(targets=5),
            {"a": "TooManyTargets"},
            id="one that is too big by itself costs the others nothing",
        ),
    ],
)
def test_who_is_left_out(claims: list[Claim], bounds: Bounds, out: dict[str, str]) -> None:
    assert {key.name: why.reason for key, why in left_out(claims, bounds).items()} == out


def test_the_sentences_have_the_numbers_and_say_who_can_help() -> None:
    found = left_out([a_claim("a", 1, 3), a_claim("b", 2, 3), a_claim("c", 3)], Bounds(policies=2, targets=5))

    targets, policies = (why.message for why in found.values())
    assert targets == (
        "its 3 targets do not fit: older policies of namespace shop have 3, and 5 are measured together; delete "
        "policies that are not needed, or have the operator's administrator raise limits.targetsPerNamespace"
    )
    assert policies == (
        "namespace shop has older policies, and 2 are measured, the oldest first; delete policies that are not "
        "needed, or have the operator's administrator raise limits.policiesPerNamespace"
    )


_claims = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20)


@given(_claims, st.integers(1, 10), st.integers(1, 20), st.randoms())
def test_the_order_in_which_policies_are_seen_does_not_matter(
    drawn: list[tuple[int, int]], policies: int, targets: int, shuffled: random.Random
) -> None:
    claims = [a_claim(f"p-{index}", created, size) for index, (created, size) in enumerate(drawn)]
    bounds = Bounds(policies=policies, targets=targets)
    first = left_out(claims, bounds)
    shuffled.shuffle(claims)

    assert left_out(claims, bounds) == first
    measured = [claim for claim in claims if claim.key not in first]
    assert len(measured) <= policies
    assert sum(claim.targets for claim in measured) <= targets


@given(_claims, st.integers(1, 10), st.integers(1, 20), st.integers(0, 9))
def test_a_policy_that_comes_later_pushes_nobody_out(
    drawn: list[tuple[int, int]], policies: int, targets: int, size: int
) -> None:
    claims = [a_claim(f"p-{index}", created, taken) for index, (created, taken) in enumerate(drawn)]
    bounds = Bounds(policies=policies, targets=targets)
    before = set(left_out(claims, bounds))

    after = set(left_out([*claims, a_claim("z", 10, size)], bounds))

    assert after - {PolicyKey("shop", "z")} == before


class Unhealthy:
    """Every answer is bad; what was asked is remembered."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def ask(self, questions: Sequence[Query]) -> list[Answer]:
        self.asked += [question.query for question in questions]
        return [Value(1.0, NOW) for _ in questions]

    async def samples(self, *_: object) -> list[Any]:
        return []


class Place:
    """Some policies of one namespace, each asking its own question about the one Deployment."""

    def __init__(self, *names: str, bounds: Bounds) -> None:
        self.clock, self.metrics, self.bounds = VirtualClock(NOW), Unhealthy(), bounds
        self.cluster = FakeCluster(now=self.clock.now)
        self.cluster.put(a_deployment_body())
        self.policies: dict[str, Policy] = {}
        self.reconciler: Reconciler = a_reconciler(self.cluster, self.metrics, self.clock)
        self.reconciler.context = replace(self.reconciler.context, bounds=lambda: self.bounds)
        for index, name in enumerate(names):
            self.add(name, index)

    def add(self, name: str, created: int) -> None:
        body: Body = a_policy_body(
            name=name, checks=[{"name": "c", "query": name, "unhealthy": {"above": "0"}}], remedies=[RESTART]
        )
        body["metadata"]["creationTimestamp"] = f"2026-11-22T03:04:{created:02d}Z"
        self.cluster.put({"apiVersion": "salus.dev/v1alpha1", "kind": "HealthPolicy", **body})
        self.policies[name] = compile_policy(body, Catalog({}, ["default"]))
        self.reconciler.accept(self.policies[name], {})

    async def tick(self) -> list[str]:
        """One tick of all; the questions that were asked."""
        self.metrics.asked.clear()
        await self.reconciler.tick(list(self.policies.values()))
        self.clock.advance(timedelta(seconds=5))
        return sorted(set(self.metrics.asked))

    async def stalled(self, name: str) -> tuple[str, str]:
        body = await self.cluster.get(Ref(HEALTH_POLICIES, NAMESPACE, name))
        found = next(c for c in body["status"]["conditions"] if c["type"] == "Stalled")
        return found["status"], found["reason"]


async def test_what_is_beyond_the_cap_is_not_asked_and_its_status_says_so() -> None:
    place = Place("a", "b", "c", bounds=Bounds(policies=2))

    assert await place.tick() == ["a", "b"]
    assert await place.stalled("c") == ("True", "TooManyPolicies")
    assert await place.stalled("a") == ("False", "Settled")


async def test_a_policy_has_its_turn_when_an_older_one_goes() -> None:
    place = Place("a", "b", bounds=Bounds(targets=1))
    assert await place.tick() == ["a"]

    place.reconciler.forget(place.policies.pop("a").key)

    assert await place.tick() == ["b"]
    assert await place.stalled("b") == ("False", "Settled")


async def test_a_new_process_leaves_out_the_same_from_its_first_tick_on() -> None:
    place = Place("a", "b", bounds=Bounds(targets=1))
    late = place.policies["b"]

    await place.reconciler.tick([late])  # before anybody looked at the targets of the older one

    assert place.metrics.asked == []


async def test_what_is_beyond_is_written_once_and_its_old_findings_count_no_more() -> None:
    place = Place("a", "b", bounds=Bounds())
    await place.tick()
    place.bounds = Bounds(policies=1)
    await place.tick()
    before = len(place.cluster.writes)

    for _ in range(3):
        assert await place.tick() == ["a"]

    assert [w.ref for w in place.cluster.writes[before:] if w.ref.resource == HEALTH_POLICIES] == []
    assert {key.name for key, _ in place.reconciler.cases} == {"a"}
    assert place.cluster.objects(INCIDENTS)
    assert place.cluster.objects(CHANGE_EVENTS)
