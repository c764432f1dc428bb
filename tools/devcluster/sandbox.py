"""A corner of this machine in which a kubelet may do as it likes, and of which nothing remains.

A kubelet mounts file systems, makes network devices, writes kernel settings and leaves processes behind.
`reexec_in_sandbox` runs a command where all of these are its own and end with it:

    caller         holds the lock (one sandbox per machine), hands signals on, waits
    ├─ unshare     makes the namespaces; the kernel kills it when the caller dies
    │  └─ init     the first process inside: furnishes the place (`enter`); everything inside dies with it
    │     └─ the command
    └─ sweeper     outside; when the caller is gone, however it went, removes what no namespace holds (`scrub`)

Inside there are 127.0.0.1, the pods and the node at `NODE_ADDRESS`, and no way out. What runs there is the business of
`kubelet`. Init and sweeper are this file run by its path, so it imports the standard library only.
"""

import contextlib
import fcntl
import functools
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

NODE_ADDRESS = "10.89.0.1"
POD_RANGE = "10.88.0.0/16"
SERVICE_RANGE = "10.96.0.0/16"

_THIS = Path(__file__).resolve()
_LAUNCHER = _THIS.with_name("launcher.py")
_NAMESPACES = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private")
_TOOLS = ("unshare", "nsenter", "mount", "ip")
_HANDED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_LOCK = Path("/run/salus-sandbox.lock")
_LOCK_TIMEOUT_SECONDS = 900.0
_SWEEP_TIMEOUT_SECONDS = 30.0
_POLL_SECONDS = 0.1

_CGROUPS = Path("/sys/fs/cgroup")
_CGROUP_NAMES = ("kubepods", "k8s.io")  # the kubelet's and containerd's; control groups are in no namespace of ours

_MARK = Path("/run/salus-sandbox")  # on a tmpfs that is mounted inside only
_OWN_FOLDERS = (Path("/run"), Path("/var/lib/cni"), Path("/var/lib/kubelet"), Path("/var/log/containers"))

# The kubelet insists on these values and would write them for the whole machine. It is shown files that hold them.
KERNEL_SETTINGS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
}

_NETWORK = f"""\
link set lo up
link add slxnode type bridge
address add {NODE_ADDRESS}/24 dev slxnode
link set slxnode up
route add {SERVICE_RANGE} dev slxnode
"""


class SandboxUnavailableError(RuntimeError):
    """This machine, or this user, cannot have a sandbox now. The message says why and what to do."""


def available() -> str | None:
    """Return None where a sandbox can be made, else one sentence that says why not."""
    if platform.system() != "Linux":
        return f"real nodes need Linux, and this is {platform.system()}"
    if os.geteuid() != 0:
        return "real nodes need root: a kubelet mounts file systems and makes network devices"
    if missing := [tool for tool in _TOOLS if shutil.which(tool) is None]:
        return f"real nodes need {', '.join(missing)} on PATH (Debian: apt-get install util-linux iproute2)"
    if not _memory_cgroup_is_writable():
        return f"real nodes need the memory control group, writable, under {_CGROUPS}"
    return _why_no_namespaces()


def inside() -> bool:
    """Whether this process runs in the sandbox."""
    return _MARK.exists()


def reexec_in_sandbox(argv: Sequence[str]) -> int:
    """Run `argv` (its first word on PATH or absolute) inside the sandbox and return its exit status.

    Called inside the sandbox it just runs `argv`. The command has no standard input. INT, TERM and HUP are handed on to
    it. When this returns, and soon after this process was killed, nothing of the sandbox is left but its lock file.
    Waits while another sandbox is in use.

    Raises:
        SandboxUnavailableError: `available` says no, or another sandbox or a kubelet that is not ours keeps the place.

    """
    if inside():
        return subprocess.call(argv, stdin=subprocess.DEVNULL)
    if reason := available():
        raise SandboxUnavailableError(reason)
    with _locked() as lock:
        if busy := scrub():
            raise SandboxUnavailableError(f"another kubelet is at work on this machine: processes in {busy[0]}")
        with _sweeper(lock, _make_mount_points()):
            return _run_in_namespaces(argv, lock)


def join(argv: Sequence[str]) -> int:
    """Run `argv` in the sandbox that another process holds, say to use kubectl there, and return its exit status.

    Raises:
        SandboxUnavailableError: There is none.

    """
    if (pid := _init_of_running_sandbox()) is None:
        raise SandboxUnavailableError("no sandbox is running")
    return subprocess.call(["nsenter", "--target", str(pid), "--net", "--mount", "--pid", "--", *argv])


def enter() -> None:
    """Furnish fresh namespaces: own folders and kernel settings, loopback, the node's bridge, a way to Services."""
    for folder in _OWN_FOLDERS:
        _mount("-t", "tmpfs", "-o", "mode=755", "salus", str(folder))
    for folder in (Path("/run/containerd"), Path("/run/netns"), Path("/run/lock"), _MARK):
        folder.mkdir()
    for name, value in KERNEL_SETTINGS.items():
        _pretend(Path("/proc/sys", name), f"{value}\n")
    _mount("--make-rshared", "/")  # or what the kubelet mounts later would not show up in containers
    subprocess.run(["ip", "-batch", "-"], input=_NETWORK, text=True, check=True)


def scrub() -> list[Path]:
    """Remove the control groups that dead sandboxes left, and return those that processes still use."""
    hierarchies = [_CGROUPS, *(folder for folder in _CGROUPS.iterdir() if folder.is_dir())]
    roots = [hierarchy / name for hierarchy in hierarchies for name in _CGROUP_NAMES]
    return [root for root in roots if root.is_dir() and not _remove_cgroup(root)]


def _memory_cgroup_is_writable() -> bool:
    version_1 = _CGROUPS / "memory"
    if version_1.is_dir():
        return os.access(version_1, os.W_OK)
    controllers = _CGROUPS / "cgroup.controllers"
    return controllers.exists() and "memory" in controllers.read_text().split() and os.access(_CGROUPS, os.W_OK)


def _why_no_namespaces() -> str | None:
    probe = ["unshare", *_NAMESPACES, "ip", "link", "add", "slxprobe", "type", "bridge"]
    result = subprocess.run(probe, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return None
    return f"real nodes need namespaces and a network bridge, which this machine refuses: {result.stderr.strip()}"


@contextlib.contextmanager
def _locked() -> Iterator[IO[str]]:
    with _LOCK.open("a+") as lock:
        deadline = time.monotonic() + _LOCK_TIMEOUT_SECONDS
        waiting = False
        while not _try_lock(lock):
            if not waiting:
                print("waiting for another sandbox on this machine to end …", file=sys.stderr, flush=True)
                waiting = True
            if time.monotonic() > deadline:
                raise SandboxUnavailableError(f"another sandbox still holds {_LOCK} after {_LOCK_TIMEOUT_SECONDS:g} s")
            time.sleep(_POLL_SECONDS)
        yield lock


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _make_mount_points() -> list[Path]:
    """Make the folders that `enter` mounts over, and return those that were not there, innermost first."""
    made: list[Path] = []
    for folder in _OWN_FOLDERS:
        if not folder.exists():
            folder.mkdir()
            made.append(folder)
    return made


@contextlib.contextmanager
def _sweeper(lock: IO[str], made: Sequence[Path]) -> Iterator[None]:
    """Have another process clean up after this block, even if this process is killed in it.

    It notices by the end of its standard input. It shares the lock, so the next sandbox starts only after it is done.
    """
    argv = [sys.executable, "-P", str(_THIS), "sweep", *map(str, made)]
    sweeper = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        pass_fds=[lock.fileno()],
        process_group=0,
    )
    try:
        yield
    finally:
        sweeper.communicate()


def _sweep(made: Sequence[str]) -> int:
    sys.stdin.read()
    deadline = time.monotonic() + _SWEEP_TIMEOUT_SECONDS
    while (busy := scrub()) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    for folder in map(Path, made):
        with contextlib.suppress(OSError):  # someone else has put something there since
            folder.rmdir()
    for folder in busy:
        print(f"not removed, for processes still use it: {folder}", file=sys.stderr)
    return 1 if busy else 0


def _run_in_namespaces(argv: Sequence[str], lock: IO[str]) -> int:
    unshare = shutil.which("unshare") or "unshare"
    init = [sys.executable, "-P", str(_THIS), "init", *argv]
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), unshare, *_NAMESPACES, *init],
        stdin=subprocess.DEVNULL,
        process_group=0,  # else Ctrl-C would reach the command twice: from the terminal and through us
    )
    lock.truncate(0)
    lock.write(str(process.pid))
    lock.flush()
    with _signals_handled(functools.partial(_hand_on_to_init, process.pid)):
        return process.wait()


def _hand_on_to_init(unshare: int, number: int, _frame: FrameType | None) -> None:
    """Give the signal to the sandbox's init; when that does not exist yet, end the attempt."""
    init = _child_of(unshare)
    if init is None:
        os.kill(unshare, signal.SIGKILL)
    else:
        _kill_if_there(init, number)


def _init_of_running_sandbox() -> int | None:
    if not _LOCK.exists():
        return None
    with _LOCK.open() as lock:
        pid = lock.read()
        return None if _try_lock(lock) or not pid else _child_of(int(pid))


def _child_of(pid: int) -> int | None:
    processes = (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return next((int(entry.name) for entry in processes if _parent_of(entry) == pid), None)


def _parent_of(process: Path) -> int | None:
    try:
        stat = (process / "stat").read_text()
    except OSError:  # it ended while we looked
        return None
    return int(stat.rpartition(")")[2].split()[1])


@contextlib.contextmanager
def _signals_handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in _HANDED_ON}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _init(argv: Sequence[str]) -> int:
    """Be the first process inside: run `argv`, hand signals on to it, and reap every orphan until it ends."""
    with _signals_handled(_leave):  # the kernel drops signals that the first process of a namespace does not handle
        enter()
        command = subprocess.Popen(argv)
        with _signals_handled(functools.partial(_hand_on_to_command, command.pid)):
            ended, status = os.wait()
            while ended != command.pid:
                ended, status = os.wait()
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _hand_on_to_command(command: int, number: int, _frame: FrameType | None) -> None:
    _kill_if_there(command, number)


def _kill_if_there(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def _pretend(file: Path, content: str) -> None:
    if file.exists():
        stand_in = _MARK / file.name
        stand_in.write_text(content)
        _mount("--bind", str(stand_in), str(file))


def _remove_cgroup(root: Path) -> bool:
    """Remove a tree of control groups from its leaves up, and return whether it is gone."""
    try:
        for folder, _, _ in os.walk(root, topdown=False):
            Path(folder).rmdir()
    except OSError:
        return False
    return True


def main(argv: Sequence[str]) -> int:
    """Play the part named by the first word, with the others as its arguments; people use `join`."""
    parts = {"init": _init, "sweep": _sweep, "join": join}
    if not argv or argv[0] not in parts:
        sys.exit("usage: python -m tools.devcluster.sandbox join COMMAND [ARGUMENT …]")
    try:
        return parts[argv[0]](argv[1:])
    except SandboxUnavailableError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
