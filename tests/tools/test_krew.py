"""What krew is told of the plugin; the archive itself is built, and installed by krew, with `make krew`."""

import hashlib
import re
from pathlib import Path

import pytest

from salus.cli import commands  # noqa: F401 — the app has them once they are imported
from salus.cli.app import app
from salus.version import __version__
from tools.krew import PLATFORMS, archive_name, archives_in, here, manifest, tag

BASE = "https://example.com/salus/v1"
SEMVER = re.compile(r"v\d+\.\d+\.\d+(-[a-z]+\.\d+)?")


@pytest.mark.parametrize(
    ("version", "as_krew_has_it"),
    [("1.2.3", "v1.2.3"), ("0.1.0.dev0", "v0.1.0-dev.0"), ("1.0.0rc2", "v1.0.0-rc.2")],
)
def test_a_version_becomes_a_tag(version: str, as_krew_has_it: str) -> None:
    assert tag(version) == as_krew_has_it


def test_the_version_of_this_commit_is_one_that_krew_takes() -> None:
    assert SEMVER.fullmatch(tag(__version__))


def test_a_version_that_it_would_not_take_is_refused() -> None:
    with pytest.raises(ValueError, match="no version that krew would take"):
        tag("1.2")


def test_each_archive_that_is_there_has_its_platform(tmp_path: Path) -> None:
    for name in ("linux-amd64", "windows-amd64"):
        (tmp_path / archive_name(name)).write_bytes(name.encode())
    (tmp_path / "salus.yaml").write_text("of before")

    found = manifest("1.2.3", archives_in(tmp_path), f"{BASE}/")["spec"]["platforms"]

    assert [one["selector"]["matchLabels"] for one in found] == [
        {"os": "linux", "arch": "amd64"},
        {"os": "windows", "arch": "amd64"},
    ]
    assert [one["bin"] for one in found] == ["salus/kubectl-salus", "salus/kubectl-salus.exe"]
    assert [one["uri"] for one in found] == [f"{BASE}/salus-{name}.tar.gz" for name in ("linux-amd64", "windows-amd64")]
    assert found[0]["sha256"] == hashlib.sha256(b"linux-amd64").hexdigest()


def test_it_has_what_krew_asks_of_a_manifest() -> None:
    whole = manifest("1.2.3", dict.fromkeys(PLATFORMS, "0" * 64), BASE)

    assert (whole["kind"], whole["metadata"]) == ("Plugin", {"name": "salus"})
    assert len(whole["spec"]["shortDescription"]) <= 50
    assert len(whole["spec"]["platforms"]) == len(PLATFORMS)
    assert all(len(line) <= 90 for line in whole["spec"]["description"].splitlines())


def test_the_caveats_name_commands_that_are_there() -> None:
    named = set(re.findall(r"kubectl salus (\w+)", manifest("1.2.3", {}, BASE)["spec"]["caveats"]))

    assert named <= {command.name for command in app.registered_commands}
    assert named


def test_this_platform_is_one_of_them() -> None:
    assert here() in PLATFORMS
