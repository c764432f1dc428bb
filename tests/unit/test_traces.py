"""What the e2e run looks for at its end is seen: an orphan, whoever its parent was."""

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_LEAVE_AN_ORPHAN = """
import os, signal, subprocess
from tests.e2e.traces import adopt_orphans, children
adopt_orphans()
orphan = subprocess.run(["sh", "-c", "sleep 60 >/dev/null & echo $!"], stdout=subprocess.PIPE, text=True).stdout.strip()
print(any(line.startswith(f"process {orphan}:") for line in children()))
os.kill(int(orphan), signal.SIGKILL)
os.waitpid(int(orphan), 0)
print(children())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="children are adopted on Linux only")
def test_an_orphan_is_seen_until_it_has_ended() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LEAVE_AN_ORPHAN], cwd=_ROOT, capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.splitlines() == ["True", "set()"]
