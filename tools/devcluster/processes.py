"""Child processes that are ready when we say so and never outlive us.

A child is killed by the kernel when this process dies, however it dies. What a child is and in which order children
stop is left to the modules that start them.
"""

import os
import random
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_LAUNCHER = Path(__file__).with_name("launcher.py")
_TAIL_LINES = 15
PATIENCE = 240.0
"""Seconds; a deadline for whatever a busy machine may be slow at. It ends what hangs, and says nothing of speed."""
_POLL_SECONDS = (0.1, 1.0)
"""The shortest and the longest pause between two questions."""
_POLL_SHARE = 0.1
"""The pause as a share of the wait so far. A question costs CPU time in four processes, and most waits are long."""
_GO = {"GOGC": "400"}
"""For the children that are written in Go: fewer collections of garbage. Of memory there is enough, of CPU time not."""

# For the kernel, the parent is the *thread* that forked: one thread that lives as long as we do forks them all.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


class ProcessFailedError(RuntimeError):
    """A child ended, or did not become ready in time. The message holds the command line and the end of its log."""


class NotInTimeError(TimeoutError):
    """A condition did not come true before its deadline."""


def wait_until(condition: Callable[[], bool], *, timeout: float, what: str) -> None:
    """Poll `condition` until it is true: often at first, and never later than a tenth of the time that it took.

    Raises:
        NotInTimeError: It was still false after `timeout` seconds; the message says `what` was waited for.

    """
    shortest, longest = _POLL_SECONDS
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        if waited > timeout:
            raise NotInTimeError(f"{what}: not within {timeout:g} s")
        time.sleep(min(max(shortest, waited * _POLL_SHARE), longest))


def free_port() -> int:
    """Return a TCP port that nobody listens on at this moment.

    It lies below the ports that Linux gives to outgoing connections and that Kubernetes gives to NodePorts, so that
    neither takes it between this call and the use of it.
    """
    while True:
        port = random.randint(20_000, 29_999)  # noqa: S311 - not a secret
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError:
                continue
        return port


def dying_with_us(argv: Sequence[str]) -> list[str]:
    """Return a command line for `argv` (led by an absolute path) that ends with the thread which forks it."""
    return [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), *argv]


class Child(Protocol):
    """As much of `subprocess.Popen` as is used here."""

    @property
    def pid(self) -> int:
        """Its id."""

    @property
    def returncode(self) -> int | None:
        """How it ended, as far as `poll` or `wait` has seen."""

    def poll(self) -> int | None:
        """Look whether it has ended, and return how."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, and return how; subprocess.TimeoutExpired after these seconds."""

    def send_signal(self, number: int, /) -> None:
        """Send it this signal, unless it has ended."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it now."""


@dataclass(frozen=True)
class Process:
    """One running child and the file that its output goes to."""

    name: str
    argv: tuple[str, ...]
    log: Path
    popen: Child

    @classmethod
    def start(  # noqa: PLR0913 — what a child can be given, all named but what it is
        cls,
        name: str,
        argv: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        pass_fds: Sequence[int] = (),
    ) -> "Process":
        """Start `argv` (its first word an absolute path) with output appended to `log` and `env` added to ours.

        The child gets a process group of its own: Ctrl-C in the terminal reaches us alone, and we stop the children in
        order. It stays in our session, since Linux weighs sessions against each other, and `nice` only within each.
        """
        words = tuple(str(word) for word in argv)
        launch = dying_with_us(words)

        def spawn() -> subprocess.Popen[bytes]:
            with log.open("ab") as output:
                return subprocess.Popen(
                    launch,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**_GO, **os.environ, **(env or {})},
                    cwd=cwd,
                    pass_fds=pass_fds,
                    process_group=0,
                )

        return cls(name, words, log, _SPAWNER.submit(spawn).result())

    @property
    def pid(self) -> int:
        """The process id; it stays the same when the launcher becomes the program."""
        return self.popen.pid

    @property
    def alive(self) -> bool:
        """Whether the child still runs."""
        return self.popen.poll() is None

    def wait_ready(self, ready: Callable[[], bool], *, timeout: float) -> None:
        """Wait until `ready` holds.

        Raises:
            ProcessFailedError: The child ended before, or `timeout` seconds passed.

        """

        def ready_or_dead() -> bool:
            self.check_alive()
            return ready()

        try:
            wait_until(ready_or_dead, timeout=timeout, what=self.name)
        except NotInTimeError as error:
            raise ProcessFailedError(self._report(f"was not ready within {timeout:g} s")) from error

    def check_alive(self) -> None:
        """Raise ProcessFailedError, with the end of the log, if the child has ended."""
        if not self.alive:
            raise ProcessFailedError(self._report(f"ended with status {self.popen.returncode}"))

    def stop(self, *, grace: float = 5.0) -> None:
        """Send TERM, and KILL when the child still runs `grace` seconds later. A child that has ended is fine."""
        self.terminate()
        try:
            self.popen.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()

    def terminate(self) -> None:
        """Send TERM and do not wait."""
        self.popen.terminate()

    def kill(self) -> None:
        """Send KILL and wait for the end."""
        self.popen.kill()
        self.popen.wait()

    def _report(self, what: str) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        tail = "\n".join(f"    {line}" for line in lines) or "    (nothing)"
        return f"{self.name} {what}\n  command: {shlex.join(self.argv)}\n  log: {self.log}, which ends with\n{tail}"


def stop_together(processes: Sequence[Process], *, grace: float = 5.0) -> None:
    """Send TERM to all at once, then wait for each and KILL what lingers over `grace` seconds."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.stop(grace=grace)
