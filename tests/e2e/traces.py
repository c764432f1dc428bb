"""What a kubelet, a build or a test could leave on this machine, to be looked at before and after."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from tools.devcluster import sandbox

_KERNEL_SETTINGS = tuple(Path("/proc/sys", name) for name in sandbox.KERNEL_SETTINGS)
_FOLDERS = ("/var/lib/cni", "/var/lib/kubelet", "/var/log/containers", "/var/lib/containers")
_MARK = "SALUS_E2E_RUN"  # an environment variable: nothing that we start takes it away


def traces() -> set[str]:
    """Return where processes are, mounts, control groups, folders, network devices and kernel settings."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    settings = (f"{path} = {path.read_text().strip()}" for path in _KERNEL_SETTINGS if path.exists())
    folders = (folder for folder in _FOLDERS if Path(folder).exists())
    devices = map(str, Path("/sys/class/net").iterdir())
    return {*_namespaces(), *_cgroups(), *mounts, *settings, *folders, *devices}


def mark() -> str:
    """Mark every process that this one starts from now on, and all their descendants; return the mark."""
    os.environ[_MARK] = uuid.uuid4().hex
    return os.environ[_MARK]


def marked(mark: str) -> set[str]:
    """Return the processes that carry the mark, whoever their parents are now. The dead do not count."""
    sign = f"{_MARK}={mark}".encode()
    return set(_processes_with(sign))


def _processes_with(sign: bytes) -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if sign in (process / "environ").read_bytes().split(b"\0"):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                yield f"process {process.name}: {command}"
        except OSError:  # it has ended, or is another user's
            continue


def _namespaces() -> Iterator[str]:
    for kind in ("net", "mnt", "pid"):
        for link in Path("/proc").glob(f"[0-9]*/ns/{kind}"):
            try:
                yield str(link.readlink())
            except OSError:  # the process has ended
                continue


def _cgroups() -> Iterator[str]:
    for pattern in ("kubepods", "k8s.io", "*/kubepods", "*/k8s.io"):
        yield from map(str, Path("/sys/fs/cgroup").glob(pattern))
