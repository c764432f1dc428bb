"""Become another program that dies with its parent: `python -I -S launcher.py PARENT_PID PROGRAM [ARGUMENT …]`.

`subprocess` could do the same in `preexec_fn`, but that runs Python between fork and exec, which can deadlock in a
process with threads. This file is run by path in a bare interpreter and therefore imports nothing of ours.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def die_with(parent: int) -> None:
    """Ask the kernel for SIGKILL at the death of our parent, whose pid was this; end now if it is dead already."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the request above, so no signal will come
        sys.exit(1)


def main() -> None:
    """Become the program."""
    parent, program = int(sys.argv[1]), sys.argv[2]
    die_with(parent)
    os.execv(program, sys.argv[2:])  # noqa: S606 - replacing this process without a shell is the point


if __name__ == "__main__":
    main()
