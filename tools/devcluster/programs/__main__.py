"""`python -m tools.devcluster.programs [cluster|e2e|chart]…`: fetch and build what tiers need, and say where it is."""

import sys

from tools.devcluster.programs import TIERS, ProgramMissingError, find, find_e2e
from tools.devcluster.progress import say_on_stderr


def main() -> int:
    """Fetch and build, or say what is missing."""
    tiers = sys.argv[1:] or ["cluster"]
    if unknown := [tier for tier in tiers if tier not in TIERS]:
        print(f"unknown tier {unknown[0]!r}; known: {', '.join(TIERS)}", file=sys.stderr)
        return 2
    say = say_on_stderr()
    try:
        wanted = dict.fromkeys(program for tier in tiers for program in TIERS[tier])
        found = find(list(wanted), say) | (find_e2e(say) if "e2e" in tiers else {})
    except ProgramMissingError as error:
        print(error, file=sys.stderr)
        return 1
    for program, path in found.items():
        print(f"{program:24} {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
