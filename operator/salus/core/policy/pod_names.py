"""The names that Kubernetes gives to the pods of a workload, as one regular expression: `$pods`.

A pod of a DaemonSet is named after it, a pod of a Deployment after its ReplicaSet, which is named by the Deployment and
a hash of the pod template; then come five random letters. What stands before those is cut after 58 characters. Hash
and letters are of few letters, without vowels, so that hardly any word is taken for a hash, and no Job or DaemonSet
`checkout-cart` for a release of the Deployment `checkout`. Where one could be, as the DaemonSet `checkout-db`, its word
is left out of the hashes. So the expression needs nothing but names, and says the same live, in a replay and offline.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from salus.model.meta import WorkloadKind
from salus.model.values.keys import TargetKey

HASH = "456789bcdf"
"""What a template's hash is made of: the ten digits, in Kubernetes' letters for generated names."""
RANDOM = "bcdfghjklmnpqrstvwxz2456789"
"""Those letters."""
RANDOM_LENGTH = 5
LONGEST_HASH = 10
LONGEST_BASE = 63 - RANDOM_LENGTH
"""Characters of what stands before the random letters."""
FIRST_AT_RISK = LONGEST_BASE - LONGEST_HASH - len("--")
"""Length of the shortest name whose pods may bear the name of a pod that another Deployment has, cut."""
MOST_RIVALS = 4
"""Names that are left out of the hashes; each makes the expression longer."""

_CLASSES = {HASH: "[4-9bcdf]", RANDOM: "[24-9b-df-hj-np-tv-xz]", "0123456789": "[0-9]"}
_DIGITS = "0123456789"
_SPECIAL = frozenset("\\.+*?()|[]{}^$")


class PodsUnclear(ValueError):
    """By their names alone the pods of two workloads cannot be told apart."""

    reason = "PodsUnclear"


class _Run(NamedTuple):
    """So many of these letters."""

    letters: str
    least: int
    most: int | None
    """None: as many as there are."""

    def __str__(self) -> str:
        return _CLASSES[self.letters] + _times(self.least, self.most)


@dataclass(frozen=True, slots=True)
class _Form:
    """One shape of name: what comes first in all of them, then a hash or number, then the end."""

    base: str
    middle: _Run | None
    end: str = ""
    """Between the middle and the random letters."""
    random: bool = True

    def regex(self, words: Collection[str] = ()) -> str:
        """As a regular expression in which the middle is none of these words."""
        middle = "" if self.middle is None else _without(words, self.middle) if words else str(self.middle)
        return literal(self.base) + middle + self.end + (str(_LETTERS) if self.random else "")

    def spellings(self) -> Iterator[tuple[str, ...]]:
        """The letters that each place may have, for each length of the names."""
        lengths = [0] if self.middle is None else range(self.middle.least, (self.middle.most or _ENOUGH_DIGITS) + 1)
        middle = self.middle.letters if self.middle else ""
        for length in lengths:
            yield (*self.base, *[middle] * length, *self.end, *[RANDOM] * (RANDOM_LENGTH if self.random else 0))


_LETTERS = _Run(RANDOM, RANDOM_LENGTH, RANDOM_LENGTH)
_ENOUGH_DIGITS = RANDOM_LENGTH
"""Of the number of a StatefulSet's pod: more of them are no random letters."""


def literal(text: str) -> str:
    """The regular expression that is this very text."""
    return "".join(f"\\{letter}" if letter in _SPECIAL else letter for letter in text)


def pods(kind: WorkloadKind, name: str, rivals: Collection[TargetKey] = ()) -> str:
    """The regular expression, for a matcher that has it all by itself: of all pods of a workload and of no rival's.

    Raises PodsUnclear if there is none.
    """
    if len(rivals) > MOST_RIVALS:
        raise PodsUnclear(f"{len(rivals)} workloads have pods that may bear names of those of {kind}/{name}")
    if rivals and kind is WorkloadKind.STATEFUL_SET:  # theirs may end in five digits; nobody has so many pods
        return f"{literal(name)}-[0-9]{{1,{_ENOUGH_DIGITS - 1}}}"
    words = [_word(kind, name, rival) for rival in rivals]
    return "|".join(form.regex(words) for form in _forms(kind, name))


def rivals(target: TargetKey, neighbours: Iterable[TargetKey]) -> tuple[TargetKey, ...]:
    """The neighbours with pods that may bear a name of the target's; of two such the longer name has the pods.

    For nobody has ever heard of a release `db`, and somebody may have of a DaemonSet `checkout-db`.
    """
    return tuple(sorted(other for other in neighbours if other != target and _is_rival(target, other)))


def neighbour_kinds(target: TargetKey) -> Sequence[WorkloadKind]:
    """The kinds of workload that may have rivals of the target; only a long name has any of all kinds."""
    if len(target.name) >= FIRST_AT_RISK:
        return WorkloadKind.DAEMON_SET, WorkloadKind.DEPLOYMENT
    return () if target.kind is WorkloadKind.DAEMON_SET else (WorkloadKind.DAEMON_SET,)


def _forms(kind: WorkloadKind, name: str) -> Sequence[_Form]:
    base = _base(name)
    if kind is WorkloadKind.STATEFUL_SET:
        return (_Form(f"{name}-", _Run(_DIGITS, 1, None), random=False),)
    room = LONGEST_BASE - len(base)
    if kind is WorkloadKind.DAEMON_SET or not room:
        return (_Form(base, None),)
    whole = _Form(base, _Run(HASH, 1, min(room - 1, LONGEST_HASH)), "-")
    cut = _Form(base, _Run(HASH, room, room))
    return [form for form, there in ((whole, room > 1), (cut, room <= LONGEST_HASH)) if there]


def _is_rival(target: TargetKey, other: TargetKey) -> bool:
    shorter, longer = sorted((target.name[: LONGEST_BASE - 1], other.name[: LONGEST_BASE - 1]), key=len)
    if not longer.startswith(shorter) or len(_base(other.name)) < len(_base(target.name)):
        return False
    if other.kind is WorkloadKind.STATEFUL_SET:
        return False
    both = product(_forms(target.kind, target.name), _forms(other.kind, other.name))
    return any(_meet(one, two) for one, two in both)


def _meet(one: _Form, two: _Form) -> bool:
    return any(
        len(these) == len(those) and all(set(a) & set(b) for a, b in zip(these, those, strict=True))
        for these, those in product(one.spellings(), two.spellings())
    )


def _base(name: str) -> str:
    return f"{name}-"[:LONGEST_BASE]


def _word(kind: WorkloadKind, name: str, rival: TargetKey) -> str:
    """What stands in place of the hash in the names of a rival's pods."""
    if _base(name) == _base(rival.name):
        raise PodsUnclear(
            f"nobody can tell the pods of {kind}/{name} from those of {rival} by their names, in which Kubernetes "
            f"keeps {LONGEST_BASE} characters of the workload's; match another label than the pod's name"
        )
    return _base(rival.name)[len(_base(name)) :].removesuffix("-")


def _times(least: int, most: int | None) -> str:
    if most is None:
        return "+"
    if least == most:
        return "" if least == 1 else f"{{{least}}}"
    return f"{{{least},{most}}}"


def _without(words: Collection[str], run: _Run) -> str:
    """Every text that the run allows, but for these words."""
    most = run.most or 0
    return _any_of(_ways(frozenset(word for word in words if run.least <= len(word) <= most), run.least, most))


def _ways(words: frozenset[str], least: int, most: int) -> Sequence[str]:
    """How a hash may go on that is none of these words, letter by letter."""
    if not words:
        return [str(_Run(HASH, max(least, 0), most)) if most else ""]
    begun = sorted({word[0] for word in words if word})
    ways = [""] if least <= 0 and "" not in words else []
    if most:
        free = "".join(letter for letter in HASH if letter not in begun)
        ways.append(f"[{free}]" + _any_of(_ways(frozenset(), least - 1, most - 1)))
    for letter in begun:
        rest = frozenset(word[1:] for word in words if word.startswith(letter))
        if further := _ways(rest, least - 1, most - 1):
            ways.append(letter + _any_of(further))
    return ways


def _any_of(ways: Sequence[str]) -> str:
    return ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})"


LONGEST = max(
    (pods(WorkloadKind.DEPLOYMENT, ("a." * LONGEST_BASE)[:length]) for length in range(LONGEST_BASE)), key=len
)
"""Of the expressions that stand for the pods of any workload without rivals."""
