"""The command `salus test`."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from salus.adapters.clock import SystemClock
from salus.cli import logs
from salus.cli.contract import CannotBeAsked, Exit
from salus.cli.progress import Progress
from salus.cli.reports.trial import Result, TestReport
from salus.cli.show import Form, Look, show
from salus.cli.trial import promtool
from salus.cli.trial.files import Read, read_tests
from salus.cli.trial.junit import junit
from salus.cli.trial.running import Runner
from salus.cli.trial.text import text
from salus.cli.trial.update import update
from salus.cli.validate import Unreadable
from salus.model.scalars import first_few

JUNIT = "junit"
_FORMS = (Form.TEXT, Form.WIDE, Form.JSON, Form.YAML, JUNIT)
_MANY = 5


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person typed."""

    inputs: Sequence[str] = (".",)
    filter: str = ""
    strict: bool = False
    update: bool = False
    sure: bool = False
    """Nobody needs to be asked before files are written."""
    least: float = 0.0
    """Percent of rungs that have to be reached."""


def run(ask: Ask, look: Look) -> int:
    """The command. Returns the exit status. Raises CannotBeAsked."""
    if look.form not in _FORMS:
        raise CannotBeAsked(f'-o knows no "{look.form}"', [("knows", ", ".join(_FORMS))])
    logs.nothing()
    read = read_tests(ask.inputs, unfinished=ask.update)
    _refuse_nothing(read, ask)
    runner, report = asyncio.run(_run(read, ask))
    if ask.update:
        return update(runner.ran, sure=ask.sure) if not report.problems else _cannot(report)
    if look.form == JUNIT:
        sys.stdout.write(junit(report) + "\n")
    else:
        show(report, look, text)
    return _cannot(report) if report.problems else _ends(report, ask)


def _refuse_nothing(read: Read, ask: Ask) -> None:
    """Tests that are not there must not pass."""
    names = [one.name for file in read.tests for one in file.spec.tests]
    if not read.wrong and not names:
        looked = [("looked for", "*.test.yaml with kind: PolicyTest"), ("in", ", ".join(ask.inputs))]
        raise CannotBeAsked("there are no tests", looked)
    if not read.wrong and not any(_is_wanted(name, ask.filter) for name in names):
        raise CannotBeAsked(f'no test is called "{ask.filter}"', [("there are", first_few(names, _MANY))])


def _is_wanted(name: str, words: str) -> bool:
    return all(word in name.lower() for word in words.lower().split())


async def _run(read: Read, ask: Ask) -> tuple[Runner, TestReport]:
    progress = Progress(sys.stderr)
    runner = Runner(promtool.found(), lambda name: progress.say(lambda: f"testing: {name}"))
    files = [await runner.run(file, lambda name: _is_wanted(name, ask.filter)) for file in read.tests]
    progress.end()
    results = [one.result for file in files for one in file.tests]
    problems = [*map(str, _in_order(read.wrong)), *runner.problems]
    report = TestReport(
        at=SystemClock().now(),
        files=tuple(file for file in files if file.tests),
        passed=results.count(Result.PASSED),
        failed=results.count(Result.FAILED),
        skipped=results.count(Result.SKIPPED),
        coverage=runner.reached.coverage(read.policies),
        least=ask.least,
        problems=tuple(problems),
    )
    return runner, report


def _in_order(wrong: Sequence[Unreadable]) -> Sequence[Unreadable]:
    return sorted(wrong, key=lambda one: (one.file, one.line or 0))


def _cannot(report: TestReport) -> int:
    for one in report.problems:
        sys.stderr.write(f"salus: {one}\n")
    return Exit.CANNOT


def _ends(report: TestReport, ask: Ask) -> int:
    if ask.strict and report.skipped:
        sys.stderr.write("salus: --strict: a test was skipped\n")
        return Exit.CANNOT
    too_little = report.coverage.percent < ask.least
    return Exit.NO if report.failed or too_little else Exit.YES
