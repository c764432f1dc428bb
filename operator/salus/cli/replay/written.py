"""`--releases FILE`: a workload's releases and sizes of a time, as somebody has written them down.

- {target: deploy/checkout, at: 2026-11-20T10:00:00Z, release: shop:v1.8.2, replicas: 6}
- {target: deploy/checkout, at: 2026-11-21T14:58:00Z, release: shop:v1.9.0}
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from salus.bounded_yaml import UnreadableError, read_bytes, value_of
from salus.cli.contract import CannotBeAsked
from salus.cli.names import named
from salus.cli.replay.lives import Change, Life
from salus.cli.replay.told import made, made_up
from salus.model.values.keys import TargetKey
from salus.ports import WORKLOADS

_KEYS = frozenset({"target", "at", "release", "replicas"})
_EXPECTED = "a list of {target: deploy/NAME, at: TIME, release: IMAGE, replicas: NUMBER}"


@dataclass(frozen=True, slots=True)
class Line:
    """One of them."""

    target: str
    """`deploy/NAME`; empty: the only one that there is."""
    at: datetime
    release: str = ""
    replicas: int | None = None


def lines(file: Path, moment: Callable[[str], datetime]) -> Sequence[Line]:
    """What a file says. Raises CannotBeAsked."""
    try:
        found = value_of(read_bytes(file))
    except (OSError, UnreadableError) as error:
        raise CannotBeAsked(f"{file} cannot be read", [("why", str(error))]) from error
    if not isinstance(found, list):
        raise CannotBeAsked(f"{file} does not tell releases", [("expected", _EXPECTED)])
    return sorted((_line(file, one, moment) for one in found), key=lambda line: line.at)


def _line(file: Path, one: object, moment: Callable[[str], datetime]) -> Line:
    if not isinstance(one, Mapping) or not {"at"} <= set(one) <= _KEYS:
        raise CannotBeAsked(f"{file} does not tell releases", [("found", str(one)[:60]), ("expected", _EXPECTED)])
    replicas = one.get("replicas")
    if replicas is not None and (not isinstance(replicas, int) or replicas < 0):
        raise CannotBeAsked(f"{file}: replicas are a number", [("found", str(replicas)[:60])])
    return Line(str(one.get("target", "")), moment(str(one["at"])), str(one.get("release", "")), replicas)


def rewritten(life: Life, written: Sequence[Line], since: datetime, *, alone: bool) -> Life:
    """The workload as it is written down; what nobody wrote of it stays as it is. `alone`: there is no other."""
    mine = [line for line in written if (not line.target and alone) or _means(line.target, life.key)]
    if not mine:
        return life
    changes = list(_changes(life.key, mine))
    before = [change for change in changes if change.at <= since]
    template = next((one.template for one in reversed(before) if one.template is not None), None)
    first = template or next((one.template for one in changes if one.template is not None), None)
    size = next((one.replicas for one in reversed(before) if one.replicas is not None), None)
    base = life.body if not life.is_made_up else made_up(life.key)
    spec: dict[str, Any] = {**base["spec"], "replicas": base["spec"].get("replicas", 1) if size is None else size}
    body = {**base, "spec": {**spec, "template": first or base["spec"]["template"]}}
    later = tuple(change for change in changes if change.at > since)
    return Life(life.key, body, later, life.appears, life.around, life.minimums, is_made_up=True)


def _changes(key: TargetKey, written: Sequence[Line]) -> Iterator[Change]:
    for line in written:
        template = made(key, {key.name: line.release}) if line.release else None
        yield Change(line.at, template, line.replicas)


def _means(text: str, key: TargetKey) -> bool:
    one = named(text, allowed=WORKLOADS.values()) if text else None
    return one is not None and (one.workload, one.name) == (key.kind, key.name)
