"""`python -m tests.e2e [pytest arguments]`, behind `make e2e`: pytest in the sandbox, where a real kubelet may run.

The tests of the sandbox itself start sandboxes, so they run before, outside. What the tests need from the network is
fetched outside too, for there is no way out of the sandbox.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.devcluster.programs import TIERS, ProgramMissingError, find, find_e2e
from tests.devcluster.progress import say_on_stderr
from tests.devcluster.sandbox import SandboxUnavailableError, available, reexec_in_sandbox

_FOLDER = Path(__file__).parent
_OF_THE_SANDBOX = "test_sandbox.py"
_NO_TESTS = 5  # pytest's exit status when the arguments select none


def main(arguments: Sequence[str]) -> int:
    """Run the tests that `arguments` select, all by default, and return pytest's exit status.

    Raises:
        SystemExit: This machine or user cannot run them; with the reason.

    """
    if reason := available():
        sys.exit(f"The e2e tests cannot run here: {reason}")
    try:
        _fetch_programs()
        return _run(arguments)
    except (ProgramMissingError, SandboxUnavailableError) as error:
        sys.exit(f"The e2e tests cannot run here: {error}")


def _fetch_programs() -> None:
    say = say_on_stderr()
    find(TIERS["e2e"], say)
    find_e2e(say)


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
