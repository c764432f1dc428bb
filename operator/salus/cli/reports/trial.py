"""`salus test` as a document."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from salus.cli.reports.document import Document
from salus.model.scalars import Resource

_Many = Field(default=())


class Result(StrEnum):
    """How a test ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Moment(Resource):
    """Something that happened in the run of a test."""

    at: str
    """From the beginning: `6m15s`."""
    text: str


class Failure(Resource):
    """One thing that was not as it was to be."""

    when: str
    """`at 6m`, `by 9m`, or empty: ever."""
    expected: str
    got: str


class TestResult(Resource):
    """One test."""

    __test__ = False  # pytest: this is none of yours
    name: str
    line: int
    result: Result
    seconds: float = 0.0
    failures: Annotated[tuple[Failure, ...], _Many]
    run: Annotated[tuple[Moment, ...], _Many]
    """Of a test that failed, what happened."""
    hint: str = ""
    why: str = ""
    """It was skipped."""


class TestedFile(Resource):
    """A file of tests."""

    name: str
    tests: Annotated[tuple[TestResult, ...], _Many]


class Covered(Resource):
    """How many there are of something, and which of them no test has reached."""

    reached: int = 0
    all: int = 0
    missing: Annotated[tuple[str, ...], _Many]


class Coverage(Resource):
    """What tests have reached of the policies that were read."""

    policies: int = 0
    remedies: Covered = Covered()
    """Rungs that were done, asked for or rehearsed."""
    checks: Covered = Covered()
    """Checks that were unhealthy."""
    reasons: Covered = Covered()
    """Guards that objected."""

    @property
    def percent(self) -> float:
        """Of all rungs; 100 where there are none."""
        return 100 * self.remedies.reached / self.remedies.all if self.remedies.all else 100.0


class TestReport(Document):
    """What came of the tests."""

    __test__ = False
    kind: Literal["TestReport"] = "TestReport"
    files: Annotated[tuple[TestedFile, ...], _Many]
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    coverage: Coverage = Coverage()
    least: float = 0.0
    """The share of rungs, in percent, that has to be reached."""
    problems: Annotated[tuple[str, ...], _Many]
    """What could not be read, or is wrong with the tests."""
