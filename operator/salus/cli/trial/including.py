"""Files of `promtool test rules` that a test includes: series and rules that a team has already written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from salus.bounded_yaml import UnreadableError, value_of
from salus.cli.trial import notation
from salus.cli.validate import read
from salus.model.problems import Problem
from salus.model.scalars import format_duration, parse_duration

_MINUTE = timedelta(minutes=1)
"""What promtool takes where a file names no interval."""


@dataclass(frozen=True, slots=True)
class Included:
    """What is there in every test without values."""

    series: tuple[tuple[str, str], ...] = ()
    rules: tuple[str, ...] = ()
    step: timedelta | None = None


class _Odd(Exception):
    """A file that is not one of promtool's."""


def include(names: Sequence[str], folder: Path, interval: timedelta | None) -> tuple[Included, list[Problem]]:
    """All of these together. `interval`: what the test says of its own."""
    found, wrong = Included(step=interval), list[Problem]()
    for index, name in enumerate(names):
        try:
            found = _with(found, folder / name)
        except (UnreadableError, _Odd, ValueError) as error:
            wrong.append(Problem(f"promtool[{index}]", f"{name}: {error}"))
    return found, wrong


def _with(found: Included, file: Path) -> Included:
    body = value_of(read(str(file)))
    if not isinstance(body, Mapping):
        raise _Odd("is no file of promtool test rules")
    first: Mapping[str, Any] = next(iter(_list(body, "tests")), {})
    if not isinstance(first, Mapping):
        raise _Odd("tests: expected objects")
    step = parse_duration(first.get("interval") or body.get("evaluation_interval") or format_duration(_MINUTE))
    if found.step not in {None, step}:
        raise _Odd(f"has a value every {format_duration(step)}; give the test the same interval")
    rules = tuple(str((file.parent / str(name)).resolve()) for name in _list(body, "rule_files"))
    return Included((*found.series, *_series(first)), (*found.rules, *rules), step)


def _series(test: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for row in _list(test, "input_series"):
        if not isinstance(row, Mapping) or not isinstance(row.get("series"), str):
            raise _Odd("input_series: expected series and values")
        values = str(row.get("values", ""))
        notation.parse(values)
        yield row["series"], values


def _list(body: Mapping[str, Any], name: str) -> Sequence[Any]:
    found = body.get(name) or []
    if not isinstance(found, list):
        raise _Odd(f"{name}: expected a list")
    return found
