"""`python -m tools.suite`, behind `make test`: every check and test, in lanes side by side, since most tests only wait.

Each part is a target of the Makefile that anyone may call alone; its output goes to a file, and is shown if it fails.
One that fails ends nothing: the others go on, so that one run tells everything. The exit status is 1 if any failed.
"""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.devcluster.progress import Say, say_on_stderr

LOGS = Path(".run/test")
SAY_EVERY = 30.0
"""Seconds between two lines about what is running."""
SHOWN = 200
"""Lines of the output of a part that failed."""
_PERCENT = re.compile(r"\[ *(\d+)%\]")


@dataclass(frozen=True, slots=True)
class Part:
    """One target, and the part that has to be over before."""

    name: str
    command: tuple[str, ...]
    needs: str = ""


def target(name: str, *arguments: str, needs: str = "", nice: int = 0, builds: bool = False) -> Part:
    """A part that is a target of the Makefile; the higher `nice`, the more others go first.

    Programs in Go get one thread each unless it builds: there are fifty of them for two cores, all of them woken by
    timers all the time, and then a second thread looks for work that is not there.
    """
    threads = () if builds else ("env", "GOMAXPROCS=1")
    return Part(name, ("nice", "-n", str(nice), *threads, "make", "--no-print-directory", name, *arguments), needs)


LANES: Sequence[Sequence[Part]] = (
    (
        target("e2e-programs", builds=True),
        target("programs", builds=True),
        target("e2e", "ARGS=--if-possible", needs="programs"),
    ),
    (target("cluster-test", needs="programs", nice=15),),
    tuple(target(name, nice=19) for name in ("check", "shop", "package", "sbom", "unit")),
    (target("pages", "ARGS=--if-possible", nice=19), target("pythons", nice=19)),
    (target("contract", needs="programs", nice=15), target("chart", needs="programs", nice=15)),
)
"""Containers go first, where one test waits after the other; then what watches a clock; then what computes.

The steps are wide, since those that give way are thirty processes: at 5 and 10 the others had a tenth of the machine.
What is built gives way to all (`gobuild`), so everything is built before most of it begins.
"""


@dataclass(slots=True)
class Outcome:
    """How a part went."""

    status: int
    """Of the command; -1: it was left out."""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Of the processor, by the command and all that it started and waited for."""


@dataclass(slots=True)
class Suite:
    """One run of all parts."""

    lanes: Sequence[Sequence[Part]]
    folder: Path
    say: Say
    say_every: float = SAY_EVERY
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    _running: dict[str, float] = field(default_factory=dict)
    _over: dict[str, threading.Event] = field(init=False)

    def __post_init__(self) -> None:
        self._over = {part.name: threading.Event() for lane in self.lanes for part in lane}

    def run(self) -> int:
        """Run everything; the exit status."""
        self.folder.mkdir(parents=True, exist_ok=True)
        threads = [threading.Thread(target=self._lane, args=(lane,), daemon=True) for lane in self.lanes]
        for thread in threads:
            thread.start()
        said = time.monotonic()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
                if time.monotonic() - said >= self.say_every:
                    said = time.monotonic()
                    self.say(f"running: {'; '.join(map(self._progress, list(self._running)))}")
        failed = [name for name, outcome in self.outcomes.items() if outcome.status]
        for part in (part for lane in self.lanes for part in lane):
            outcome = self.outcomes[part.name]
            how = "left out" if outcome.status < 0 else "FAILED" if outcome.status else "passed"
            took = f"{outcome.seconds:6.0f} s {outcome.cpu_seconds:6.0f} CPU-s"
            print(f"{part.name:14} {how:8} {took}  {_last_line(self._log(part.name))}")
        return 1 if failed else 0

    def _lane(self, lane: Sequence[Part]) -> None:
        for part in lane:
            if part.needs:
                self._over[part.needs].wait()
            lacks = part.needs and self.outcomes[part.needs].status
            self.outcomes[part.name] = self._left_out(part) if lacks else self._outcome(part)
            self._over[part.name].set()

    def _left_out(self, part: Part) -> Outcome:
        self._log(part.name).write_text(f"needs {part.needs}, which failed\n", encoding="utf-8")
        self.say(f"{part.name}: left out, since {part.needs} failed")
        return Outcome(-1)

    def _outcome(self, part: Part) -> Outcome:
        self.say(f"{part.name} begins")
        with self._log(part.name).open("wb") as log:
            self._running[part.name] = time.monotonic()
            command = subprocess.Popen(part.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
            _, ended, usage = os.wait4(command.pid, 0)
            command.returncode = os.waitstatus_to_exitcode(ended)
        seconds = time.monotonic() - self._running.pop(part.name)
        if command.returncode:
            lines = self._log(part.name).read_text(encoding="utf-8", errors="replace").splitlines()
            self.say(f"{part.name} FAILED; the end of {self._log(part.name)}:\n" + "\n".join(lines[-SHOWN:]))
        else:
            self.say(f"{part.name} passed in {seconds:.0f} s")
        return Outcome(command.returncode, seconds, usage.ru_utime + usage.ru_stime)

    def _progress(self, name: str) -> str:
        """A part with how far its tests are, as pytest says; else with the last that it said."""
        found = _PERCENT.findall(self._log(name).read_text(encoding="utf-8", errors="replace"))
        return f"{name} {found[-1]} %" if found else f"{name} {_last_line(self._log(name))}".strip()

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.exists() else []
    return next((line.strip("= ")[:80] for line in reversed(lines) if line.strip()), "")


if __name__ == "__main__":
    sys.exit(Suite(LANES, LOGS, say_on_stderr()).run())
