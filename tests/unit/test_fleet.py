"""Which targets count for brake and percentages, and that nobody's targets have more than a capped say over others."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.core.guards.budgets import allowance, is_braking
from salus.core.guards.fleet import SMALLEST, Census, Tally, is_real
from salus.core.records.fleet import FleetView
from salus.model.meta import WorkloadKind
from salus.model.policy import Verdict
from salus.model.values.configuration import Brake, Budget
from salus.model.values.fleet import Fleet
from salus.model.values.keys import TargetKey
from tests.builders import RESTART, a_finding, a_policy, a_workload, healthy

REHEARSED = {**RESTART, "mode": "Observe"}
PAGE = {"name": "page", "notify": {}}


@pytest.mark.parametrize(
    ("policy", "replicas", "real"),
    [
        pytest.param({"mode": "Enforce"}, 1, True, id="it has pods, and the policy acts on it"),
        pytest.param({"mode": "Approve"}, 1, True, id="a policy that asks acts"),
        pytest.param({"mode": "Enforce"}, 0, False, id="without replicas there is nothing to heal"),
        pytest.param({"mode": "Observe"}, 1, False, id="nor where it is only observed"),
        pytest.param({"mode": "Enforce", "suspend": True}, 1, False, id="or the policy is suspended"),
        pytest.param({"mode": "Enforce", "remedies": [REHEARSED]}, 1, False, id="or its remedies are rehearsed"),
        pytest.param({"mode": "Enforce", "remedies": [PAGE]}, 1, False, id="or people are told, and nothing is done"),
    ],
)
def test_which_targets_count(policy: dict[str, Any], replicas: int, real: bool) -> None:
    assert is_real(a_policy(**policy), replace(a_workload(), replicas=replicas)) is real


def test_what_has_lost_its_pods_counts_where_it_is_on_record_that_it_had_some() -> None:
    """Else a hundred services that are scaled to zero at once put no brake on a hundred remedies that undo it."""
    gone = replace(a_workload(), replicas=0)

    assert is_real(a_policy(mode="Enforce"), gone, size=3)
    assert not is_real(a_policy(mode="Enforce"), gone)
    assert not is_real(a_policy(mode="Observe"), gone, size=3)


def seen(**tallies: tuple[int, int, int]) -> Tally:
    return Census({name: Tally(*tally) for name, tally in tallies.items()}).seen_from("shop")


@pytest.mark.parametrize(
    ("tallies", "expected"),
    [
        pytest.param({"shop": (100, 40, 55)}, Tally(100, 40, 55), id="alone, everything counts"),
        pytest.param({"shop": (100, 100, 0), "play": (30, 0, 30)}, Tally(130, 100, 30), id="a smaller one in full"),
        pytest.param({"shop": (99, 99, 0), "play": (990, 0, 990)}, Tally(132, 99, 33), id="a bigger one by a third"),
        pytest.param({"shop": (99, 0, 99), "play": (66, 22, 44)}, Tally(132, 11, 121), id="in its own proportions"),
        pytest.param(
            {"shop": (1, 0, 1), **{f"n{i}": (1, 0, 1) for i in range(9)}}, Tally(10, 0, 10), id="many small ones"
        ),
        pytest.param({"shop": (0, 0, 0), "play": (90, 0, 90)}, Tally(1, 0, 1), id="a namespace that has none"),
    ],
)
def test_the_fleet_as_a_namespace_sees_it(tallies: dict[str, tuple[int, int, int]], expected: Tally) -> None:
    assert seen(**tallies) == expected


def test_a_write_weighs_as_much_as_the_targets_of_its_namespace() -> None:
    found = Census({"shop": Tally(30, 30), "play": Tally(40, 40)})

    assert found.weight("shop", "shop") == 1
    assert found.weight("play", "shop") == Fraction(1, 4)
    assert found.weight("none", "shop") == 1


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    well, unhealthy = draw(st.integers(0, 200)), draw(st.integers(0, 200))
    return Tally(well + unhealthy + draw(st.integers(0, 20)), well, unhealthy)


_others = st.dictionaries(st.sampled_from([f"n{i}" for i in range(8)]), tallies())


@given(tallies(), _others, tallies(), tallies())
def test_what_one_namespace_makes_up_moves_another_by_a_third_of_its_own_size_at_most(
    own: Tally, others: dict[str, Tally], before: Tally, after: Tally
) -> None:
    most = max(own.targets, SMALLEST) // 3
    one, two = (Census({"shop": own, **others, "mallory": made}).seen_from("shop") for made in (before, after))

    assert abs(one.targets - two.targets) <= most
    assert abs(one.unhealthy - two.unhealthy) <= most
    budget = Budget(percent=10)
    assert abs(allowance(budget, one.targets) - allowance(budget, two.targets)) <= most // 10 + 1


@given(st.integers(5, 300), tallies())
def test_no_other_namespace_alone_puts_the_brake_on_or_takes_it_off(size: int, made: Tally) -> None:
    for own in (Tally(size, size, 0), Tally(size, 0, size)):
        found = Census({"shop": own, "mallory": made}).seen_from("shop")
        fleet = Fleet(found.targets, size, found.healthy, found.unhealthy)
        assert is_braking(Brake(), fleet) is (own.unhealthy > 0)


@given(tallies(), _others)
def test_a_sample_is_never_more_than_what_is_there(own: Tally, others: dict[str, Tally]) -> None:
    whole = sum(others.values(), own)
    found = Census({"shop": own, **others}).seen_from("shop")

    assert own.targets <= found.targets <= whole.targets
    assert 0 <= found.healthy <= whole.healthy
    assert 0 <= found.unhealthy <= whole.unhealthy
    assert found.healthy + found.unhealthy <= found.targets
    assert found == whole or others


def test_the_ledger_judges_each_namespace_by_its_own_view() -> None:
    def targets(namespace: str, count: int) -> list[TargetKey]:
        return [TargetKey(namespace, WorkloadKind.DEPLOYMENT, f"app-{number}") for number in range(count)]

    view, shop, play = FleetView(), targets("shop", 12), targets("play", 100)
    for one in shop:
        view.see(one, [(a_finding(),)])
    for one in play:
        view.see(one, [(healthy(),)])

    fleets = view.fleet(shop[0]), view.fleet(play[0])

    assert [(f.targets, f.in_namespace, f.healthy, f.unhealthy) for f in fleets] == [
        (16, 12, 4, 12),
        (112, 100, 100, 12),
    ]
    assert [is_braking(Brake(), fleet) for fleet in fleets] == [True, False]


_targets = st.builds(
    TargetKey, st.sampled_from(["shop", "play"]), st.just(WorkloadKind.DEPLOYMENT), st.sampled_from("ab")
)


@given(st.lists(st.tuples(_targets, st.none() | st.sampled_from(Verdict))))
def test_a_target_counts_once_as_it_was_seen_last(seen: list[tuple[TargetKey, Verdict | None]]) -> None:
    counted, last = Census(), dict(seen)
    for target, verdict in seen:
        counted.see(target, verdict)

    for namespace in ("shop", "play"):
        verdicts = [verdict for target, verdict in last.items() if target.namespace == namespace and verdict]
        expected = Tally(len(verdicts), verdicts.count(Verdict.HEALTHY), verdicts.count(Verdict.UNHEALTHY))
        assert counted.tallies.get(namespace, Tally()) == expected
