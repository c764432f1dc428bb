"""A Python that has imported Salus and becomes Salus once for each request, in a process of its own.

Importing is most of what a start costs. The tests of the whole operator start it more than a hundred times, so each of
their workers has it imported once; `python -m salus` itself is started by the chart's tests, the chaos runs and the
demo. Each child is a fork of a process that did nothing but import, so it knows of no other.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.devcluster.launcher import die_with
from tools.devcluster.processes import Process, ProcessFailedError

_IMPORTED = ("salus.cli", "salus.bootstrap")


class Forked:
    """A child of a nursery, with as much of `subprocess.Popen` as a `Process` uses."""

    def __init__(self, nursery: "Nursery", pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._nursery = nursery

    def poll(self) -> int | None:
        """Return how it ended; None while it runs."""
        if self.returncode is None:
            self.returncode = self._nursery.ended(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: It still ran after `timeout` seconds.

        """
        if self.poll() is None:
            ended = os.pidfd_open(self.pid)
            select.select([ended], [], [], timeout)
            os.close(ended)
        if (status := self.poll()) is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended. Until we have asked, its pid is nobody else's."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send TERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send KILL."""
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The process that forks, and the line on which it takes requests."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        ours, its = socket.socketpair()
        with its:
            self._process = Process.start(
                "nursery",
                [sys.executable, "-m", "tools.devcluster.nursery", str(its.fileno())],
                log=folder / "nursery.log",
                env=env,
                pass_fds=(its.fileno(),),
            )
        self._line = ours.makefile("rw", encoding="utf-8")
        ours.close()
        self._lock = threading.Lock()

    def start(self, name: str, arguments: Sequence[str], *, log: Path, cwd: Path, env: Mapping[str, str]) -> Process:
        """Start `salus` with these arguments, its output appended to `log` and `env` added to the nursery's."""
        log.touch()
        order = {"arguments": list(arguments), "log": str(log), "cwd": str(cwd), "env": dict(env)}
        pid = self._ask({"start": order})
        if pid is None:
            raise ProcessFailedError(f"the nursery started no {name}")
        return Process(name, ("salus", *arguments), log, Forked(self, pid))

    def ended(self, pid: int) -> int | None:
        """Return how a child ended; None while it runs."""
        return self._ask({"ended": pid})

    def stop(self) -> None:
        """End it, and with it what it has forked."""
        self._line.close()
        self._process.stop()

    def _ask(self, request: Mapping[str, object]) -> int | None:
        with self._lock:
            self._line.write(json.dumps(request) + "\n")
            self._line.flush()
            answer = self._line.readline()
        if not answer:
            self._process.check_alive()
        number: int | None = json.loads(answer)
        return number


def main() -> None:
    """Import, then serve; in each child, be Salus."""
    for module in _IMPORTED:
        importlib.import_module(module)
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as line:
        order = _serve(line)
    if order is not None:
        _prepare(order)
        importlib.import_module("salus.cli").main()


def _serve(line: socket.socket) -> dict[str, Any] | None:
    """Answer requests until there are no more; in a child, return what it shall be."""
    with line.makefile("rw", encoding="utf-8") as lines:
        for text in lines:
            request = json.loads(text)
            if "start" in request:
                parent = os.getpid()
                answer: int | None = os.fork()
                if answer == 0:
                    die_with(parent)
                    return dict(request["start"])
            else:
                pid, status = os.waitpid(request["ended"], os.WNOHANG)
                answer = os.waitstatus_to_exitcode(status) if pid else None
            lines.write(json.dumps(answer) + "\n")
            lines.flush()
    return None


def _prepare(order: Mapping[str, Any]) -> None:
    """Do what `Process.start` does for its children."""
    os.setpgid(0, 0)
    output = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for number in (1, 2):
        os.dup2(output, number)
    os.close(output)
    os.chdir(order["cwd"])
    os.environ.update(order["env"])
    sys.argv = ["salus", *order["arguments"]]


if __name__ == "__main__":
    main()
