"""The plugin for krew: `python -m tools.krew --base-url URL`, where Salus and PyInstaller are installed (`make krew`).

An archive for the platform that it runs on, self-contained, and the manifest of all archives that lie beside it: those
of other platforms are made there and copied. PyInstaller's folder form starts at once; one file would unpack itself at
each start. krew takes it as it is: `kubectl krew install --manifest=dist/krew/salus.yaml --archive=…`.
"""

import argparse
import hashlib
import platform
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from salus.version import __version__

ROOT = Path(__file__).parents[1]
PLATFORMS = ("linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64", "windows-amd64")
_ARCHIVE = re.compile(r"salus-(\w+)-(\w+)\.tar\.gz")
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_VERSION = re.compile(r"(?P<release>\d+\.\d+\.\d+)(?:\.?(?P<kind>a|b|rc|dev)(?P<number>\d+))?")
_ENTRY = "from salus.cli import main\n\nmain()\n"
_DESCRIPTION = """Salus heals services on Kubernetes: it measures, decides, records, acts, and proves
that it helped. This is its command line: how services stand, why something is done
or is not, what happened, and the answers to what it asks. The operator is installed
with its chart.
"""
_CAVEATS = """So that kubectl completes the line:

  kubectl salus completion kubectl > ~/.krew/bin/kubectl_complete-salus
  chmod +x ~/.krew/bin/kubectl_complete-salus
"""


def tag(version: str) -> str:
    """A version of Python's as krew wants it: `0.1.0.dev0` is `v0.1.0-dev.0`. Raises ValueError."""
    found = _VERSION.fullmatch(version)
    if found is None:
        raise ValueError(f"{version} is no version that krew would take")
    kind, number = found["kind"], found["number"]
    return f"v{found['release']}" + (f"-{kind}.{number}" if kind else "")


def manifest(version: str, archives: Mapping[str, str], base_url: str) -> dict[str, Any]:
    """The plugin's manifest; `archives`: the sha256 of each, by its platform such as `linux-amd64`."""
    return {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "salus"},
        "spec": {
            "version": tag(version),
            "homepage": base_url,
            "shortDescription": "See and answer what heals services",
            "description": _DESCRIPTION,
            "caveats": _CAVEATS,
            "platforms": [_platform(one, archives[one], base_url) for one in PLATFORMS if one in archives],
        },
    }


def _platform(name: str, sha256: str, base_url: str) -> dict[str, Any]:
    system, _, machine = name.partition("-")
    program = "kubectl-salus.exe" if system == "windows" else "kubectl-salus"
    return {
        "selector": {"matchLabels": {"os": system, "arch": machine}},
        "uri": f"{base_url.rstrip('/')}/{archive_name(name)}",
        "sha256": sha256,
        "files": [{"from": "salus", "to": "salus"}, {"from": "LICENSE", "to": "."}],
        "bin": f"salus/{program}",
    }


def archive_name(name: str) -> str:
    """Of a platform."""
    return f"salus-{name}.tar.gz"


def here() -> str:
    """The platform that this runs on."""
    return f"{platform.system().lower()}-{_MACHINES[platform.machine().lower()]}"


def archives_in(folder: Path) -> dict[str, str]:
    """The sha256 of each archive that lies there, by its platform."""
    found = {path: _ARCHIVE.fullmatch(path.name) for path in sorted(folder.iterdir())}
    return {f"{name[1]}-{name[2]}": _sha256(path) for path, name in found.items() if name is not None}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def build(folder: Path) -> Path:
    """The archive of this platform."""
    with tempfile.TemporaryDirectory() as scratch:
        entry = Path(scratch) / "entry.py"
        entry.write_text(_ENTRY, encoding="utf-8")
        what = ["--onedir", "--name", "kubectl-salus", "--collect-data", "salus", "--collect-submodules", "salus"]
        where = ["--distpath", scratch, "--workpath", f"{scratch}/work", "--specpath", scratch]
        program = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "ERROR"]
        subprocess.run([*program, *what, *where, str(entry)], check=True)
        path = folder / archive_name(here())
        with tarfile.open(path, "w:gz") as archive:
            archive.add(Path(scratch) / "kubectl-salus", "salus")
            archive.add(ROOT / "LICENSE", "LICENSE")
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what this platform can, and write the manifest of all."""
    parser = argparse.ArgumentParser(prog="python -m tools.krew", description="Write the plugin for krew.")
    parser.add_argument("--base-url", required=True, help="where the archives will lie")
    parser.add_argument("--folder", type=Path, default=ROOT / "dist/krew", help="default: dist/krew")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    print(f"built {build(options.folder)}")
    whole = manifest(__version__, archives_in(options.folder), options.base_url)
    path = options.folder / "salus.yaml"
    path.write_text(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True), encoding="utf-8")
    print(f"wrote {path}, for {', '.join(archives_in(options.folder))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
