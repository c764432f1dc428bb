"""`python -m tests.devcluster.programs [cluster|e2e|chart]`: fetch and build what a tier needs, and say where it is."""

import sys

from tests.devcluster.programs import TIERS, ProgramMissingError, find, find_e2e
from tests.devcluster.progress import say_on_stderr


def main() -> int:
    """Fetch and build, or say what is missing."""
    tier = sys.argv[1] if len(sys.argv) > 1 else "cluster"
    if tier not in TIERS:
        print(f"unknown tier {tier!r}; known: {', '.join(TIERS)}", file=sys.stderr)
        return 2
    say = say_on_stderr()
    try:
        found = find(TIERS[tier], say) | (find_e2e(say) if tier == "e2e" else {})
    except ProgramMissingError as error:
        print(error, file=sys.stderr)
        return 1
    for program, path in found.items():
        print(f"{program:24} {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
