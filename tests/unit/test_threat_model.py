"""Each claim of the threat model names a test, and each test that it names is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODEL = (ROOT / "docs/concepts/threat-model.md").read_text(encoding="utf-8")
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_CLAIM = re.compile(r"^\| (?!claim \||who \||---)(.+?) \| (.+) \|$", re.MULTILINE)


def claims() -> list[tuple[str, str]]:
    """The rows of all tables of claims: what is claimed, and by what it is held."""
    tables = re.findall(r"^\| claim \| held by \|\n\| --- \| --- \|\n((?:\|.*\n)+)", MODEL, re.MULTILINE)
    return [found for table in tables for found in _CLAIM.findall(table)]


@pytest.mark.parametrize(("claim", "held"), claims())
def test_every_claim_is_held_by_a_test(claim: str, held: str) -> None:
    named = _NAMED.findall(held)

    assert named, f"nothing holds: {claim}"
    assert _NAMED.sub("", held).strip(" ,") == "", "a test is named as `tests/…/test_x.py::test_y`"


@pytest.mark.parametrize(("file", "test"), sorted(set(_NAMED.findall(MODEL))))
def test_every_test_that_is_named_is_there(file: str, test: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    assert test in {function.name for function in functions}
    assert test.startswith("test_")


def test_there_are_claims() -> None:
    assert len(claims()) > 30


_FINDING = re.compile(r"^\| S(\d+) \| (.+?) \| (.+) \|$", re.MULTILINE)


def test_each_finding_of_the_audit_is_there_once_and_is_held_by_a_test() -> None:
    found = _FINDING.findall(MODEL)
    numbers = [int(number) for number, _, _ in found]

    assert numbers == list(range(1, 20))
    assert [what for _, what, held in found if not _NAMED.findall(held)] == []
