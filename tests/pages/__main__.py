"""`python -m tests.pages [pytest arguments]`, behind `make pages`: a real Chromium looks at what reports write.

What it takes is fetched first, with progress. With `--if-possible` a machine that cannot have it is told so in a line.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools.chromium import axe, chromium
from tools.devcluster.programs import ProgramMissingError
from tools.devcluster.progress import say_on_stderr

_IF_POSSIBLE = "--if-possible"


def main(arguments: Sequence[str]) -> int:
    """Run them; the exit status of pytest.

    Raises:
        SystemExit: There is no Chromium, or no axe-core; with the reason.

    """
    try:
        for fetch in (chromium, axe):
            fetch(say_on_stderr())
    except ProgramMissingError as error:
        if _IF_POSSIBLE not in arguments:
            sys.exit(f"The pages cannot be looked at here: {error}")
        print(f"pages: left out, for they cannot be looked at here: {str(error).splitlines()[0]}")
        return 0
    return pytest.main([str(Path(__file__).parent), *(one for one in arguments if one != _IF_POSSIBLE)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
