"""Series of values as promtool writes them: `0.001x20 0.3x400`, `0+600x60`, `_x40`.

`AxN` is A and N times A after it, so N + 1 values; `A+BxN` goes on by B each time; `_` is no sample, `_xN` N of them;
`stale` ends a series. What promtool reads beside that, histograms and values that are no numbers, is refused.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from math import isfinite

Values = tuple[float | None, ...]
"""None: there is no sample."""
MOST = 100_000
"""Values of one series: ten weeks at a minute."""
_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?"
_ITEM = re.compile(rf"(?P<first>[-+]?{_NUMBER})(?:(?P<step>[-+]{_NUMBER})?x(?P<more>[0-9]{{1,9}}))?")
_MISSING = re.compile(r"_(?:x(?P<many>[0-9]{1,9}))?")
_STALE = "stale"


class NotValues(ValueError):
    """A text is not in this notation."""

    def __init__(self, item: str, wrong: str = "") -> None:
        expected = "expected values such as 0.3, 0.001x20, 0+600x60, _, _x40 or stale"
        super().__init__(wrong or f'{expected}, got "{item[:40]}"')


def parse(text: str) -> Values:
    """What is written. Raises NotValues."""
    found: list[float | None] = []
    for item in text.split():
        if len(found) + _length(item) > MOST:
            raise NotValues(item, f"expected at most {MOST} values")
        found += _values(item)
        if found[-1] is not None and not isfinite(found[-1]):
            raise NotValues(item, f'expected finite numbers, got "{item[:40]}"')
    return tuple(found)


def _length(item: str) -> int:
    """How many values an item stands for, before any is made."""
    if missing := _MISSING.fullmatch(item):
        return int(missing["many"] or 1)
    if number := _ITEM.fullmatch(item):
        return int(number["more"] or 0) + 1
    if item == _STALE:
        return 1
    raise NotValues(item)


def _values(item: str) -> Iterator[float | None]:
    number = _ITEM.fullmatch(item)
    if number is None:
        yield from (None for _ in range(_length(item)))
        return
    value, step = float(number["first"]), float(number["step"] or 0)
    for _ in range(_length(item)):
        yield value
        value += step  # one after the other, as promtool adds them


def write(values: Sequence[float | None]) -> str:
    """The same values, as short as runs of equal ones make it."""
    return " ".join(_run(value, len(list(run))) for value, run in groupby(values))


def _run(value: float | None, many: int) -> str:
    if value is None:
        return f"_x{many}" if many > 1 else "_"
    number = repr(value).removesuffix(".0")
    return f"{number}x{many - 1}" if many > 1 else number
