"""`python -m tools.manifests [--check]`: write, or compare, the files that are made from others."""

import argparse
import sys

from tools.devcluster.programs import ProgramMissingError, at_hand, find
from tools.devcluster.progress import say_on_stderr
from tools.manifests.generated import SORTS, Files, Sort, differing


def main() -> int:
    """Write the files, in order; with `--check` compare those that can be made without building anything."""
    parser = argparse.ArgumentParser(prog="python -m tools.manifests", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file differs")
    return _check() if parser.parse_args().check else _write()


def _write() -> int:
    try:
        find([program for sort in SORTS for program in sort.programs], say_on_stderr())
    except ProgramMissingError as error:
        print(error, file=sys.stderr)
        return 1
    for sort in SORTS:
        write(sort.make())
    return 0


def write(files: Files) -> None:
    """Write the files."""
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _check() -> int:
    faults = [fault for sort in SORTS if _can(sort) for fault in differing(sort.make())]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def _can(sort: Sort) -> bool:
    missing = [program for program in sort.programs if not at_hand(program)]
    if missing:
        print(f"{sort.make.__name__}: not compared, {', '.join(missing)} is not here; `make chart` builds and compares")
    return not missing


if __name__ == "__main__":
    sys.exit(main())
