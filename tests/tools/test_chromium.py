"""Which Chromium pages are looked at with, and what is said where there is none."""

from pathlib import Path

import pytest

from tests.pages.__main__ import main
from tools import chromium
from tools.devcluster import debian
from tools.devcluster.programs import ProgramMissingError


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty cache, nothing on PATH, and no Debian."""
    monkeypatch.setenv("SALUS_TESTBIN", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SALUS_CHROMIUM", raising=False)
    return tmp_path


def test_the_one_that_is_named_is_taken(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALUS_CHROMIUM", str(bare / "mine"))

    assert chromium.chromium().path == bare / "mine"


def test_one_on_path_is_taken(bare: Path) -> None:
    (bare / "chromium").write_text("#!/bin/sh\n")
    (bare / "chromium").chmod(0o755)

    assert chromium.chromium().path == bare / "chromium"


def test_debians_is_unpacked_with_its_libraries(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unpack(_packages: object, into: Path, _say: object, *, with_dependencies: bool) -> None:
        assert with_dependencies
        (into / "usr/lib/x86_64-linux-gnu/nss").mkdir(parents=True)

    monkeypatch.setattr(debian, "can_unpack", lambda: True)
    monkeypatch.setattr(debian, "unpack", unpack)

    found = chromium.chromium()

    assert found.path.is_relative_to(bare)
    assert [Path(one).name for one in found.environment["LD_LIBRARY_PATH"].split(":")] == ["x86_64-linux-gnu", "nss"]
    assert Path(found.environment["FONTCONFIG_FILE"]).exists()


@pytest.mark.usefixtures("bare")
def test_where_there_is_none_that_is_said_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--if-possible"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(
        "pages: left out, for they cannot be looked at here: no Chromium: name one in SALUS_CHROMIUM"
    )
    assert said.count("\n") == 1
    with pytest.raises(SystemExit, match="cannot be looked at here"):
        main([])


def test_another_axe_core_than_the_one_that_was_chosen_is_refused(bare: Path) -> None:
    (bare / f"{chromium.AXE}.min.js").write_text("other")

    with pytest.raises(ProgramMissingError, match="is not what it was"):
        chromium.axe()


@pytest.mark.usefixtures("bare")
def test_without_npm_there_is_no_axe_core() -> None:
    with pytest.raises(ProgramMissingError, match="npm, which fetches it, is not on PATH"):
        chromium.axe()
