"""What the e2e run looks for at its end is seen: a process that outlived its parent."""

import os
import signal
import subprocess
import sys

import pytest

from tests.e2e.traces import mark, marked
from tools.devcluster.processes import wait_until

_SECONDS = 20


@pytest.mark.skipif(sys.platform != "linux", reason="environments are read from /proc")
def test_an_orphan_is_seen_until_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALUS_E2E_RUN", "")  # to be put back
    run = mark()
    orphan = subprocess.run(
        ["sh", "-c", "sleep 60 >/dev/null & echo $!"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()

    wait_until(lambda: marked(run) == {f"process {orphan}: sleep 60"}, timeout=_SECONDS, what="the orphan")
    os.kill(int(orphan), signal.SIGKILL)
    wait_until(lambda: marked(run) == set(), timeout=_SECONDS, what="its end")
