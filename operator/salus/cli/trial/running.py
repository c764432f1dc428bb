"""Runs tests, one after the other, and says how each ended."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from salus.cli.reports.trial import Failure, Result, TestedFile, TestResult
from salus.cli.trial.coverage import Reached
from salus.cli.trial.files import TestFile
from salus.cli.trial.hints import Failed, hint
from salus.cli.trial.judge import misses
from salus.cli.trial.model import Case
from salus.cli.trial.records import Row, rows_of, run_of
from salus.cli.trial.stage import Stage, staged
from salus.cli.trial.told import CannotBeStaged, Skipped
from salus.contained import contained
from salus.rehearsal.engine import Rehearsed


@dataclass(frozen=True, slots=True)
class Ran:
    """A test that was run."""

    of: TestFile
    index: int
    rows: Sequence[Row]
    found: Rehearsed
    result: TestResult

    @property
    def case(self) -> Case:
        """What was asked."""
        return self.of.spec.tests[self.index]


@dataclass(slots=True)
class Runner:
    """Keeps what the tests have reached."""

    promtool: Path | None = None
    heard: Callable[[str], object] = lambda _: None
    """Told of each test before it is run."""
    reached: Reached = field(default_factory=Reached)
    ran: list[Ran] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    async def run(self, file: TestFile, wanted: Callable[[str], bool]) -> TestedFile:
        """Those tests of a file whose name is wanted."""
        results = []
        for index, case in enumerate(file.spec.tests):
            if wanted(case.name):
                self.heard(case.name)
                results.append(await self._one(file, index, case))
        return TestedFile(name=file.file, tests=tuple(results))

    async def _one(self, file: TestFile, index: int, case: Case) -> TestResult:
        line = file.line(f"tests[{index}]")
        begun, escaped = time.monotonic(), list[BaseException]()
        with contained(escaped.append):
            ran = await _run(file, index, self.promtool)
            self.reached.note(file, ran.rows, ran.found)
            result = ran.result.model_copy(update={"line": line, "seconds": time.monotonic() - begun})
            self.ran.append(replace(ran, result=result))
            return result
        if isinstance(escaped[0], Skipped):
            return TestResult(name=case.name, line=line, result=Result.SKIPPED, why=str(escaped[0]))
        self.problems.append(f"{file.file}:{line}: tests[{index}]: {_why(escaped[0])}")
        return TestResult(name=case.name, line=line, result=Result.SKIPPED, why="it cannot be played")


def _why(error: BaseException) -> str:
    if isinstance(error, CannotBeStaged):
        return str(error)
    return f"salus met an error of its own at this ({type(error).__name__}): please report it, with this file"


async def _run(file: TestFile, index: int, program: Path | None) -> Ran:
    """One test. Raises CannotBeStaged, Skipped, and whatever odd objects bring about."""
    case = file.spec.tests[index]
    stage = staged(file, case, program)
    rehearsal = stage.rehearsal()
    await rehearsal.run(stage.until)
    found = rehearsal.result()
    rows = rows_of(stage, found)
    return Ran(file, index, rows, found, _told(stage, case, rows, found))


def _told(stage: Stage, case: Case, rows: Sequence[Row], found: Rehearsed) -> TestResult:
    interval = min(policy.spec.interval for policy in stage.policies)
    missed = list(misses(case, rows, interval, len(found.incidents)))
    if not missed:
        return TestResult(name=case.name, line=0, result=Result.PASSED)
    failures: tuple[Failure, ...] = tuple(one.failure for one in missed)
    likely = next(filter(None, (hint(Failed(stage, found, rows, one)) for one in missed)), "")
    run = run_of(stage, found, rows)
    return TestResult(name=case.name, line=0, result=Result.FAILED, failures=failures, run=run, hint=likely)
