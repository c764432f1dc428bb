"""What a notification plans: nothing but words."""

from tests.builders import PAGE, a_finding
from tests.unit.actions.planning import live, planned


def test_a_notification_changes_nothing_and_names_every_check() -> None:
    action = planned(PAGE, live(), a_finding(), a_finding(check="latency", value=3))

    assert (action.patch, action.inverse) == ((), ())
    assert action.before == action.intended
    assert action.message == (
        "critical: Deployment/checkout is unhealthy: error-ratio: 0.08, above 0.05; latency: 3, above 0.05"
    )
