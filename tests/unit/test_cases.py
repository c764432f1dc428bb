"""The two indexes of all cases say what a walk through all of them would."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from salus.model.meta import WorkloadKind
from salus.model.values.keys import PolicyKey, TargetKey
from salus.reconcile.cases import Case, Cases

POLICIES = [PolicyKey("shop", name) for name in ("one", "other")]
TARGETS = [TargetKey("shop", WorkloadKind.DEPLOYMENT, name) for name in ("checkout", "cart", "search")]
KEYS = st.tuples(st.sampled_from(POLICIES), st.sampled_from(TARGETS))


@settings(derandomize=True, max_examples=100, deadline=None)
@given(moves=st.lists(st.tuples(st.booleans(), KEYS), max_size=40))
def test_the_indexes_say_what_a_walk_would(moves: Sequence[tuple[bool, tuple[PolicyKey, TargetKey]]]) -> None:
    cases = Cases()
    for comes, key in moves:
        if comes:
            cases[key] = Case(*key)
        else:
            cases.pop(key, None)

        for policy in POLICIES:
            assert {id(case) for case in cases.of(policy)} == {
                id(one) for one in cases.values() if one.policy == policy
            }
        for target in TARGETS:
            assert {id(case) for case in cases.on(target)} == {
                id(one) for one in cases.values() if one.target == target
            }
