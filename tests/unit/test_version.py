"""What `salus --version` says, and how a build learns of which commit it is."""

import subprocess
from pathlib import Path

import pytest

from hatch_build import commit_of
from salus.version import __version__, described


def package(root: Path) -> Path:
    """The folder of the package, as in a checkout under `root`."""
    folder = root / "operator" / "salus"
    folder.mkdir(parents=True)
    return folder


def commit(root: Path) -> str:
    """Make `root` a repository with one commit, and return the beginning of its hash."""
    author = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    for words in (("init", "-q"), (*author, "commit", "-q", "--allow-empty", "-m", "first")):
        subprocess.run(["git", *words], cwd=root, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, check=True, capture_output=True, text=True)
    return head.stdout[:12]


def test_a_built_package_names_its_commit(tmp_path: Path) -> None:
    folder = package(tmp_path)
    (folder / "commit.txt").write_text("1a2b3c4d5e6f\n")

    assert described(folder) == f"{__version__} (commit 1a2b3c4d5e6f)"


def test_a_checkout_says_that_it_is_one(tmp_path: Path) -> None:
    commit(tmp_path)

    assert described(package(tmp_path)) == f"{__version__} (a checkout)"


def test_a_package_built_from_nothing_known_says_so(tmp_path: Path) -> None:
    assert described(package(tmp_path)) == f"{__version__} (commit unknown)"


def test_a_build_names_the_commit_of_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SALUS_COMMIT", raising=False)
    head = commit(tmp_path)

    assert commit_of(tmp_path) == head


def test_a_build_names_changes_that_are_not_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SALUS_COMMIT", raising=False)
    head = commit(tmp_path)
    (tmp_path / "new").touch()
    subprocess.run(["git", "add", "new"], cwd=tmp_path, check=True)

    assert commit_of(tmp_path) == f"{head}-dirty"


def test_a_build_believes_what_it_is_told_before_what_git_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(tmp_path)
    monkeypatch.setenv("SALUS_COMMIT", "1a2b3c4d5e6f")

    assert commit_of(tmp_path) == "1a2b3c4d5e6f"


def test_a_build_without_a_repository_knows_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SALUS_COMMIT", raising=False)

    assert commit_of(tmp_path) == ""
