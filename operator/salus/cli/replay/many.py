"""Many policies, replayed group by group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from salus.cli.person import Person
from salus.cli.progress import Progress
from salus.cli.replay.asking import Archive
from salus.cli.replay.groups import Group, grouped, lives_of
from salus.cli.replay.play import Ask as AskQueries
from salus.cli.replay.play import Given, Played, Wish, needs_heartbeat, play, with_heartbeat
from salus.cli.replay.report import Title, report
from salus.cli.replay.written import Line
from salus.cli.reports.replay import ReplayReport
from salus.model.scalars import Body
from salus.model.values.metrics import Error, Query, Sample


@dataclass(slots=True)
class Replayed:
    """Policies, group by group: those that share a workload together, or all of them where the fleet counts."""

    archive: Archive
    ask: AskQueries
    wish: Wish
    person: Person | None
    written: Sequence[Line]
    progress: Progress
    fleet: bool
    title: Title
    keeps: bool = False
    """Each is kept as a whole, for who plays it again: a history of two weeks takes some 50 MB a policy."""
    played: list[Played] = field(default_factory=list)
    reports: list[ReplayReport] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    cut: BaseException | None = None

    async def all(self, subjects: Sequence[Body]) -> None:
        """Each group in turn. Raises CannotBeAsked."""
        wish, groups = await self._known(subjects)
        for number, group in enumerate(groups, start=1):
            heard = self._heard(number, len(groups))
            one = await play(group.bodies, group.lives, self.ask, replace(wish, heard=heard))
            self.reports.append(report([one], self.title))
            if self.keeps:
                self.played.append(one)
            if one.cut is not None:
                raise one.cut

    async def _known(self, subjects: Sequence[Body]) -> tuple[Wish, Sequence[Group]]:
        lives = await lives_of(subjects, self.wish, self.archive, self.person, self.written)
        self.unknown += lives.unknown
        groups = grouped(subjects, lives, together=self.fleet)
        wish = self.wish
        policies = [policy for group in groups for policy in group.policies]
        if needs_heartbeat(policies):
            step = min(policy.spec.interval for policy in policies)
            wish = with_heartbeat(wish, await self.archive.heartbeat(step))
        return wish, groups

    def _heard(self, number: int, count: int) -> "Heard":
        return Heard(self.progress, self.wish, f"{number} of {count}" if count > 1 else "")

    def raise_what_cut_it_short(self) -> None:
        """Whoever has pressed Ctrl-C."""
        if self.cut is not None:
            raise self.cut


@dataclass(frozen=True, slots=True)
class Heard:
    """Says how far a replay has come."""

    progress: Progress
    wish: Wish
    which: str

    def __call__(self, now: datetime) -> None:
        """At this tick."""
        share = (now - self.wish.begins) / (self.wish.ends - self.wish.begins)
        which = f" {self.which} policies" if self.which else ""
        self.progress.say(lambda: f"replaying{which}: {share:.0%}, {now:%d %b %H:%M}")


def cached(archive: Archive) -> AskQueries:
    """What was asked once is not asked again."""
    known: dict[Query, Sequence[Sample] | Error] = {}

    async def ask(queries: Mapping[Query, timedelta]) -> Given:
        known.update(await archive.checks({query: step for query, step in queries.items() if query not in known}))
        return {query: known[query] for query in queries}

    return ask
