"""Notify: tell people, change nothing."""

from salus.core.actions.kind import Kind, PlanRequest
from salus.model.change import ActionKind
from salus.model.values.changes import Action


def plan(asked: PlanRequest) -> Action:
    """An action without a patch; the record and its Event are the message."""
    workload, wish = asked.seen.workload, asked.remedy.notify
    assert wish is not None  # noqa: S101 — the registry chose this planner by this field
    what = "; ".join(f"{finding.check}: {finding.message}" for finding in asked.because)
    return Action(
        kind=ActionKind.NOTIFY,
        remedy=asked.remedy.name,
        target=workload.key,
        target_uid=workload.uid,
        message=f"{wish.severity}: {workload.key} is unhealthy: {what}",
        before=workload.facts(),
        intended=workload.facts(),
    )


KIND = Kind(name=ActionKind.NOTIFY, field="notify", plan=plan)
