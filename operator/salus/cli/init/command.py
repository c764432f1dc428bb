"""The command `salus init`: reads, proposes, and writes a file; it never applies one."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from salus.adapters.clock import SystemClock
from salus.cli.asking import agrees, somebody_agrees
from salus.cli.contract import CannotBeAsked, Exit
from salus.cli.init import files
from salus.cli.init.surroundings import workload_named, workloads_of
from salus.cli.init.text import summary, text
from salus.cli.init.workload import Proposer, Wish
from salus.cli.lint.around import AROUND as _OF_LINT
from salus.cli.metrics.choosing import Choose, on_terminal
from salus.cli.metrics.opening import prometheus_of
from salus.cli.metrics.wanted import Prometheus
from salus.cli.names import short_of
from salus.cli.person import Person, Where, person_at
from salus.cli.progress import Progress
from salus.cli.reports.proposal import InitProposal, InitProposals
from salus.cli.show import Form, Look, show
from salus.model.values.keys import TargetKey
from salus.ports import CONTROLLER_REVISIONS, PODS, REPLICA_SETS, SERVICES, WORKLOADS, right

RIGHTS = frozenset(right("get", kind) for kind in WORKLOADS.values())
"""Of the workload itself."""
AROUND = _OF_LINT | {right("list", kind) for kind in (REPLICA_SETS, CONTROLLER_REVISIONS, PODS, SERVICES)}
"""What it takes to see all that surrounds it; `list` on workloads only for --all, or where none is named."""
KNOWN_FORMS = (Form.TEXT, Form.WIDE, Form.JSON, Form.YAML)


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person typed."""

    name: str = ""
    """TYPE/NAME; empty: asked for on a terminal."""
    all: bool = False
    wish: Wish = field(default_factory=Wish)
    to: str = ""
    """A file, a folder, or - for standard output; empty: NAME.salus.yaml here."""
    force: bool = False
    yes: bool = False

    @property
    def writes(self) -> bool:
        """Whether a file is to be written."""
        return self.to != files.STDOUT and not self.wish.explain


def run(ask: Ask, where: Where, look: Look, wanted: Prometheus) -> int:
    """The command. Returns the exit status. Raises CannotBeAsked."""
    _refuse_what_is_odd(ask, look)
    if ask.writes and look.form in {Form.TEXT, Form.WIDE}:
        somebody_agrees(sys.stdin, sure=ask.yes)
    return asyncio.run(_run(ask, where, look, wanted))


def _refuse_what_is_odd(ask: Ask, look: Look) -> None:
    if look.form not in KNOWN_FORMS:
        raise CannotBeAsked(f'-o knows no "{look.form}"', [("knows", ", ".join(KNOWN_FORMS))])
    if ask.all and ask.name:
        raise CannotBeAsked("--all and a name: one of them says for what")
    if ask.all and (ask.to == files.STDOUT or ask.wish.explain):
        raise CannotBeAsked("--all writes files, or prints with -o json: name one workload for --to - and --explain")
    ask.wish.choice.refuse_unknown()


async def _run(ask: Ask, where: Where, look: Look, wanted: Prometheus) -> int:
    async with person_at(where) as person:
        keys = await _keys(person, ask)
        async with prometheus_of(wanted, where, person) as found:
            proposer = Proposer(person, await person.name(), found, SystemClock().now(), ask.wish)
            if ask.all:
                return await _all(proposer, keys, ask, look)
            return _one(await proposer.of(keys[0]), person, ask, look)


async def _keys(person: Person, ask: Ask, choose: Choose | None = None) -> Sequence[TargetKey]:
    """The workloads that are meant. Raises CannotBeAsked."""
    namespace = person.one_namespace()
    if ask.name:
        return [workload_named(ask.name, namespace)]
    there = await workloads_of(person)
    if not there:
        raise CannotBeAsked(f"there is no workload in namespace {namespace}", tries=["-n NAMESPACE"])
    names = [f"{short_of(WORKLOADS[key.kind])}/{key.name}" for key in there]
    if ask.all or len(there) == 1:
        return there
    choose = choose or on_terminal()
    if choose is None:
        facts = [("there are", ", ".join(names))]
        raise CannotBeAsked("which workload?", facts, [f"salus init {names[0]}", "salus init --all"])
    return [there[choose(f"Which workload of namespace {namespace}?", names)]]


# --- one


def _one(proposed: InitProposal, person: Person, ask: Ask, look: Look) -> int:
    report = proposed.model_copy(update={"not_looked_at": tuple(person.not_looked_at)})
    if ask.to == files.STDOUT and look.form in {Form.TEXT, Form.WIDE}:
        show(report, look, text, sys.stderr)
        sys.stdout.write(report.policy)
        return _ends(report)
    if not (ask.writes and report.checks):
        show(report, look, text)
        return _ends(report)
    file = files.file_for(report.name, ask.to)
    report = report.model_copy(update={"file": str(file)})
    if look.form in {Form.JSON, Form.YAML}:
        if ask.yes:
            report = _written(report, file, ask)
        show(report, look, text)
        return _ends(report)
    return _agreed(report, file, ask, look)


def _agreed(report: InitProposal, file: Path, ask: Ask, look: Look) -> int:
    """Shown, and written if the person keeps it as it is."""
    if ask.yes:
        show(_written(report, file, ask), look, text)
        return _ends(report)
    show(report, look, text)
    if not agrees(f"Write {file}?", sure=ask.yes):
        return Exit.NO
    _written(report, file, ask)
    sys.stdout.write(f"written: {file}\n")
    return _ends(report)


def _written(report: InitProposal, file: Path, ask: Ask) -> InitProposal:
    if ask.force or not files.is_as_it_would_be(file, report.policy):
        files.write(file, report.policy)
    return report.model_copy(update={"written": True})


def _ends(report: InitProposal) -> int:
    return Exit.YES if report.metrics and report.checks else Exit.NO


# --- all of a namespace


async def _all(proposer: Proposer, keys: Sequence[TargetKey], ask: Ask, look: Look) -> int:
    progress, items, failed = Progress(sys.stderr), [], []
    for number, key in enumerate(keys):
        progress.say(lambda number=number: f"proposing: {number} of {len(keys)} workloads")  # type: ignore[misc]
        try:
            items.append(_filed(await proposer.of(key, _name(key, keys)), ask))
        except CannotBeAsked as error:
            failed.append(f"{key}: {' '.join(error.lines()).removeprefix('salus: error: ')}")
    progress.end()
    report = InitProposals(
        at=proposer.now,
        cluster=proposer.person.context,
        not_looked_at=tuple(proposer.person.not_looked_at),
        items=tuple(items),
        failed=tuple(failed),
    )
    if look.form in {Form.TEXT, Form.WIDE} and not ask.yes:
        show(report, look, summary)
        if not agrees(f"Write {sum(bool(one.checks) for one in items)} files?", sure=False):
            return Exit.NO
    if ask.yes or look.form in {Form.TEXT, Form.WIDE}:
        report = _all_written(report, ask)
    if ask.yes or look.form not in {Form.TEXT, Form.WIDE}:
        show(report, look, summary)
    if report.failed:
        return Exit.CANNOT
    return max((_ends(one) for one in report.items), default=Exit.NO)


def _name(key: TargetKey, keys: Sequence[TargetKey]) -> str:
    """Of its policy; of one name there may be workloads of several kinds."""
    twice = sum(one.name == key.name for one in keys) > 1
    return f"{key.name}-{key.kind.lower()}" if twice else key.name


def _filed(report: InitProposal, ask: Ask) -> InitProposal:
    """With the file that it goes to, below a folder of its namespace unless another is said."""
    folder = Path(ask.to) if ask.to else Path(report.workload.namespace)
    return report.model_copy(update={"file": str(folder / f"{report.name}{files.SUFFIX}") if report.checks else ""})


def _all_written(report: InitProposals, ask: Ask) -> InitProposals:
    items, failed = [], [*report.failed]
    for one in report.items:
        try:
            items.append(_written(one, Path(one.file), ask) if one.checks else one)
        except CannotBeAsked as error:
            items.append(one)
            failed.append(f"{error.what}: --force to write over it")
    return report.model_copy(update={"items": tuple(items), "failed": tuple(failed)})
