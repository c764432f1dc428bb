"""Where a policy is written to, and what happens to a file that is there already."""

import difflib
import os
from pathlib import Path

from salus.cli.contract import CannotBeAsked

STDOUT = "-"
SUFFIX = ".salus.yaml"


def file_for(name: str, to: str) -> Path:
    """NAME.salus.yaml in a folder, or the file that was said."""
    if not to:
        return Path(f"{name}{SUFFIX}")
    said = Path(to)
    return said / f"{name}{SUFFIX}" if said.is_dir() or to.endswith(os.sep) else said


def is_as_it_would_be(file: Path, text: str) -> bool:
    """Whether the file is there and says the same but for its first line, the date. Raises CannotBeAsked if not."""
    try:
        there = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    except (OSError, UnicodeDecodeError) as error:
        raise CannotBeAsked(f"{file} is there, and cannot be read", [("why", str(error))]) from error
    mine, others = text.splitlines(), there.splitlines()
    if mine[1:] == others[1:]:
        return True
    lines = difflib.unified_diff(others[1:], mine[1:], str(file), "proposed", n=1, lineterm="")
    facts = [("differs", "\n".join(lines))]
    raise CannotBeAsked(f"{file} is there already", facts, ["--force to write over it", "--to another FILE"])


def write(file: Path, text: str) -> None:
    """All of it or nothing. Raises CannotBeAsked."""
    beside = file.with_name(f".{file.name}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        beside.replace(file)
    except OSError as error:
        raise CannotBeAsked(f"{file} cannot be written", [("why", str(error))]) from error
