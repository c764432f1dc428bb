"""A short run of every hunt, what once escaped read again, and the fuzzer itself: it finds what there is to find."""

import argparse
import sys
from pathlib import Path

import pytest
from hypothesis import strategies as st

from tests.fuzz import running
from tests.fuzz.__main__ import supervise
from tests.fuzz.hunts import HUNTS, Hunt, Input
from tests.fuzz.running import Escape, Tally, chase, corpus, keep, run

INPUTS = 150


@pytest.mark.parametrize("name", HUNTS)
def test_nothing_escapes(name: str) -> None:
    assert run(HUNTS[name], INPUTS, 1, tally := Tally()) is None
    assert tally.inputs == INPUTS


@pytest.mark.parametrize(("hunt", "found"), [pytest.param(h, i, id=f"{h.name}/{name}") for h, name, i in corpus()])
def test_what_once_escaped_is_refused_by_name(hunt: Hunt, found: Input) -> None:
    chase(hunt, found)


class Panic(BaseException):
    """As a native library panics: no Exception."""


def panics_at(word: str) -> Hunt:
    def read(text: Input) -> None:
        if word in text:
            raise Panic(word)

    return Hunt("panics", st.text(alphabet="ab", max_size=30), read)


def test_a_panic_is_found_and_made_small() -> None:
    escape = run(panics_at("ab"), 500, 1, Tally())

    assert escape == Escape("panics", "ab", "Panic: ab")


def test_the_same_seed_reads_the_same_inputs() -> None:
    def inputs(seeded: int) -> list[Input]:
        noted: list[Input] = []
        run(panics_at("c"), 50, seeded, Tally(), noted.append)
        return noted

    assert inputs(1) == inputs(1) != inputs(2)


def test_what_escaped_is_kept_for_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "CORPUS", tmp_path)
    name = next(iter(HUNTS))

    keep(Escape(name, ["²", None], "it was odd"))

    assert [(hunt.name, found) for hunt, _, found in corpus()] == [(name, ["²", None])]


DIES = """
import json, os, sys
from pathlib import Path
Path(sys.argv[sys.argv.index("--note") + 1]).write_text(json.dumps(["query", "x @ -1"]))
os.abort()
"""


def test_an_input_that_ends_the_process_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an abort in native code, or the kernel for want of memory, does."""
    monkeypatch.setattr(running, "CORPUS", tmp_path)
    options = argparse.Namespace(minutes=0.001, seed=1, hunts=["query"])

    status = supervise(options, [sys.executable, "-c", DIES])

    assert status == 1
    assert [(hunt.name, found) for hunt, _, found in corpus()] == [("query", "x @ -1")]
