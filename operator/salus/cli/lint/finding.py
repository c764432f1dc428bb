"""From policies, answers and rules to a report: what is found, where it stands, and what an exception leaves out."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from typing import Any

from salus.cli.findings import notes_of
from salus.cli.lint.exceptions import Ignored, Illegible
from salus.cli.lint.registry import ILLEGIBLE, INVALID, NOTED, OF_FILES, PAST_ITS_END, RULES
from salus.cli.lint.rule import Linted
from salus.cli.lint.subjects import Read, Subject
from salus.cli.reports.lint import Level, LintedFile, LintFinding
from salus.core.policy.compile import Catalog
from salus.model.problems import Problem

NEVER_IGNORED = frozenset({PAST_ITS_END, ILLEGIBLE})


@dataclass(frozen=True, slots=True)
class Wish:
    """Which findings a person wants to see."""

    level: Level = Level.INFO
    ignore: Collection[str] = ()
    offline: bool = False


@dataclass(slots=True)
class Found:
    """All findings, by file or policy."""

    files: dict[str, list[LintFinding]] = field(default_factory=dict)
    ignored: int = 0

    def count(self, level: Level) -> int:
        """How many of this level."""
        return sum(one.level is level for one in chain(*self.files.values()))

    def shown(self, level: Level) -> tuple[LintedFile, ...]:
        """Those of this level and above, in the order of their lines."""
        return tuple(
            LintedFile(
                name=name, findings=tuple(sorted((one for one in some if one.level.rank <= level.rank), key=_at))
            )
            for name, some in self.files.items()
        )


def _at(finding: LintFinding) -> tuple[int, int, int, str]:
    return finding.line, finding.column, finding.level.rank, finding.code


def found_in(read: Read, known: Mapping[int, Linted], catalog: Catalog, wish: Wish, today: date) -> Found:
    """Everything; `known`: by the index of a subject, what was answered about it."""
    found = Found({source: [] for source in read.sources})
    for source, some in read.exceptions.items():
        if some:
            found.files[source] += _of_exceptions(some, today)
    for index, subject in enumerate(read.subjects):
        exceptions = [one for one in read.exceptions.get(subject.source, ()) if isinstance(one, Ignored)]
        for one in of_subject(subject, known.get(index), catalog, wish):
            if one.code in wish.ignore or any(each.covers(one.code, one.line, today) for each in exceptions):
                found.ignored += 1
            else:
                found.files[subject.source].append(one)
    return found


def of_subject(subject: Subject, linted: Linted | None, catalog: Catalog, wish: Wish) -> Iterator[LintFinding]:
    """What is found about one policy."""
    for problem in subject.problems:
        yield _finding(INVALID, OF_FILES[INVALID][0], problem, subject)
    if linted is None:
        return
    said: set[str] = set()
    for rule in RULES:
        if rule.is_offline or not wish.offline:
            for problem in dict.fromkeys(rule.finds(linted)):
                said.add(problem.path)
                yield _finding(rule.code, rule.level, problem, subject)
    for note in notes_of(linted.policy, catalog):
        if note.path not in said:
            yield _finding(NOTED, OF_FILES[NOTED][0], note, subject)


def _finding(code: str, level: Level, problem: Problem, subject: Subject) -> LintFinding:
    line, column = subject.place(problem.path)
    return LintFinding(
        code=code,
        level=level,
        line=line,
        column=column,
        policy=subject.title,
        path=problem.path,
        check=_check(subject.body, problem.path),
        message=" ".join(problem.message.split()),
    )


def _check(body: Mapping[str, Any], path: str) -> str:
    """The name of the check that a path lies in."""
    if not path.startswith("spec.checks["):
        return ""
    index = path.removeprefix("spec.checks[").partition("]")[0]
    spec = body.get("spec")
    checks = spec.get("checks") if isinstance(spec, Mapping) else None
    try:
        return str(checks[int(index)]["name"])  # type: ignore[index]
    except (LookupError, TypeError, ValueError):
        return ""


def _of_exceptions(some: Sequence[Ignored | Illegible], today: date) -> Iterator[LintFinding]:
    for one in some:
        if isinstance(one, Illegible):
            yield LintFinding(
                code=ILLEGIBLE, level=OF_FILES[ILLEGIBLE][0], line=one.line, column=one.column, message=one.message
            )
        elif one.is_past(today):
            message = f"the exception for {', '.join(one.codes)} ended on {one.until.isoformat()} (because {one.why})"
            yield LintFinding(
                code=PAST_ITS_END, level=OF_FILES[PAST_ITS_END][0], line=one.line, column=one.column, message=message
            )
