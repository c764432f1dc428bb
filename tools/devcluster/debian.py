"""Programs from Debian's packages: unpacked into a folder, or, where only that works, installed.

Which packages hold what is known to `programs`.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.devcluster.locks import exclusive
from tools.devcluster.progress import Say

_POLICY = Path("/usr/sbin/policy-rc.d")
_START_NO_SERVICES = "#!/bin/sh\nexit 101\n"


class PackageError(RuntimeError):
    """apt or dpkg refused; the message ends with what it said."""


def can_unpack() -> bool:
    """Whether this machine has apt and dpkg. No special rights are needed to unpack."""
    return all(shutil.which(tool) for tool in ("apt-get", "dpkg-deb"))


def can_install() -> bool:
    """Whether this user may install packages here."""
    return can_unpack() and os.geteuid() == 0


def unpack(packages: Sequence[str], into: Path, say: Say, *, with_dependencies: bool = False) -> None:
    """Download `packages` and unpack them as `into`, which appears when complete.

    `with_dependencies`: with what they need and this machine lacks; else without.

    Raises:
        PackageError: A package is unknown or cannot be fetched.

    """
    names = " and ".join(packages)
    with exclusive(into.with_suffix(".lock"), names, say):
        if not into.exists():
            say(f"Fetching Debian's {names} into {into} (about 15 seconds) …")
            _unpack(packages, into, say, with_dependencies=with_dependencies)


def install(packages: Sequence[str], say: Say) -> None:
    """Install `packages` on this machine without starting the services they bring. Needs root.

    Raises:
        PackageError: A package is unknown or cannot be installed.

    """
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    say(f"Installing Debian's {', '.join(packages)} (about 15 seconds) …")
    with _services_kept_down():
        try:
            _run(command)
        except PackageError:
            say("Bringing apt's package lists up to date …")
            _run(["apt-get", "update"])
            _run(command)


def _unpack(packages: Sequence[str], into: Path, say: Say, *, with_dependencies: bool) -> None:
    with tempfile.TemporaryDirectory(dir=into.parent) as scratch:
        debs, root = Path(scratch, "debs"), Path(scratch, "root")
        debs.mkdir()
        try:
            _download(_and_what_they_need(packages, []) if with_dependencies else packages, debs, [])
        except PackageError:
            lists = _own_lists(Path(scratch, "lists"), say)
            _download(_and_what_they_need(packages, lists) if with_dependencies else packages, debs, lists)
        for deb in sorted(debs.glob("*.deb")):
            _run(["dpkg-deb", "--extract", str(deb), str(root)])
        root.replace(into)


def _own_lists(folder: Path, say: Say) -> Sequence[str]:
    """Options of apt for lists of our own: the system's are not ours to change, and may not be."""
    say("Fetching apt's package lists …")
    (folder / "partial").mkdir(parents=True)
    options = ["-o", f"Dir::State::lists={folder}", "-o", f"Dir::Cache={folder}", "-o", "Debug::NoLocking=true"]
    _run(["apt-get", *options, "update"])
    return options


def _and_what_they_need(packages: Sequence[str], options: Sequence[str]) -> Sequence[str]:
    """Those that an installation would bring to this machine, themselves among them."""
    said = _run(["apt-get", *options, "install", "--simulate", "--no-install-recommends", "--reinstall", *packages])
    return [line.split()[1] for line in said.splitlines() if line.startswith("Inst ")]


def _download(packages: Sequence[str], folder: Path, options: Sequence[str]) -> None:
    _run(["apt-get", *options, "download", *packages], cwd=folder)


@contextlib.contextmanager
def _services_kept_down() -> Iterator[None]:
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text(_START_NO_SERVICES)
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def _run(command: Sequence[str], cwd: Path | None = None) -> str:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PackageError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
