"""The queue of a sink, by properties: fair by namespace, in order, and nothing is lost."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from salus.core.records.entries import change_record
from salus.model.scalars import Body
from salus.ports import CHANGE_EVENTS, Ref
from salus.reconcile.records.outbox import Outbox
from tests.unit.test_delivery import a_record

SINK = "audit"
NAMESPACES = ("aaa", "bank", "shop", "zoo")


def record(namespace: str, number: int) -> Body:
    body = a_record(SINK, decision="Refuse")
    body["metadata"] |= {"namespace": namespace, "name": f"web-{number:06}"}
    body["spec"]["decidedAt"] = f"2026-11-30T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"
    return body


def ref_of(body: Body) -> Ref:
    return Ref(CHANGE_EVENTS, body["metadata"]["namespace"], body["metadata"]["name"])


@dataclass
class Post:
    """Records come, and a sink takes so many of them in one round."""

    outbox: Outbox = field(default_factory=Outbox)
    made: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    there: dict[Ref, Body] = field(default_factory=dict)
    """Not taken yet, whether the outbox knows of it or not."""
    taken: list[Ref] = field(default_factory=list)

    def come(self, namespace: str, count: int) -> None:
        for _ in range(count):
            body = record(namespace, self.made[namespace])
            self.made[namespace] += 1
            self.there[ref_of(body)] = body
            self.outbox.changed(None, change_record(body))

    def serve(self, at_most: int) -> Sequence[Ref]:
        served = list(islice(self.taking(), at_most))
        self.taken += served
        return served

    def taking(self) -> Iterator[Ref]:
        for ref in self.outbox.in_turn(SINK):
            self.outbox.changed(change_record(self.there.pop(ref)), None)
            yield ref


arrivals = st.tuples(st.sampled_from(NAMESPACES), st.integers(0, 8))
rounds = st.lists(st.tuples(st.lists(arrivals, max_size=4), st.integers(0, 9)), max_size=6)


@given(rounds)
def test_while_one_namespace_waits_each_other_is_served_once_at_most(
    story: list[tuple[list[tuple[str, int]], int]],
) -> None:
    """Whatever comes, and wherever rounds are broken off."""
    post, passed = Post(), dict[str, list[str]]()
    for came, at_most in story:
        for namespace, count in came:
            post.come(namespace, count)
        for ref in post.serve(at_most):
            for others in passed.values():
                others.append(ref.namespace)
            assert [one for one in passed if len(set(passed[one])) < len(passed[one]) and one != ref.namespace] == []
            passed.pop(ref.namespace, None)
        passed = {one: passed.get(one, []) for one in {ref.namespace for ref in post.there}}


@given(rounds)
def test_each_namespace_keeps_its_order_and_nothing_is_lost_or_told_twice(
    story: list[tuple[list[tuple[str, int]], int]],
) -> None:
    post = Post()
    for came, served in story:
        for namespace, count in came:
            post.come(namespace, count)
        post.serve(served)
    while post.serve(7):
        pass

    assert post.there == {}
    for namespace in NAMESPACES:
        own = [ref.name for ref in post.taken if ref.namespace == namespace]
        assert own == [f"web-{number:06}" for number in range(post.made[namespace])]


def test_ten_thousand_of_one_namespace_make_another_wait_for_one() -> None:
    post = Post()
    post.come("aaa", 10_000)
    post.come("shop", 1)

    assert [ref.namespace for ref in post.serve(2)] == ["aaa", "shop"]


def test_who_was_served_last_comes_last_when_a_round_is_broken_off() -> None:
    """A sink so slow that each round takes one: the flood does not begin every round."""
    post = Post()
    for namespace in NAMESPACES:
        post.come(namespace, 50)

    assert [ref.namespace for _ in range(8) for ref in post.serve(1)] == [*NAMESPACES, *NAMESPACES]


def test_one_that_comes_in_the_middle_of_a_round_has_its_turn_in_it() -> None:
    post = Post()
    post.come("aaa", 50)
    taking = post.taking()
    next(taking)
    post.come("shop", 1)

    assert [ref.namespace for ref in islice(taking, 2)] == ["aaa", "shop"]


def test_what_is_not_ready_costs_its_namespace_no_turn() -> None:
    post = Post()
    for namespace in ("aaa", "shop"):
        post.come(namespace, 3)
    refused = {Ref(CHANGE_EVENTS, "shop", "web-000000"), Ref(CHANGE_EVENTS, "shop", "web-000001")}

    turns = post.outbox.in_turn(SINK, lambda ref: ref not in refused)

    assert [(ref.namespace, ref.name[-1]) for ref in islice(turns, 3)] == [("aaa", "0"), ("shop", "2"), ("aaa", "1")]


@given(st.permutations(range(12)), st.integers(0, 12))
def test_the_oldest_comes_first_in_whatever_order_they_were_seen(numbers: list[int], before: int) -> None:
    """A list gives them by name."""
    post = Post()
    for number in numbers:
        body = record("shop", number)
        post.there[ref_of(body)] = body
        post.outbox.changed(None, change_record(body))
        if number == before:
            post.serve(0)
    post.serve(12)

    assert [ref.name for ref in post.taken] == [f"web-{number:06}" for number in range(12)]


def test_one_that_is_gone_is_not_given_out_in_a_round_that_has_begun() -> None:
    post = Post()
    post.come("shop", 3)
    taking = post.outbox.in_turn(SINK)
    first = next(taking)
    for ref in list(post.there):
        if ref != first:
            post.outbox.changed(change_record(post.there[ref]), None)

    assert list(taking) == []
