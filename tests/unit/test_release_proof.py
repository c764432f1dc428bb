"""When a release counts as known healthy: every policy, none pending, the longest bake, somebody who may act."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.core.records.release_proof import NotProven, Proven, Witness, longest_bake, prove, vouches
from salus.model.policy import Verdict
from salus.model.values.metrics import Finding
from tests.builders import NOW, a_finding, a_policy, ago, seconds

BAKE = timedelta(minutes=10)


def well(*, since: float | None = 3600, seen: float = 0, **fields: Any) -> Finding:  # noqa: ANN401 — handed on
    """A check that was healthy since so many seconds ago, when it was asked last."""
    healthy = a_finding(verdict=Verdict.HEALTHY, since=None if since is None else ago(since))
    return replace(healthy, observed_at=ago(seen), **fields)


def witness(*findings: Finding, **fields: Any) -> Witness:  # noqa: ANN401 — handed on
    return Witness(**{"policy": "web", "bake": BAKE, "acts": True, "findings": findings or (well(),), **fields})


OWNER = witness(policy="owner")
PENDING = well(since=None, reason="Pending")


@pytest.mark.parametrize(
    ("other", "why"),
    [
        pytest.param(witness(PENDING), "within its `for`", id="a check is beyond its bound for a while"),
        pytest.param(witness(well(), PENDING), "within its `for`", id="one of two is"),
        pytest.param(witness(a_finding()), "says Unhealthy", id="a check is unhealthy"),
        pytest.param(witness(well(verdict=Verdict.UNKNOWN)), "says Unknown", id="a check knows nothing"),
        pytest.param(witness(findings=()), "has not been measured", id="it was not measured, or cannot be used"),
        pytest.param(witness(in_incident=True), "has an incident", id="its incident is not over"),
        pytest.param(witness(well(since=500)), "healthy for 10m", id="it is healthy for less than the bake"),
        pytest.param(witness(well(seen=700)), "since the release was there", id="it looked too early"),
        pytest.param(witness(findings=(), acts=False), "has not been measured", id="one that observes was not"),
        pytest.param(witness(a_finding(), acts=False), "says Unhealthy", id="one that observes is unhealthy"),
    ],
)
def test_one_policy_that_has_doubts_holds_a_release_back(other: Witness, why: str) -> None:
    """Whatever the others say, in whatever order they are asked."""
    other = replace(other, policy="other")
    for witnesses in ([OWNER, other], [other, OWNER]):
        answer = prove(witnesses, ago(900), BAKE)

        assert isinstance(answer, NotProven)
        assert answer.message.startswith("policy other ")
        assert why in answer.message


@pytest.mark.parametrize(
    ("witnesses", "rehearsed"),
    [
        pytest.param([OWNER], False, id="one that may act"),
        pytest.param([OWNER, witness(acts=False)], False, id="one of two may act"),
        pytest.param([witness(acts=False), OWNER], False, id="the second of two may act"),
        pytest.param([witness(acts=False)], True, id="nobody may act: good enough for rehearsals"),
        pytest.param([witness(acts=False), witness(acts=False)], True, id="nor do two of them prove more"),
        pytest.param([witness(well(seen=250)), OWNER], False, id="one that looks seldom, but has seen all of it"),
    ],
)
def test_a_release_that_all_policies_have_seen_healthy_is_proven(witnesses: list[Witness], rehearsed: bool) -> None:
    assert prove(witnesses, ago(900), BAKE) == Proven(rehearsed)


def test_what_was_healthy_before_the_release_was_there_proves_nothing() -> None:
    assert prove([OWNER], ago(599), BAKE) == NotProven(
        "policy owner has not seen error-ratio healthy for 10m since the release was there"
    )


def test_the_longest_bake_of_all_policies_counts() -> None:
    assert longest_bake([replace(OWNER, bake=seconds(0)), OWNER, replace(OWNER, bake=seconds(5))]) == BAKE


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"mode": "Enforce"}, True, id="Enforce"),
        pytest.param({"mode": "Approve"}, True, id="Approve"),
        pytest.param({"mode": "Observe"}, False, id="Observe: nobody asked its author for a right"),
        pytest.param({"mode": "Enforce", "suspend": True}, False, id="suspended: likewise"),
    ],
)
def test_whose_author_may_act(spec: dict[str, Any], expected: bool) -> None:
    assert vouches(a_policy(**spec)) is expected


FINDINGS = st.builds(
    well,
    since=st.none() | st.integers(0, 1200),
    seen=st.integers(0, 1200),
    verdict=st.sampled_from([Verdict.HEALTHY, Verdict.HEALTHY, Verdict.UNKNOWN, Verdict.UNHEALTHY]),
)
WITNESSES = st.lists(
    st.builds(
        Witness,
        policy=st.just("web"),
        bake=st.integers(0, 900).map(seconds),
        acts=st.booleans(),
        findings=st.lists(FINDINGS, max_size=3).map(tuple),
        in_incident=st.booleans(),
    ),
    min_size=1,
    max_size=4,
)


@settings(derandomize=True)
@given(witnesses=WITNESSES, stranger=WITNESSES, rolled_out=st.integers(0, 1200))
def test_another_policy_never_proves_what_was_not_proven_without_it(
    witnesses: list[Witness], stranger: list[Witness], rolled_out: int
) -> None:
    """Policies can only add doubts; and those that may not act turn no rehearsal into a proof."""
    alone = prove(witnesses, ago(rolled_out), longest_bake(witnesses))
    watching = [replace(one, acts=False) for one in stranger]
    together = prove([*witnesses, *watching], ago(rolled_out), longest_bake([*witnesses, *watching]))

    assert isinstance(together, NotProven) or together == alone
    assert ago(rolled_out) <= NOW
