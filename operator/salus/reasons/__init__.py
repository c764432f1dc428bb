"""Every reason in one word that a record or a status may give: what it means, what follows, what a person can do.

The data lie in `reasons.yaml`; `docs/reference/records.md` has its tables from here (`python -m tools.reasons`), and so
has `salus explain REASON`, which needs neither a cluster nor a network.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import yaml

from salus.model.scalars import Resource


class Group(StrEnum):
    """What gives a reason."""

    GUARD = "guard"
    """It objects to an action, now."""
    PLAN = "plan"
    """A remedy cannot be planned."""
    CHECK = "check"
    """It says what a check's answer comes to."""


class Reason(Resource):
    """One reason, or several that differ in nothing but their word."""

    names: tuple[str, ...]
    group: Group
    means: str
    """In Markdown, with links as they are in docs/reference/records.md."""
    then: str = ""
    """What follows by itself; of a check the verdict."""
    do: str = ""
    """What a person can do."""
    of: str = ""
    """The remedies that it speaks of."""


@cache
def load_reasons() -> Mapping[str, Reason]:
    """All reasons by their word, in the order of the documents; read once."""
    found: dict[str, Reason] = {}
    for written in yaml.safe_load((files(__package__) / "reasons.yaml").read_text(encoding="utf-8")):
        reason = Reason.parse(written)
        found.update(dict.fromkeys(reason.names, reason))
    return MappingProxyType(found)


def of_group(group: Group) -> Sequence[Reason]:
    """The reasons of a group, each once, in the order of the documents."""
    return list(dict.fromkeys(reason for reason in load_reasons().values() if reason.group is group))
