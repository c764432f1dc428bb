"""Parts of an object that somebody else wrote, whatever stands in them: what is none of the kind is as if not there."""

from collections.abc import Mapping
from typing import Any

Part = Mapping[str, Any]


def part(holder: Part, field: str) -> Part:
    """An object in an object; an empty one where there is none."""
    value = holder.get(field)
    return value if isinstance(value, Mapping) else {}


def parts(holder: Part, field: str) -> list[Part]:
    """The objects of a list in an object."""
    value = holder.get(field)
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list | tuple) else []
