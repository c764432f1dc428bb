"""`python -m tests.e2e [pytest arguments]`, behind `make e2e`: pytest in the sandbox, where a real kubelet may run.

The tests of the sandbox itself start sandboxes, so they run before, outside. What the tests need from the network is
fetched and built outside too, for there is no way out of the sandbox. At the end it looks for what the run has left on
the machine: anything is a failure. With `--if-possible` a machine that cannot run the tests is told so in one line,
and that is all right; otherwise it is an error. With `--programs` it only fetches and builds what the tests need.
"""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from examples.demo.pods import shop_image
from tests.e2e.traces import mark, marked, traces
from tools.devcluster import debian, dockerfile, images
from tools.devcluster.processes import NotInTimeError, wait_until
from tools.devcluster.programs import TIERS, ProgramMissingError, find, find_e2e
from tools.devcluster.progress import Say, say_on_stderr
from tools.devcluster.sandbox import SandboxUnavailableError, available, reexec_in_sandbox

_FOLDER = Path(__file__).parent
_OF_THE_SANDBOX = "test_sandbox.py"
_IF_POSSIBLE = "--if-possible"
_PROGRAMS = "--programs"
_NO_TESTS = 5  # pytest's exit status when the arguments select none
_SETTLE_SECONDS = 30

_UNABLE = (ProgramMissingError, SandboxUnavailableError)
_BROKEN = (dockerfile.ImageBuildError, images.ImageError, debian.PackageError)


def main(arguments: Sequence[str]) -> int:
    """Run the tests that `arguments` select, all by default; return pytest's exit status, 1 if anything is left behind.

    Raises:
        SystemExit: This machine or user cannot run them; with the reason.

    """
    selected = [argument for argument in arguments if argument not in (_IF_POSSIBLE, _PROGRAMS)]
    try:
        if reason := available():
            raise SandboxUnavailableError(reason)
        say = say_on_stderr()
        _find_programs(say)
        if _PROGRAMS in arguments:
            return 0
        run, before = mark(), traces()
        _build_images(say)
        return _run(selected) or _look_for_leftovers(run, before)
    except _UNABLE as error:
        return _cannot(str(error), optional=_IF_POSSIBLE in arguments)
    except _BROKEN as error:
        sys.exit(str(error))


def _cannot(reason: str, *, optional: bool) -> int:
    if not optional:
        sys.exit(f"The e2e tests cannot run here: {reason}")
    print(f"e2e: left out, for they cannot run here: {reason.splitlines()[0]}")
    return 0


def _find_programs(say: Say) -> None:
    find(TIERS["e2e"], say)
    find_e2e(say)


def _build_images(say: Say) -> None:
    shop_image(say)
    dockerfile.build(say)


def _run(arguments: Sequence[str]) -> int:
    named = [argument for argument in arguments if _file(argument).exists()]
    options = [argument for argument in arguments if argument not in named]
    tests = named or [str(file) for file in sorted(_FOLDER.glob("test_*.py"))]
    outside = [test for test in tests if _file(test).name == _OF_THE_SANDBOX]
    inside = [test for test in tests if test not in outside]
    pytest = [sys.executable, "-m", "pytest", *options]
    statuses = [subprocess.call([*pytest, *outside])] if outside else []
    statuses += [reexec_in_sandbox([*pytest, *inside])] if inside else []
    return max((status for status in statuses if status != _NO_TESTS), default=_NO_TESTS)


def _file(argument: str) -> Path:
    return Path(argument.partition("::")[0])


def _look_for_leftovers(run: str, before: set[str]) -> int:
    """Say what is on the machine that was not, once what is ending has ended; 1 if there is anything."""

    def left() -> list[str]:
        return sorted((traces() - before) | marked(run))

    with suppress(NotInTimeError):
        wait_until(lambda: not left(), timeout=_SETTLE_SECONDS, what="the end of everything")
    found = left()
    what = "".join(f"\n  {trace}" for trace in found) or " nothing"
    print(f"Left behind (mounts, namespaces, control groups, devices, kernel settings, processes):{what}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
