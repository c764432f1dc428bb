"""The last half hour of a policy's checks, for `salus status`: by the person's own way to Prometheus, or not at all.

The state itself comes from what the operator wrote. So nothing here may fail the command, or hold it up.
"""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from salus.cli.contract import CannotBeAsked
from salus.cli.look.recent import Recent
from salus.cli.look.situation import Situation
from salus.cli.metrics.courses import Asker, Stretch
from salus.cli.metrics.wanted import Prometheus
from salus.cli.person import Person, Where
from salus.model.scalars import format_duration
from salus.model.values.keys import TargetKey

BACK = timedelta(minutes=30)
PATIENCE = timedelta(seconds=2)
"""For all of it; whoever asks how things stand does not wait for a picture."""
AGAIN = timedelta(seconds=30)
"""After which somebody who watches gets new ones."""
_FINEST = timedelta(seconds=30)
"""Between two values."""


@dataclass(slots=True)
class LastMinutes:
    """The way to what was; the answers of a moment ago are good enough for who watches."""

    where: Where
    wanted: Prometheus
    _known: dict[tuple[str, str, int], tuple[datetime, Recent]] = field(default_factory=dict)

    async def __call__(self, person: Person, found: Situation, now: datetime) -> Recent:
        """The last half hour of a policy."""
        key = (found.namespace, found.name, found.generation)
        asked_at, recent = self._known.get(key, (None, Recent()))
        if asked_at is None or now - asked_at >= AGAIN:
            recent = await self._ask(person, found, now)
            self._known[key] = now, recent
        return recent

    async def _ask(self, person: Person, found: Situation, now: datetime) -> Recent:
        spec = found.spec
        if spec is None or spec.target.name is None:
            return Recent(left_out="of several workloads there is no one course" if spec else "")
        target = TargetKey(found.namespace, spec.target.kind, spec.target.name)
        asker = Asker(replace(self.where, request_timeout=PATIENCE), self.wanted, _ask_nobody)
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                seen = await asker.of(person, found.body, target, Stretch(now - BACK, now, _FINEST))
        except TimeoutError:
            return Recent(left_out=f"no answer of Prometheus within {format_duration(PATIENCE)}")
        return Recent({one.check: one for one in seen.courses if not one.missing}, seen.why_not)


def _ask_nobody(question: str, _: object) -> int:
    """Several may be meant, and a picture is not worth a question."""
    raise CannotBeAsked(question)
