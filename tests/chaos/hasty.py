"""Salus with its most important line the wrong way round: the write comes before the intent is on record.

`python -m tests.chaos.hasty run …`. The audit log shows the order even of an undisturbed life; killed between write and
record, it leaves an effect that no record explains. The harness that cannot tell this Salus from the sound one proves
nothing (`make chaos ARGS=--hasty`).
"""

from typing import Any

from salus.cli import main
from salus.core.actions.stamp import stamped
from salus.core.records import changes as records
from salus.core.records import names
from salus.model.change import Decision
from salus.model.scalars import Body
from salus.model.values.changes import Change
from salus.model.values.observation import Observation
from salus.reconcile import changes
from salus.reconcile.context import Step, client_for
from salus.reconcile.observe import target
from salus.reconcile.records import journal

_record = journal.record


async def _write_first(step: Step, entry: records.Entry, seen: Observation, patched: Body) -> Change:
    """Write to the workload, then to the record."""
    action: Any = entry.action
    if entry.decision is Decision.ACT and action.patch:
        name = names.change_name(action.target, names.next_sequence(seen.changes, seen.newest))
        account = client_for(step.context, entry.policy)
        await account.patch(target.workload_ref(action.target), stamped(action.patch, patched, name))
    return await _record(step, entry, seen, patched)


if __name__ == "__main__":
    setattr(journal, "record", _write_first)  # noqa: B010 — the one line that this program turns round
    setattr(changes, "do", changes.settle)  # noqa: B010 — … after which the write is only looked for
    main()
