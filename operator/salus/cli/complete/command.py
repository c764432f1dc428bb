"""The command that shells call, `salus __complete WORD…`: what may stand in the last word's place.

It speaks the protocol of Cobra, as kubectl does with its plugins: one candidate a line, a tab, what it is; the last
line is a number: 4 where only these are meant, 0 where the shell may offer files. Nothing is ever said on standard
error, the status is always 0, and nobody waits long for a cluster.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from salus.cli.app import imports
from salus.cli.complete.line import Command, Parameter, Place, place
from salus.cli.complete.vocabulary import OFFLINE, Names, Takes, sources, takes

_PATIENCE = timedelta(seconds=1)
_FILES, _NO_FILES = 0, 4
_LONGEST = 60
"""Letters of what is said of a candidate."""


def run(commands: Mapping[str, Command], words: Sequence[str]) -> None:
    """Print what there is to offer; then the process ends, also where a server has not answered yet."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stderr(nowhere):
        lines, is_waiting = [f":{_NO_FILES}"], False
        with contextlib.suppress(Exception):  # a shell is never told of an error
            lines, is_waiting = answer(commands, words, patience())
        with contextlib.suppress(OSError):  # the shell does not listen any more
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            sys.stdout.flush()
    if is_waiting:
        os._exit(0)  # threads of Python's own would be waited for


def patience(environ: Mapping[str, str] | None = None) -> timedelta:
    """How long a cluster may take: a second, or as many as $SALUS_COMPLETION_TIMEOUT says."""
    said = (os.environ if environ is None else environ).get("SALUS_COMPLETION_TIMEOUT", "")
    try:
        return timedelta(seconds=min(max(float(said), 0.0), 600.0)) if said else _PATIENCE
    except ValueError:
        return _PATIENCE


def answer(commands: Mapping[str, Command], words: Sequence[str], wait: timedelta) -> tuple[list[str], bool]:
    """The lines of the answer, and whether a cluster is still being asked."""
    here = place(commands, words)
    wanted = takes(here)
    lists: list[Iterable[tuple[str, str]]] = [_offline(commands, here, wanted)]
    asking = None
    if names := [one for one in sources(wanted, _begun(wanted, here)) if one.source not in OFFLINE]:
        found: list[tuple[str, str]] = []
        asking = _asking(names, here, wait, found)
        asking.start()
        asking.join(wait.total_seconds())
        lists.append(found[:])
    before = here.begun[: len(here.begun) - len(_begun(wanted, here))]
    offered = dict(one for each in lists for one in _whole(each))
    fitting = {before + name: what for name, what in offered.items() if f"{before}{name}".startswith(here.begun)}
    directive = _FILES if wanted.is_file else _NO_FILES
    lines = [_line(name, what) for name, what in fitting.items()]
    return [*lines, f":{directive}"], asking is not None and asking.is_alive()


def _begun(wanted: Takes, here: Place) -> str:
    """What is typed of a value: of several, the last."""
    return here.begun.rpartition(",")[2] if wanted.is_list else here.begun


def _whole(candidates: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """As many as there are before something cannot be read."""
    with contextlib.suppress(Exception):  # a shell is never told of an error
        yield from candidates


def _offline(commands: Mapping[str, Command], here: Place, wanted: Takes) -> Iterator[tuple[str, str]]:
    if here.is_command:
        yield from ((name, one.help) for name, one in commands.items())
    for option in here.options:
        yield from ((flag, option.help) for flag in _flags(option, here.begun))
    yield from ((word, "") for word in wanted.words)
    for one in sources(wanted, here.begun):
        if one.source in OFFLINE:
            from salus.cli.complete.offline import named  # noqa: PLC0415 — a word of the program takes no YAML

            yield from named(one.source, _last(here, "kubeconfig") or "")


def _flags(option: Parameter, begun: str) -> Iterable[str]:
    """The long ones; a short one where there is no other."""
    long = [flag for flag in option.flags if flag.startswith("--")]
    return long if long or not begun else option.flags


def _asking(names: Sequence[Names], here: Place, wait: timedelta, found: list[tuple[str, str]]) -> threading.Thread:
    """What will ask the cluster; what has to be loaded for that is loaded, so that all of the time is the cluster's."""
    with imports():
        from salus.cli.complete.live import Typed, collect  # noqa: PLC0415 — only a cluster's names take a client

    typed = Typed(
        namespace=_last(here, "namespace"),
        all_namespaces="all_namespaces" in here.said,
        kubeconfig=_last(here, "kubeconfig") or "",
        context=_last(here, "context"),
        as_user=_last(here, "as_user") or "",
    )

    def ask() -> None:
        with contextlib.suppress(Exception, SystemExit):  # likewise; a plugin for credentials may end in any way
            collect(names, here.begun, typed, wait, lambda name, what: found.append((name, what)))

    return threading.Thread(target=ask, daemon=True)


def _last(here: Place, option: str) -> str | None:
    said = here.said.get(option)
    return said[-1] if said else None


def _line(name: str, what: str) -> str:
    """Nothing that a shell or a terminal would obey."""
    first = what.split(". ", 1)[0].removesuffix(".")
    said = "".join(char if char.isprintable() else " " for char in first)
    said = said if len(said) <= _LONGEST else f"{said[: _LONGEST - 1]}…"
    return f"{name}\t{said}" if said else name
