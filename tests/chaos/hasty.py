"""Salus with its most important line the wrong way round: the deed comes before the intent is on record.

`python -m tests.chaos.hasty run …`. The audit log shows the order even of an undisturbed life; killed between deed and
record, it leaves an effect that no record explains. The harness that cannot tell this Salus from the sound one proves
nothing (`make chaos ARGS=--hasty`).
"""

from typing import Any

from salus.cli import main
from salus.core import records
from salus.core.actions.stamp import stamped
from salus.loop import gather
from salus.loop.changes import Changes
from salus.loop.journal import Journal
from salus.loop.world import client_for
from salus.model.change import Decision
from salus.model.types import Body
from salus.model.values import Observation

_record = Journal.record


async def _deed_first(journal: Journal, entry: records.Entry, seen: Observation, seen_body: Body) -> Body:
    """Write to the workload, then to the record."""
    action: Any = entry.action
    if entry.decision is Decision.ACT and action.patch:
        name = records.change_name(action.target, records.next_sequence(seen.changes, seen.newest))
        account = client_for(journal.world, entry.policy)
        await account.patch(gather.workload_ref(action.target), stamped(action.patch, seen_body, name))
    return await _record(journal, entry, seen, seen_body)


if __name__ == "__main__":
    setattr(Journal, "record", _deed_first)  # noqa: B010 — the one line that this program turns round
    setattr(Changes, "act", Changes.pursue)  # noqa: B010 — … after which the deed is only looked for
    main()
