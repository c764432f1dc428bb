"""What a kubelet, a build or a test could leave on this machine, to be looked at before and after."""

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

from tests.devcluster import sandbox

_KERNEL_SETTINGS = tuple(Path("/proc/sys", name) for name in sandbox._KERNEL_SETTINGS)
_FOLDERS = ("/var/lib/cni", "/var/lib/kubelet", "/var/log/containers", "/var/lib/containers")
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def traces() -> set[str]:
    """Return where processes are, mounts, control groups, folders, network devices and kernel settings."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    settings = (f"{path} = {path.read_text().strip()}" for path in _KERNEL_SETTINGS if path.exists())
    folders = (folder for folder in _FOLDERS if Path(folder).exists())
    devices = map(str, Path("/sys/class/net").iterdir())
    return {*_namespaces(), *_cgroups(), *mounts, *settings, *folders, *devices}


def adopt_orphans() -> None:
    """Have every descendant of this process whose parent ends become a child of this one, where `children` sees it."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def children() -> set[str]:
    """Return the processes that this one has, and has not waited for, as `pid command`; the dead are reaped."""
    return {f"process {pid}: {command}" for pid, command in _children_of(os.getpid())}


def _children_of(parent: int) -> Iterator[tuple[int, str]]:
    for pid in (int(word) for word in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()):
        if os.waitpid(pid, os.WNOHANG) == (0, 0):
            yield pid, Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()


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
