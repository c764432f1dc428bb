"""What a restart plans, and where it does not."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest

from salus.model.scalars import Body, format_time
from tests.builders import NOW, RESTART, RESTARTED_AT, a_deployment_body, a_template
from tests.rows import Row, sentence
from tests.unit.actions.planning import after, live, planned, refused


@dataclass(frozen=True, slots=True)
class Before(Row):
    """A pod template before its restart."""

    template: Mapping[str, Any]


TEMPLATES_BEFORE = [
    Before("the first restart", a_template()),
    Before("after another restart", a_template(restarted_at="2026-11-01T00:00:00Z")),
    Before("beside other annotations", a_template(annotations={"a/b": "c"})),
    Before("a template without metadata", {"spec": {"containers": []}}),
]


@pytest.mark.parametrize("row", TEMPLATES_BEFORE, ids=sentence)
def test_a_restart_changes_restarted_at_and_nothing_else(row: Before) -> None:
    body = a_deployment_body(template=row.template)
    changed = after(planned(RESTART, body).patch, body)
    stamp = changed["spec"]["template"]["metadata"]["annotations"].pop(RESTARTED_AT)
    before = deepcopy(body)
    before["spec"]["template"].setdefault("metadata", {}).setdefault("annotations", {}).pop(RESTARTED_AT, None)

    assert stamp == format_time(NOW)
    assert changed == before


def test_a_restart_is_no_release() -> None:
    action = planned(RESTART, live())

    assert action.intended.release == action.before.release
    assert action.intended.restarted_at == "2026-11-22T12:00:00Z"


def test_a_restart_cannot_be_taken_back() -> None:
    assert planned(RESTART, live()).inverse == ()


@dataclass(frozen=True, slots=True)
class NoRestart(Row):
    """An object that cannot be restarted."""

    body: Body
    reason: str


NO_RESTARTS = [
    NoRestart("no replicas to restart", a_deployment_body(replicas=0), "ScaledToZero"),
    NoRestart(
        "new pods could not be created",
        a_deployment_body(
            status={"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "quota exceeded"}]}
        ),
        "PodsCannotBeCreated",
    ),
    NoRestart(
        "a strategy that replaces no pods",
        {**a_deployment_body(spec={"updateStrategy": {"type": "OnDelete"}}), "kind": "StatefulSet"},
        "OnDeleteStrategy",
    ),
]


@pytest.mark.parametrize("row", NO_RESTARTS, ids=sentence)
def test_a_restart_is_refused(row: NoRestart) -> None:
    assert refused(RESTART, row.body).reason == row.reason
