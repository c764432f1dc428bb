"""Runs hunts: so many inputs of each, and the smallest input of an escape, to be kept in the corpus.

Hypothesis does not shrink what is no `Exception`, and a panic of a native library is none; so whatever escapes is
wrapped. An input is noted before it is read: if the process dies of it, the note tells which it was.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Flaky

from tests.fuzz.hunts import HUNTS, Hunt, Input

CORPUS = Path(__file__).parent / "corpus"
SLOW = 2.0
"""Seconds of the processor that one input may take, where the budget is watched."""


class Escaped(Exception):
    """Something came out of a reader that its callers do not expect."""


@dataclass(frozen=True, slots=True)
class Escape:
    """The smallest input that was found, and what came of it."""

    hunt: str
    input: Input
    what: str


@dataclass(slots=True)
class Tally:
    """How many inputs a hunt has read, and the most processor time that one took."""

    inputs: int = 0
    slowest: float = 0.0


def chase(hunt: Hunt, found: Input) -> None:
    """Read one input. Raises Escaped, from what it was."""
    try:
        hunt.chase(found)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # to find what nobody thought of is what this is for
        raise Escaped(f"{type(error).__name__}: {str(error)[:300]}") from error


def run(
    hunt: Hunt,
    inputs: int,
    seeded: int,
    tally: Tally,
    note: Callable[[Input], None] = lambda _: None,
    slow: float | None = None,
) -> Escape | None:
    """Chase so many inputs; the first escape, as small as it gets, or the smallest that was too slow.

    `slow`: processor seconds that are too many for one input.
    """
    last: list[Input] = [None]
    slow_ones: list[Escape] = []

    @seed(seeded)
    @settings(
        max_examples=inputs,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
    )
    @given(hunt.inputs)
    def all_of_them(found: Input) -> None:
        last[0] = found
        note(found)
        tally.inputs += 1
        began = time.process_time()
        chase(hunt, found)
        took = time.process_time() - began
        tally.slowest = max(tally.slowest, took)
        if slow is not None and took > slow:  # not raised: it would be shrunk, and time is never twice the same
            slow_ones.append(Escape(hunt.name, found, f"took {took:.1f} seconds of the processor"))

    try:
        all_of_them()
    except (Escaped, Flaky) as escaped:
        return Escape(hunt.name, last[0], str(escaped)[:500])
    return min(slow_ones, key=lambda escape: len(json.dumps(escape.input)), default=None)


def keep(escape: Escape) -> Path:
    """Put an escape into the corpus, from where each later run of the tests reads it again."""
    text = json.dumps(escape.input, indent=1, ensure_ascii=True)
    folder = CORPUS / escape.hunt
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
    path.write_text(text + "\n")
    return path


def corpus() -> Iterator[tuple[Hunt, str, Input]]:
    """Everything that once escaped: the hunt, the name of the file, and the input."""
    for path in sorted(CORPUS.glob("*/*.json")):
        yield HUNTS[path.parent.name], path.stem, json.loads(path.read_text())
