"""Markdown for documents that people keep: what records say stands in it as text, and never as a mark."""

from collections.abc import Iterable, Iterator, Sequence

from salus.cli.show import plain

_MARKS = frozenset("\\`*_[]<>|#")


def escaped(words: str) -> str:
    """A text on one line that Markdown takes as it is."""
    return "".join(f"\\{char}" if char in _MARKS else char for char in plain(" ".join(words.split()))).strip()


def rows_of(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table; the first row has the titles."""
    titles, *rest = rows
    yield f"| {' | '.join(titles)} |"
    yield f"|{' --- |' * len(titles)}"
    for row in rest:
        yield f"| {' | '.join(escaped(cell) for cell in row)} |"


def section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """A heading with what is below it; nothing where there is nothing below."""
    found = list(lines)
    if found:
        yield from ("", f"## {title}", "", *found)


def items(texts: Iterable[str]) -> Iterator[str]:
    """A list."""
    return (f"- {escaped(text)}" for text in texts)


def code(text: str) -> str:
    """A text as code, whatever it holds."""
    fence = "`" * (max((len(run) for run in _runs(text)), default=0) + 1)
    inner = f" {text} " if "`" in text else text
    return f"{fence}{inner}{fence}"


def _runs(text: str) -> Iterator[str]:
    run = ""
    for char in text:
        run = f"{run}{char}" if char == "`" else ""
        if run:
            yield run
