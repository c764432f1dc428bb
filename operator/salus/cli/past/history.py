"""`salus history`: which lines of the past were asked for, what is left out, and what is no longer kept. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from salus.cli.past.book import Book, Known
from salus.cli.past.lines import lines_of, target
from salus.cli.reports.history import Counted, Gap, HistoryLine, What
from salus.model.scalars import Body, parse_time, whole_number


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when."""

    begins: datetime | None = None
    """None: as far back as anything is known."""
    ends: datetime | None = None

    def has(self, at: datetime) -> bool:
        """Whether a moment lies in it."""
        return (self.begins is None or at >= self.begins) and (self.ends is None or at <= self.ends)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is shown, and what is not."""

    lines: tuple[HistoryLine, ...]
    refusals: tuple[Counted, ...] = ()
    """Left out, by their reason."""


REFUSALS = frozenset({What.REFUSE})


def chosen(book: Book, window: Window, only: Iterable[What], now: datetime, *, refusals: bool) -> Chosen:
    """The lines of the window; refusals only where they are asked for, since there may be very many of them."""
    words = set(only)
    all_lines = [line for known in book.workloads for line in lines_of(known, now) if window.has(line.at)]
    wanted = [line for line in _once(all_lines) if not words or line.what in words]
    if refusals or REFUSALS & words:
        return Chosen(tuple(wanted))
    left_out = [line.reason for line in wanted if line.what in REFUSALS]
    return Chosen(tuple(line for line in wanted if line.what not in REFUSALS), counted(left_out))


def _once(lines: Iterable[HistoryLine]) -> list[HistoryLine]:
    """By time; the edit of a policy or a ConfigMap that several workloads have is told once, at the first of them."""
    found: dict[object, HistoryLine] = {}
    for line in sorted(lines, key=lambda line: line.at):
        key = (line.at, line.detail, line.by, line.namespace) if line.what is What.EDIT else id(line)
        found.setdefault(key, line)
    return list(found.values())


def counted(words: Iterable[str]) -> tuple[Counted, ...]:
    """The most frequent first."""
    found = sorted(Counter(words).items(), key=lambda item: (-item[1], item[0]))
    return tuple(Counted(word=word, count=count) for word, count in found)


# --- what is no longer kept


def gaps(book: Book, window: Window) -> tuple[Gap, ...]:
    """The records within the window that are gone, as their numbers tell: these have no gap while all are kept."""
    found = (gap for known in book.workloads for gap in _gaps(known, window))
    return tuple(found)


def _gaps(known: Known, window: Window) -> Iterator[Gap]:
    yield from _of_kind("ChangeEvent", known, window, known.changes, lambda body: str(body["spec"]["decidedAt"]))
    lines: dict[str, list[Body]] = {}
    for body in known.incidents:
        lines.setdefault(body["metadata"]["name"].rpartition("-")[0], []).append(body)
    for bodies in lines.values():
        yield from _of_kind("Incident", known, window, bodies, lambda body: str(body["spec"]["openedAt"]))


def _of_kind(
    kind: str, known: Known, window: Window, bodies: Sequence[Body], at: Callable[[Body], str]
) -> Iterator[Gap]:
    """Each missing number lies between two that are there; only what may be of the window is told."""
    numbered = [(number, parse_time(at(body))) for body in bodies if (number := _number(body)) is not None]
    before, began = 0, None
    missing, until = 0, None
    for number, moment in sorted(numbered):
        overlaps = (window.begins is None or moment > window.begins) and (
            window.ends is None or began is None or began < window.ends
        )
        if number > before + 1 and overlaps:
            missing, until = missing + number - before - 1, moment
        before, began = number, moment
    if until is not None:
        yield Gap(namespace=known.key.namespace, target=target(known), kind=kind, count=missing, before=until)


def _number(body: Body) -> int | None:
    return whole_number(body["metadata"]["name"].rpartition("-")[2])
