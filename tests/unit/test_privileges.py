"""What a loan never widens: the template that comes back, held against the live one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.core.objects.privileges import gains
from tests.contract.loan_cases import CASES, LIVE, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.told)
def test_what_comes_back_brings_nothing_along(case: Case) -> None:
    assert gains(LIVE, case.template) == case.gains


_NAMES = st.sampled_from(["a", "b", "c"])
_PODS = st.fixed_dictionaries(
    {
        "containers": st.lists(
            st.fixed_dictionaries({"envFrom": st.lists(st.fixed_dictionaries({"secretRef": st.just({"name": "a"})}))})
        ),
        "volumes": st.lists(
            st.one_of(
                st.fixed_dictionaries({"name": _NAMES, "secret": st.fixed_dictionaries({"secretName": _NAMES})}),
                st.fixed_dictionaries({"name": _NAMES, "hostPath": st.fixed_dictionaries({"path": _NAMES})}),
            )
        ),
        "imagePullSecrets": st.lists(st.fixed_dictionaries({"name": _NAMES})),
        "hostPID": st.booleans(),
        "serviceAccountName": _NAMES,
    }
)


@given(pod=_PODS)
def test_a_template_never_gains_on_itself(pod: dict[str, Any]) -> None:
    assert gains({"spec": pod}, {"spec": pod}) == ()


@given(one=_PODS, two=_PODS, three=_PODS)
def test_no_detour_gains_what_the_straight_way_would_not(
    one: dict[str, Any], two: dict[str, Any], three: dict[str, Any]
) -> None:
    """Two rollbacks, neither of which brings anything along, bring nothing along together."""
    if not gains({"spec": one}, {"spec": two}) and not gains({"spec": two}, {"spec": three}):
        assert gains({"spec": one}, {"spec": three}) == ()


def test_what_is_no_pod_brings_nothing_along() -> None:
    assert gains({}, {}) == gains({"spec": None}, {"spec": {"volumes": None, "containers": None}}) == ()
