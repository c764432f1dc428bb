"""What a replay of the demo made otherwise than Salus did live."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from examples.demo.replayed import Deed, deeds_in, differences

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


def deed(action: str, seconds: float = 0, policy: str = "checkout") -> Deed:
    return Deed(policy, action, NOON + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("live", "again", "said"),
    [
        pytest.param([deed("Rollback")], [deed("Rollback", 5)], [], id="the same, a tick later"),
        pytest.param([], [], [], id="nothing, twice"),
        pytest.param(
            [deed("Rollback")], [deed("Restart")], ["not replayed: Rollback", "replayed alone: Restart"], id="another"
        ),
        pytest.param(
            [deed("Scale")], [deed("Scale", 16)], ["not replayed: Scale", "replayed alone: Scale"], id="another time"
        ),
        pytest.param(
            [deed("Scale")],
            [deed("Scale", policy="other")],
            ["not replayed: Scale of checkout", "replayed alone: Scale of other"],
            id="another policy",
        ),
    ],
)
def test_what_is_in_one_of_them_alone(live: Sequence[Deed], again: Sequence[Deed], said: Sequence[str]) -> None:
    found = differences(live, again)

    assert len(found) == len(said)
    assert all(text.startswith(start) for text, start in zip(found, said, strict=True))


def test_only_what_would_have_changed_the_workload_is_read_of_a_report() -> None:
    report = {
        "breaches": [
            {
                "policy": "checkout",
                "wouldHave": [
                    {"action": "Restart", "at": "2026-12-01T12:01:00Z", "isAct": True},
                    {"action": "Rollback", "at": "2026-12-01T12:00:00Z", "isAct": True},
                    {"action": "Notify", "at": "2026-12-01T12:02:00Z"},
                ],
            },
            {"policy": "checkout"},
        ]
    }

    assert deeds_in(report) == [deed("Rollback"), deed("Restart", 60)]
