"""What pyproject.toml declares and constraints.txt pins, for comparison with what was packaged."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

NAME: str = _PROJECT["project"]["name"]


def normal(name: str) -> str:
    """The name as constraints.txt has it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def dependencies() -> set[str]:
    """What Salus declares to need."""
    return _names(_PROJECT["project"]["dependencies"])


def tools() -> set[str]:
    """What only we need, and what installs."""
    needed_anyhow = {name for library in dependencies() for name in _needed_by(library)}
    return _names(_PROJECT["dependency-groups"]["dev"]) - needed_anyhow | {"pip", "setuptools", "wheel"}


def not_as_pinned(packages: Mapping[str, str]) -> dict[str, str]:
    """Those of `packages`, name to version, that constraints.txt does not have in that version."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    words = (line.partition(" ")[0].partition("==") for line in lines)
    pins = {normal(name): version for name, _, version in words}
    return {name: version for name, version in packages.items() if pins.get(name) != version}


def _needed_by(library: str) -> set[str]:
    """What a library declares to need, such as durationpy by kubernetes; not what it could do more with."""
    return _names(line for line in metadata.requires(library) or () if "extra ==" not in line)


def _names(requirements: Iterable[str]) -> set[str]:
    return {normal(re.split(r"[^A-Za-z0-9._-]", requirement)[0]) for requirement in requirements}
