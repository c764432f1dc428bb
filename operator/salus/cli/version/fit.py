"""Whether program, operator and CRDs fit: as with kubectl, one minor version apart is fine. Pure.

CRDs have no version of their own that everybody may read. So a difference in their fields is measured by the operator's
version: fields that they lack are to be expected where the operator is older than this program, fields that they have
beyond it where the operator is newer. Any other difference comes of CRDs that were not updated, or of another program.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from salus.cli.marks import State
from salus.cli.reports.version import CrdsLine, OperatorLine
from salus.cli.version.fields import Difference

_VERSION = re.compile(r"v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?!\d)")
_UPDATE = "kubectl apply --server-side -f crds/"


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """As far as versions are compared: what comes before a release is as the release."""

    major: int
    minor: int
    patch: int

    @classmethod
    def read(cls, text: str) -> Self | None:
        """`0.4.1-rc.1`; None: it is none."""
        found = _VERSION.match(text)
        return cls(*map(int, found.groups())) if found else None

    def fits(self, other: "Version") -> bool:
        """At most one minor apart."""
        return self.major == other.major and abs(self.minor - other.minor) <= 1


def of_operator(program: str, found: OperatorLine) -> OperatorLine:
    """The same, and whether it fits."""
    own, its = Version.read(program), Version.read(found.version)
    if own is None or its is None:
        return found.model_copy(update={"state": State.UNKNOWN, "message": "its labels say no version"})
    if not own.fits(its):
        said = f"more than one minor version from this program, {program}"
        return found.model_copy(update={"state": State.BAD, "message": said})
    said = "" if own == its else f"{'older' if its < own else 'newer'} than this program, one minor at most"
    return found.model_copy(update={"state": State.GOOD, "message": said})


def of_crds(program: str, operators: Sequence[OperatorLine], difference: Difference) -> CrdsLine:
    """The CRDs, and whether they fit."""
    state, message = _judged(program, operators, difference)
    return CrdsLine(state=state, message=message, lacking=difference.lacking, not_known=difference.not_known)


def _judged(program: str, operators: Sequence[OperatorLine], difference: Difference) -> tuple[State, str]:
    if not difference.lacking and not difference.not_known:
        return State.GOOD, "the very fields that this program knows"
    what = " and ".join(_words(difference))
    own, theirs = Version.read(program), [Version.read(one.version) for one in operators]
    known = [one for one in theirs if one is not None]
    if own is None or not known:
        return State.UNKNOWN, f"{what}; by how many versions is not known, since no operator says its own"
    older, newer = any(one < own for one in known), any(one > own for one in known)
    if (difference.lacking and not older) or (difference.not_known and not newer):
        return State.BAD, f"{what}; {_remedy(difference, older=older)}"
    if not all(own.fits(one) for one in known):
        return State.BAD, f"{what}; more than one minor version apart"
    return State.WARNING, f"{what}, as is to be expected one version apart"


def _words(difference: Difference) -> Iterable[str]:
    if difference.lacking:
        yield f"they lack {_fields(difference.lacking)} of this program"
    if difference.not_known:
        yield f"they have {_fields(difference.not_known)} that it does not know"


def _fields(names: Sequence[str]) -> str:
    return f"{len(names)} field{'' if len(names) == 1 else 's'}"


def _remedy(difference: Difference, *, older: bool) -> str:
    if difference.lacking and not older:
        return f"what is written there is dropped, update them: {_UPDATE}"
    return "they are of another version than the operator: get the program that goes with them"


def fits(operators: Iterable[OperatorLine], crds: CrdsLine) -> State:
    """All of it together: good, bad, or not known."""
    states = {*(one.state for one in operators), crds.state}
    return next((state for state in (State.BAD, State.UNKNOWN) if state in states), State.GOOD)
