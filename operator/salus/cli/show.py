"""How an answer reaches a person or a program: text by rich from the very document that `-o json` prints.

80 columns, unless `wide` asks for the terminal's own; colours on a terminal alone, or where they are asked for.
"""

import locale
import os
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import TextIO, TypeVar

import orjson
import yaml
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from salus.cli.marks import MARKS, State
from salus.cli.reports.document import Document
from salus.model.scalars import Body

COLUMNS = 80
_LABEL = 7
"""Columns of the label of a fact, blanks apart."""
_WIDEST_PIPE = 400
"""Columns of `wide` where nobody tells how many there are."""


class Form(StrEnum):
    """What `-o` may ask for everywhere; some commands have more."""

    TEXT = "text"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class Color(StrEnum):
    """When there are colours."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Look:
    """What a person asked for."""

    form: str = Form.TEXT
    color: Color = Color.AUTO
    utc: bool = False


@dataclass(frozen=True, slots=True)
class Screen:
    """Where text goes, and what it may look like there."""

    console: Console
    signs: bool
    """The marks as they are meant, and not in plain letters."""
    zone: tzinfo | None
    """None: the local one."""

    def mark(self, state: State, word: str = "") -> Text:
        """The mark of a state, with a word beside it."""
        mark = MARKS[state]
        return Text(f"{mark.sign if self.signs else mark.plain} {word}".rstrip(), style=mark.style)

    def local(self, moment: datetime) -> datetime:
        """A moment in the zone that this screen shows."""
        return moment.astimezone(self.zone)

    def clock(self, moment: datetime, form: str = "%H:%M:%S") -> str:
        """A time of day. The zone stands in the heading, once."""
        return self.local(moment).strftime(form)

    def heading(self, moment: datetime) -> str:
        """Day, time and zone: `30 Nov 19:12 CET`."""
        local = self.local(moment)
        return f"{local.day} {local:%b %H:%M} {local.tzname()}"

    def write(self, renderables: Iterable[RenderableType]) -> None:
        """Print them one below the other, without blanks at the end of lines."""
        for one in renderables:
            with self.console.capture() as captured:
                self.console.print(one)
            self.console.file.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def screen(look: Look, stream: TextIO | None = None, environ: Mapping[str, str] | None = None) -> Screen:
    """The screen that the stream and the environment allow."""
    out, variables = stream or sys.stdout, os.environ if environ is None else environ
    colored = _is_colored(look.color, out, variables)
    console = Console(
        file=out,
        width=_width(look.form, out),
        color_system="standard" if colored else None,
        force_terminal=colored,
        no_color=not colored,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )
    encoding = (getattr(out, "encoding", None) or locale.getpreferredencoding(do_setlocale=False)).lower()
    return Screen(console, encoding.replace("-", "") == "utf8", UTC if look.utc else None)


def _is_colored(wanted: Color, stream: TextIO, environ: Mapping[str, str]) -> bool:
    if wanted is not Color.AUTO:
        return wanted is Color.ALWAYS
    return stream.isatty() and environ.get("TERM") != "dumb" and not environ.get("NO_COLOR")


def _width(form: str, stream: TextIO) -> int:
    if form != Form.WIDE:
        return COLUMNS
    try:
        return max(COLUMNS, os.get_terminal_size(stream.fileno()).columns)
    except (OSError, ValueError):
        return _WIDEST_PIPE


T = TypeVar("T", bound=Document)
Text_ = Callable[[T, Screen], Iterable[RenderableType]]


def show(document: T, look: Look, text: Text_[T], stream: TextIO | None = None) -> None:
    """Print a derived document. Its text is made from what its JSON holds, so that nothing else can be in it."""
    out = stream or sys.stdout
    raw = document.to_json()
    if look.form == Form.JSON:
        out.write(raw.decode() + "\n")
    elif look.form == Form.YAML:
        yaml.safe_dump(orjson.loads(raw), out, sort_keys=False, allow_unicode=True)
    else:
        shown = screen(look, out)
        shown.write(text(type(document).from_json(raw), shown))


def show_objects(bodies: Iterable[Body], look: Look, stream: TextIO | None = None) -> None:
    """Print objects of the cluster as kubectl does: json and yaml as a List, or their names."""
    out, items = stream or sys.stdout, list(bodies)
    listed = {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": items}
    if look.form == Form.NAME:
        out.writelines(f"{_typed(body)}\n" for body in items)
    elif look.form == Form.YAML:
        yaml.safe_dump(listed, out, sort_keys=False, allow_unicode=True)
    else:
        out.write(orjson.dumps(listed, option=orjson.OPT_INDENT_2).decode() + "\n")


def _typed(body: Body) -> str:
    group = str(body["apiVersion"]).rpartition("/")[0]
    kind = str(body["kind"]).lower()
    return f"{kind}{f'.{group}' if group else ''}/{body['metadata']['name']}"


def table(*titles: str, folds: Container[str] = ()) -> Table:
    """A table as kubectl draws them: titles, no lines, two blanks between columns.

    What does not fit is cut, but for the last column and those of the titles in `folds`: they go on below.
    """
    found = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="", show_header=any(titles))
    for index, title in enumerate(titles):
        goes_on = index == len(titles) - 1 or title in folds
        found.add_column(title, no_wrap=not goes_on, overflow="fold" if goes_on else "ellipsis")
    return found


def facts(rows: Iterable[tuple[str, RenderableType]], columns: int = _LABEL) -> Table:
    """Labels, at least so wide, with what there is to say beside each; what is long goes on below itself."""
    found = Table.grid(padding=(0, 2, 0, 0))
    found.add_column(no_wrap=True, min_width=columns)
    found.add_column(overflow="fold")
    for label, value in rows:
        if value:
            found.add_row(label, plain(value) if isinstance(value, str) else value)
    return found


def indented(one: RenderableType) -> RenderableType:
    """Two blanks further in."""
    return Padding(one, (0, 0, 0, 2))


def left_out(document: Document) -> Iterator[RenderableType]:
    """What was not looked at, and the right that it takes."""
    if document.not_looked_at:
        yield ""
        yield "Not looked at"
        yield from (indented(f"{one.what}: needs {one.lacks}") for one in document.not_looked_at)


def plain(text: str) -> str:
    """Nothing that a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in text)
