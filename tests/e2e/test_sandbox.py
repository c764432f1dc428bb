"""Whatever happened in the sandbox, nothing of it remains, and the next one starts. Runs outside, as root."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.e2e.hold import UP
from tests.e2e.traces import traces
from tools.devcluster import sandbox
from tools.devcluster.processes import NotInTimeError, wait_until

_REPOSITORY = Path(__file__).parents[2]
_SECONDS = 60

_WHY_NOT = "starts sandboxes, and this is one" if sandbox.inside() else sandbox.available()

pytestmark = pytest.mark.skipif(_WHY_NOT is not None, reason=_WHY_NOT or "")


@pytest.fixture
def before() -> set[str]:
    """Return the traces on this machine before the test, after a sandbox has removed what others may have left."""
    assert sandbox.reexec_in_sandbox(["true"]) == 0
    return traces()


@contextmanager
def _held(*options: str) -> Iterator[subprocess.Popen[str]]:
    """Run `hold` in a sandbox until this block ends; when its pods are up, yield the process that holds the sandbox."""
    command = [sys.executable, "-m", "tests.e2e.hold", *options]
    code = f"import sys; from tools.devcluster import sandbox; sys.exit(sandbox.reexec_in_sandbox({command!r}))"
    with subprocess.Popen([sys.executable, "-c", code], cwd=_REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == UP
            yield process
        finally:
            process.kill()


def _assert_nothing_is_new_since(before: set[str]) -> None:
    with suppress(NotInTimeError):  # the assertion says better what is left
        wait_until(lambda: traces() == before, timeout=_SECONDS, what="the end of the sandbox")

    assert traces() == before


@pytest.mark.parametrize(
    ("number", "status"),
    [
        pytest.param(signal.SIGINT, 128 + signal.SIGINT, id="interrupted"),
        pytest.param(signal.SIGTERM, 128 + signal.SIGTERM, id="terminated"),
        pytest.param(signal.SIGKILL, -signal.SIGKILL, id="killed"),
    ],
)
def test_nothing_is_left_of_a_sandbox_that_was(number: signal.Signals, status: int, before: set[str]) -> None:
    with _held() as process:
        assert traces() > before
        process.send_signal(number)
        assert process.wait(_SECONDS) == status

    _assert_nothing_is_new_since(before)


def test_nothing_is_left_of_a_sandbox_that_ended_by_itself(before: set[str]) -> None:
    with _held("--once") as process:
        assert process.wait(_SECONDS) == 0

    assert traces() == before


def test_a_second_start_right_after_a_kill_works(before: set[str]) -> None:
    with _held() as killed:
        killed.kill()
        with _held("--once") as second:
            assert second.wait(_SECONDS) == 0

    _assert_nothing_is_new_since(before)


def test_another_process_can_join_a_running_sandbox() -> None:
    with _held():
        assert sandbox.join(["ip", "address", "show", "to", sandbox.NODE_ADDRESS]) == 0


def test_joining_says_that_there_is_no_sandbox(before: set[str]) -> None:
    del before  # its sandbox has ended

    with pytest.raises(sandbox.SandboxUnavailableError, match="no sandbox is running"):
        sandbox.join(["true"])


def test_the_exit_status_is_the_commands() -> None:
    assert sandbox.reexec_in_sandbox(["sh", "-c", "exit 7"]) == 7


def test_a_command_killed_by_a_signal_ends_as_in_a_shell() -> None:
    assert sandbox.reexec_in_sandbox(["sh", "-c", "kill -9 $$"]) == 128 + signal.SIGKILL


def test_there_is_no_way_out_of_the_sandbox() -> None:
    assert sandbox.reexec_in_sandbox(["sh", "-c", "! ip route get 192.0.2.1"]) == 0
