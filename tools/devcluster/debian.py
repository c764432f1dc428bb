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


def unpack(packages: Sequence[str], into: Path, say: Say) -> None:
    """Download `packages` and unpack them without their dependencies as `into`, which appears when complete.

    Raises:
        PackageError: A package is unknown or cannot be fetched.

    """
    names = " and ".join(packages)
    with exclusive(into.with_suffix(".lock"), names, say):
        if not into.exists():
            say(f"Fetching Debian's {names} into {into} (about 15 seconds) …")
            _unpack(packages, into, say)


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


def _unpack(packages: Sequence[str], into: Path, say: Say) -> None:
    with tempfile.TemporaryDirectory(dir=into.parent) as scratch:
        debs, root = Path(scratch, "debs"), Path(scratch, "root")
        debs.mkdir()
        _download(packages, debs, say)
        for deb in sorted(debs.glob("*.deb")):
            _run(["dpkg-deb", "--extract", str(deb), str(root)])
        root.replace(into)


def _download(packages: Sequence[str], folder: Path, say: Say) -> None:
    try:
        _run(["apt-get", "download", *packages], cwd=folder)
    except PackageError:
        say("Fetching apt's package lists …")
        lists = folder.parent / "lists"
        (lists / "partial").mkdir(parents=True)
        # Lists of our own: the system's are not ours to change, and may not be.
        own_lists = ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={lists}", "-o", "Debug::NoLocking=true"]
        _run(["apt-get", *own_lists, "update"])
        _run(["apt-get", *own_lists, "download", *packages], cwd=folder)


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


def _run(command: Sequence[str], cwd: Path | None = None) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PackageError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
