"""When a release is not to blame: the fault was there before it, or pods of a good release have it too."""

from collections.abc import Sequence

import pytest

from salus.core.cause.ruled_out import ruled_out
from salus.core.objects.workloads import release_hash, short
from salus.model.values.objects import Release
from salus.model.values.surroundings import Pod, Surroundings, UnhealthyBefore
from tests.builders import NOW, a_release, a_template, a_workload, ago, an_observation

V1, V2, V3 = a_template("shop:v1"), a_template("shop:v2"), a_template("shop:v3")
ONE, TWO, THREE = map(release_hash, (V1, V2, V3))
GOOD = a_release(V1, healthy_at=ago(7200))
BEGAN = ago(300)


def pods(release: str, unhealthy: int, well: int = 0, *, made: float = 9000) -> list[Pod]:
    """So many failing pods of a release, and so many that are not."""
    reasons = ["CrashLoopBackOff"] * unhealthy + [""] * well
    return [Pod(f"{release}-{n}", release, "node1", ago(made), why) for n, why in enumerate(reasons)]


def speaks(
    found: Sequence[Pod] = (), *unhealthy_before: str, breach: float = 60, releases: Sequence[Release] = (GOOD,)
) -> str:
    around = Surroundings(
        tuple(found), unhealthy_before=tuple(UnhealthyBefore(check, ago(900)) for check in unhealthy_before)
    )
    seen = an_observation(workload=a_workload(template=V2), releases=tuple(releases), surroundings=around)
    answer = ruled_out(seen, ago(breach), BEGAN, {"error-ratio"})
    return answer.reason if answer else ""


@pytest.mark.parametrize(
    ("breach", "expected"),
    [
        pytest.param(60, "", id="after the release"),
        pytest.param(305, "", id="seconds before it, by another clock"),
        pytest.param(306, "FaultPredatesRelease", id="before it"),
    ],
)
def test_a_breach_before_the_release(breach: float, expected: str) -> None:
    assert speaks(breach=breach) == expected


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        pytest.param(["error-ratio"], "FaultPredatesRelease", id="the check was unhealthy when the release began"),
        pytest.param(["latency"], "", id="another check was: that is another fault"),
    ],
)
def test_a_check_that_was_unhealthy_already(checks: list[str], expected: str) -> None:
    assert speaks([], *checks) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param([], "", id="no pods are known"),
        pytest.param(pods(TWO, 3), "", id="the rollout is over: there are no old pods"),
        pytest.param([*pods(ONE, 0, 3), *pods(TWO, 1)], "", id="the old ones are well: it is the release"),
        pytest.param([*pods(ONE, 3), *pods(TWO, 1)], "OldPodsFailToo", id="old and new alike"),
        pytest.param([*pods(ONE, 2, 1), *pods(TWO, 1, 1)], "OldPodsFailToo", id="two of three, and one of two"),
        pytest.param([*pods(ONE, 1, 1), *pods(TWO, 1, 1)], "OldPodsFailToo", id="half of each"),
        pytest.param([*pods(ONE, 1, 2), *pods(TWO, 1, 2)], "", id="a third of each may be a node"),
        pytest.param([*pods(ONE, 2, 1), *pods(TWO, 2)], "", id="more of the new ones: the release does worse"),
        pytest.param([*pods(ONE, 3), *pods(TWO, 0, 1)], "", id="the new ones are well: nothing is alike"),
        pytest.param(pods(ONE, 3), "", id="there is no new pod yet"),
        pytest.param([*pods(THREE, 3), *pods(TWO, 1)], "", id="old pods of a release that was never known healthy"),
        pytest.param([*pods("", 3), *pods(TWO, 1)], "", id="pods whose release nobody knows"),
        pytest.param([*pods(ONE, 3, made=60), *pods(TWO, 1)], "", id="pods of the good release that have just come"),
    ],
)
def test_pods_of_the_good_release_that_fail_as_well(found: list[Pod], expected: str) -> None:
    assert speaks(found) == expected


def test_a_release_that_was_taken_away_speaks_for_nobody() -> None:
    taken = a_release(V1, quarantined_by="checkout-0a1b2c3d-1")

    assert speaks([*pods(ONE, 3), *pods(TWO, 1)], releases=[taken]) == ""


def test_the_good_release_that_is_live_again_has_no_old_pods() -> None:
    around = Surroundings((*pods(ONE, 3),))
    seen = an_observation(workload=a_workload(template=V1), releases=(GOOD,), surroundings=around)

    assert ruled_out(seen, NOW, BEGAN, {"error-ratio"}) is None


def test_it_says_what_it_saw() -> None:
    around = Surroundings((*pods(ONE, 2, 1), *pods(TWO, 1, 1)))
    seen = an_observation(workload=a_workload(template=V2), releases=(GOOD,), surroundings=around)
    found = ruled_out(seen, ago(60), BEGAN, {"error-ratio"})

    assert found is not None
    assert found.message == (
        f"2 of 3 pods of the good release {short(ONE)} fail as well ({ONE}-0: CrashLoopBackOff), "
        "beside 1 of 2 of the live one"
    )
