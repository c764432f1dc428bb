"""`python -m tests.fuzz`, behind `make fuzz`: soup for every reader of foreign text, for so many minutes.

The reading is done by a child with limits of memory and of processor time for one input, so that an input of which the
process dies is found like any other. What escapes is put into the corpus (`tests/fuzz/corpus`), as small as it gets;
mend its kind, and commit the file: `make unit` reads the corpus each time. Ends with 1 if anything escaped.
"""

import argparse
import itertools
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.hunts import HUNTS, Hunt, Input
from tests.fuzz.running import SLOW, Escape, Tally, keep, run
from tests.memory import peak

MEMORY = 2 * 1024**3
"""Bytes of address space that the child may take."""
STUCK = 30.0
"""Processor seconds after which one input ends the child."""
ROUND = 400
"""Inputs of one hunt before the next has its turn."""
SAY_EVERY = 30.0


@dataclass(slots=True)
class Run:
    """What has been read so far, and what escaped."""

    hunts: Sequence[Hunt]
    note: Path
    tallies: dict[str, Tally] = field(default_factory=dict)
    escaped: set[str] = field(default_factory=set)
    said: float = 0.0

    def until(self, end: float, seeds: Iterator[int]) -> None:
        """One hunt after the other, round by round; one from which something escaped is over."""
        while time.monotonic() < end and len(self.escaped) < len(self.hunts):
            for hunt in self.hunts:
                if hunt.name not in self.escaped and time.monotonic() < end:
                    self._round(hunt, next(seeds))

    def _round(self, hunt: Hunt, seeded: int) -> None:
        tally = self.tallies.setdefault(hunt.name, Tally())

        def about_to_read(found: Input) -> None:
            self.note.write_text(json.dumps([hunt.name, found]))
            signal.setitimer(signal.ITIMER_PROF, STUCK)
            self._say()

        escape = run(hunt, ROUND, seeded, tally, about_to_read, slow=SLOW)
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        if escape is not None:
            self.escaped.add(hunt.name)
            report(escape)

    def _say(self, *, at_once: bool = False) -> None:
        if at_once or time.monotonic() - self.said > SAY_EVERY:
            self.said = time.monotonic()
            counted = ", ".join(f"{name} {tally.inputs:,}" for name, tally in self.tallies.items())
            print(f"{sum(t.inputs for t in self.tallies.values()):,} inputs: {counted}", flush=True)

    def summary(self) -> None:
        """Everything, and the slowest input of each hunt."""
        self._say(at_once=True)
        slowest = ", ".join(f"{name} {tally.slowest:.2f}" for name, tally in self.tallies.items())
        print(f"slowest input, in seconds of the processor: {slowest}")
        print(f"peak of memory: {peak() / 2**20:.0f} MiB; escapes: {len(self.escaped)}", flush=True)


def report(escape: Escape) -> None:
    """Keep an escape, and say so."""
    print(f"ESCAPE from {escape.hunt}: {escape.what}\n  kept in {keep(escape)}", flush=True)


def read(options: argparse.Namespace) -> int:
    """The child: read until the time is over."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    found = Run([HUNTS[name] for name in options.hunts or HUNTS], Path(options.note))
    found.until(time.monotonic() + 60 * options.minutes, itertools.count(options.seed))
    found.summary()
    return 1 if found.escaped else 0


CHILD = (sys.executable, "-m", "tests.fuzz")


def supervise(options: argparse.Namespace, child: Sequence[str] = CHILD) -> int:
    """The parent: start a child, and another one for the rest of the time when an input has ended it."""
    end, status, seeded = time.monotonic() + 60 * options.minutes, 0, options.seed
    with tempfile.TemporaryDirectory() as folder:
        note = Path(folder, "input.json")
        while (left := end - time.monotonic()) > 0:
            again = ["--note", str(note), "--minutes", f"{left / 60}", "--seed", str(seeded), *options.hunts]
            ended = subprocess.run([*child, *again], check=False).returncode
            if ended in {0, 1}:
                return max(ended, status)
            name, found = json.loads(note.read_text())
            report(Escape(name, found, f"the process ended with {ended}"))
            status, seeded = 1, seeded + 1_000_000
    return status


def main() -> int:
    """Parse the options; `--note` makes a child of this process."""
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=…", description=__doc__)
    parser.add_argument("hunts", nargs="*", metavar="HUNT", help=f"which ones; all: {', '.join(HUNTS)}")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (default 5)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="where chance begins; told at the start")
    parser.add_argument("--note", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.hunts) - set(HUNTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(HUNTS)}")
    if options.note:
        return read(options)
    print(f"Fuzzing for {options.minutes:g} minutes, seed {options.seed} …", flush=True)
    return supervise(options)


if __name__ == "__main__":
    sys.exit(main())
