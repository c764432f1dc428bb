"""What a check said over a stretch of time, and how Salus would have judged that; part of several documents."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from salus.model.scalars import Duration, Resource, Time

_Many = Field(default=())


class Judged(StrEnum):
    """What a check was, where it was not simply well."""

    UNKNOWN = "unknown"
    QUIET = "quiet"
    PENDING = "for"
    """Beyond its bound, but not for `for` yet."""
    UNHEALTHY = "unhealthy"


class Stretch(Resource):
    """A time in which it was the same all along."""

    start: Time
    end: Time
    judged: Judged
    why: str = ""
    """In one word; empty where the bound says it."""


class Course(Resource):
    """One check over time, of one target."""

    check: str
    start: Time
    step: Duration
    """Between two values."""
    values: Annotated[tuple[float | None, ...], _Many]
    """null: there was none."""
    tops: Annotated[tuple[float | None, ...], _Many]
    """Where many were put together in one step: the greatest of each, and `values` are the least; else empty."""
    bound: float
    healthy: float | None = None
    """The bound that it has to pass to be healthy again; none: the same one."""
    above: bool = True
    """Unhealthy above the bound."""
    stretches: Annotated[tuple[Stretch, ...], _Many]
    stretches_left_out: int = 0
    """The shortest, where there are very many."""
    missing: str = ""
    """Why there is nothing to see; empty: there is."""
