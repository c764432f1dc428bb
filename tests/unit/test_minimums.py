"""Windows below the operator's minimums: raised when the policy is compiled, and said in its status."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.core.policy.compile import Catalog, compile_policy
from salus.core.policy.minimums import effective
from salus.core.records.policy_status import TargetReport, policy_status
from salus.model.policy import HealthPolicySpec
from salus.model.scalars import format_duration
from salus.model.values.configuration import Minimums
from salus.model.values.policies import Policy
from salus.presets import load_presets
from salus.settings import Settings
from tests.builders import NOW, a_finding, a_policy_body, a_spec, a_workload

MINUTE = timedelta(minutes=1)
CHECK = {"name": "errors", "query": "errors", "unhealthy": {"above": "0.05"}}
CRASHING = {"name": "crashing", "preset": "PodsCrashLooping"}


def compiled(least: Minimums, **spec: Any) -> Policy:  # noqa: ANN401 — handed on
    return compile_policy(a_policy_body(**spec), Catalog(load_presets(), ["default"], minimums=least))


@pytest.mark.parametrize(
    ("least", "spec", "raised"),
    [
        pytest.param(Minimums(), {"interval": "5s", "bake": "0s"}, (), id="no minimums, nothing raised"),
        pytest.param(
            Minimums(stable=MINUTE),
            {"verify": {"settle": "0s", "stable": "0s", "timeout": "0s"}},
            ("verify.stable 0s is raised to 1m", "verify.timeout 0s is raised to 1m"),
            id="what proves a write, and the time for it",
        ),
        pytest.param(Minimums(settle=MINUTE), {"verify": {"settle": "1m"}}, (), id="as long as it has to be"),
        pytest.param(
            Minimums(cooldown=MINUTE, per=2 * MINUTE),
            {"limits": {"cooldown": "59s", "per": "1m"}},
            ("limits.cooldown 59s is raised to 1m", "limits.per 1m is raised to 2m"),
            id="limits",
        ),
        pytest.param(Minimums(bake=MINUTE), {"bake": "10s"}, ("bake 10s is raised to 1m",), id="bake"),
        pytest.param(
            Minimums(interval=MINUTE), {"interval": "5s"}, ("interval 5s is raised to 1m",), id="the interval"
        ),
        pytest.param(
            Minimums(hold=MINUTE),
            {"checks": [{**CHECK, "for": "2m"}, {**CHECK, "name": "latency"}]},
            ("checks[1].for 0s is raised to 1m",),
            id="a check that says nothing of for",
        ),
        pytest.param(Minimums(hold=MINUTE), {"checks": [CRASHING]}, (), id="a preset brings its own"),
    ],
)
def test_what_is_raised(least: Minimums, spec: dict[str, Any], raised: tuple[str, ...]) -> None:
    assert compiled(least, **spec).raised == raised


def test_a_check_holds_as_long_as_the_minimum_whoever_says_how_long() -> None:
    long = timedelta(hours=2)
    policy = compiled(Minimums(hold=long), checks=[CHECK, CRASHING])

    assert [check.hold for check in policy.checks] == [long, long]


def test_the_status_says_what_was_raised() -> None:
    policy = compiled(Minimums(stable=2 * MINUTE), verify={"stable": "0s"})
    report = TargetReport(a_workload().key, (a_finding(),))

    ready = next(c for c in policy_status(policy, [report], {}, NOW)["conditions"] if c["type"] == "Ready")

    assert ready["status"] == "True"
    assert ready["message"].endswith("; by the operator's minimum verify.stable 0s is raised to 2m")


_windows = st.integers(0, 7200).map(lambda seconds: timedelta(seconds=seconds))


@given(st.builds(Minimums, *[_windows] * 7), _windows, _windows, _windows)
def test_no_window_is_shortened_and_the_spec_still_holds(
    least: Minimums, bake: timedelta, settle: timedelta, stable: timedelta
) -> None:
    written = {"settle": settle / 2, "stable": stable / 2, "timeout": settle + stable}
    verify = {name: format_duration(timedelta(seconds=value.seconds)) for name, value in written.items()}
    before = HealthPolicySpec.parse(a_spec(bake=format_duration(bake), verify=verify))

    after, said = effective(before, least)

    assert after.bake == max(before.bake, least.bake)
    assert after.verify.stable == max(before.verify.stable, least.stable)
    assert after.verify.settle + after.verify.stable <= after.verify.timeout
    assert after.verify.timeout >= before.verify.timeout
    assert effective(after, least) == (after, ())
    assert (after == before) is (said == ())


def test_what_holds_when_the_configuration_says_nothing() -> None:
    settings = Settings.parse({})

    assert settings.minimums.value() == Minimums(
        interval=timedelta(seconds=5),
        cooldown=timedelta(seconds=30),
        per=MINUTE,
        stable=timedelta(seconds=30),
        bake=MINUTE,
    )
    assert settings.bounds().hold_down == timedelta(minutes=5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param({"minimums": {"stable": "2h"}}, "not be longer than what a policy may say", id="beyond the CRD"),
        pytest.param({"holdDown": "25h"}, "holdDown must be at most 24h", id="an incident that never closes"),
        pytest.param({"limits": {"policiesPerNamespace": 0}}, "greater than or equal to 1", id="nobody is measured"),
    ],
)
def test_a_configuration_that_contradicts_itself_is_refused(text: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings.parse(text)
