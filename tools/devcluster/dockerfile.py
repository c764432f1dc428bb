"""The operator's image, built from the Dockerfile by buildah over a base made of Debian packages.

`python -m tools.devcluster.dockerfile` is `make image`. No image registry is asked: the base is what debootstrap makes
of the packages that this machine's apt knows, without what only a person at a terminal needs; pip inside is configured
as pip here is. Base and images are kept in the cache, the images by what went into them. Needs root.
"""

import contextlib
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hatch_build import commit_of
from salus.version import __version__
from tools.devcluster import debian, images
from tools.devcluster.locks import exclusive
from tools.devcluster.programs import ProgramMissingError, cache_folder
from tools.devcluster.progress import Say, say_on_stderr, silence

ROOT = Path(__file__).parents[2]
REPOSITORY = "salus.dev/salus"

_PACKAGES = {"buildah": "buildah", "debootstrap": "debootstrap"}  # program → Debian package
_IN_THE_BASE = ("ca-certificates", "python3", "python3-venv")
_LEFT_OUT = (
    "./dev/",
    "./usr/share/doc/",
    "./usr/share/info/",
    "./usr/share/locale/",
    "./usr/share/man/",
    "./var/cache/",
    "./var/lib/apt/lists/",
    "./var/log/",
)
_PINNED = ("requirements.txt", "requirements-build.txt")
COPIED = ("Dockerfile", ".dockerignore", *_PINNED, "pyproject.toml", "hatch_build.py", "README.md", "LICENSE")
MAKE_THE_LIBRARIES = ("Dockerfile", *_PINNED)
_BUILDAH_FOLDER = Path("/var/lib/containers")
_SCHEMES = ("http://", "https://", "file:")  # that debootstrap knows
_EPOCH = "0"  # of every file and of the image, so that the same sources give the same image


class ImageBuildError(RuntimeError):
    """The base or the image could not be built; the message ends with what the tool said."""


@dataclass(frozen=True)
class OperatorImage:
    """The image of the operator as this checkout would have it."""

    commit: str  # as `salus --version` names it; with -dirty for changes that are not committed
    key: str  # a hash of all that goes in

    @classmethod
    def of_checkout(cls) -> "OperatorImage":
        """What the files of this checkout ask for."""
        commit = commit_of(ROOT) or "unknown"
        return cls(commit, _hash_of(f"{commit}\0{_base_key()}", _sources()))

    @property
    def name(self) -> str:
        """Repository and tag."""
        return f"{REPOSITORY}:{self.key}"

    @property
    def archive(self) -> Path:
        """Where the docker-archive is, once built."""
        return cache_folder() / "images" / f"salus-{self.key}.tar"

    @cached_property
    def layers(self) -> tuple[int, int]:
        """Bytes of the base and of what Salus adds, unpacked."""
        with tarfile.open(self.archive) as archive:
            manifest = json.loads(_member(archive, "manifest.json"))
            base, *added = (archive.getmember(layer).size for layer in manifest[0]["Layers"])
        return base, sum(added)

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """Its labels, such as org.opencontainers.image.revision."""
        with tarfile.open(self.archive) as archive:
            manifest = json.loads(_member(archive, "manifest.json"))
            labels: dict[str, str] = json.loads(_member(archive, manifest[0]["Config"]))["config"]["Labels"]
        return labels


def build(say: Say = silence) -> OperatorImage:
    """Return the image of this checkout, built if need be (half a minute; base and libraries, once, three more).

    Raises:
        ProgramMissingError: This is not Debian, or we are not root.
        ImageBuildError: A tool failed.

    """
    image = OperatorImage.of_checkout()
    if not image.archive.exists():
        _find_tools(say)
        with exclusive(cache_folder() / "images" / "salus.lock", "the operator's image", say):
            base = _base(say)
            if not image.archive.exists():
                say(f"Building the image {image.name} (half a minute) …")
                with _no_cache_left():
                    _build(image, base, _libraries(base, say))
    return image


def _find_tools(say: Say) -> None:
    if missing := [program for program in _PACKAGES if shutil.which(program) is None]:
        packages = sorted({_PACKAGES[program] for program in missing})
        if not debian.can_install():
            wanted = f"on Debian or Ubuntu, as root: apt-get install --no-install-recommends {' '.join(packages)}"
            raise ProgramMissingError(f"missing for the operator's image: {', '.join(missing)}\n{wanted}")
        debian.install(packages, say)


def _sources() -> list[Path]:
    """What the Dockerfile is, and what it copies."""
    tree = sorted(path for path in (ROOT / "operator").rglob("*") if path.is_file() and path.suffix != ".pyc")
    return [*(ROOT / name for name in COPIED), *tree]


def _hash_of(origin: str, files: Sequence[Path]) -> str:
    """Return a short name for what is made of these files, on top of `origin`."""
    digest = hashlib.sha256(origin.encode())
    for file in files:
        digest.update(f"\0{file.relative_to(ROOT)}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


# --- the base


def _base_key() -> str:
    words = " ".join((_codename(), os.uname().machine, *_IN_THE_BASE, *_LEFT_OUT))
    return f"{_codename()}-{hashlib.sha256(words.encode()).hexdigest()[:8]}"


def _codename() -> str:
    return _os_release().get("VERSION_CODENAME", "unknown")


def _os_release() -> Mapping[str, str]:
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    return {name: "".join(shlex.split(value)) for name, _, value in (line.partition("=") for line in lines) if name}


def _base(say: Say) -> Path:
    """Return the base as a docker-archive."""
    archive = cache_folder() / "images" / f"base-{_base_key()}.tar"
    if not archive.exists():
        say(f"Making a base image of Debian's {', '.join(_IN_THE_BASE)} with debootstrap (about two minutes, once) …")
        with tempfile.TemporaryDirectory(dir=archive.parent, prefix="building-") as scratch:
            root, layer, draft = Path(scratch, "root"), Path(scratch, "layer.tar"), Path(scratch, "base.tar")
            _debootstrap(root)
            _pack(root, layer)
            images.write_base_archive(f"salus.dev/base:{_base_key()}", layer, draft)
            draft.replace(archive)
    return archive


def _debootstrap(root: Path) -> None:
    include = f"--include={','.join(_IN_THE_BASE)}"
    command = ["debootstrap", "--variant=minbase", include, _codename(), str(root), _mirror()]
    _run(command, "debootstrap could not make the base image")


def _mirror() -> str:
    """Return where apt gets this release's packages; apt knows once it has its lists."""
    if mirror := known_mirror():
        return mirror
    _run(["apt-get", "update"], "apt cannot fetch its package lists")
    if mirror := known_mirror():
        return mirror
    raise ImageBuildError(f"apt has no source of {_codename()} main that debootstrap can use")


def known_mirror() -> str | None:
    """Where apt gets the packages of this release; None where its lists name no source that debootstrap can use."""
    fields = ["apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"]
    listed = _run(fields, "apt does not say where its packages come from").splitlines()
    sources = (line.split(maxsplit=2) for line in listed)
    wanted = (uri for codename, component, uri in sources if (codename, component) == (_codename(), "main"))
    return next((uri for uri in wanted if uri.startswith(_SCHEMES)), None)


def _pack(root: Path, layer: Path) -> None:
    """Write `root` as a layer, in order and without times, so that the same packages give the same layer."""
    exclude = [f"--exclude={path}*" for path in _LEFT_OUT]
    order = ["--sort=name", f"--mtime=@{_EPOCH}", "--numeric-owner", "--anchored", "--wildcards", "--no-xattrs"]
    _run(["tar", *order, *exclude, "-C", str(root), "-cf", str(layer), "."], "tar could not pack the base image")


# --- the image


def _libraries(base: Path, say: Say) -> Path:
    """Return the Dockerfile's stage of that name as a docker-archive: the same for all commits with the same pins."""
    key = _hash_of(_base_key(), [ROOT / name for name in MAKE_THE_LIBRARIES])
    archive = cache_folder() / "images" / f"libraries-{key}.tar"
    if not archive.exists():
        say("Building the image's layer of libraries (about a minute, once) …")
        arguments = {"BASE": f"docker-archive:{base}"}
        _buildah(f"salus.dev/libraries:{key}", archive, arguments, "--target", "libraries")
    return archive


def _build(image: OperatorImage, base: Path, libraries: Path) -> None:
    arguments = {
        "BASE": f"docker-archive:{base}",
        "LIBRARIES": f"docker-archive:{libraries}",
        "COMMIT": image.commit,
        "VERSION": __version__,
    }
    _buildah(image.name, image.archive, arguments)


def _buildah(name: str, archive: Path, arguments: Mapping[str, str], *options: str) -> None:
    """Build the Dockerfile, or a stage of it, and write it to `archive` when all is well."""
    with tempfile.TemporaryDirectory(prefix="salus-image-") as scratch:
        draft = archive.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        storage = ["--root", f"{scratch}/storage", "--runroot", f"{scratch}/run", "--storage-driver", "vfs"]
        command = [
            *("buildah", *storage, "bud", "--isolation", "chroot", "--network", "host", "--timestamp", _EPOCH),
            *(f"--build-arg={name}={value}" for name, value in arguments.items()),
            *(f"--volume={source}:{target}:ro" for source, target in _pip_mounts(Path(scratch))),
            *(*options, "--tag", name, str(ROOT)),
        ]
        _run(command, "buildah could not build the Dockerfile")
        _run(["buildah", *storage, "push", name, f"docker-archive:{draft}:{name}"], "buildah could not push")
        draft.replace(archive)
    _remove_older(archive)


@contextlib.contextmanager
def _no_cache_left() -> Iterator[None]:
    """Remove the folder in which buildah remembers where it saw which layer, if it was not there."""
    was_there = _BUILDAH_FOLDER.exists()
    try:
        yield
    finally:
        if not was_there:
            shutil.rmtree(_BUILDAH_FOLDER, ignore_errors=True)


def _pip_mounts(scratch: Path) -> Iterator[tuple[str, str]]:
    """Have pip in the build use what pip here uses: index, certificates, local folders, whatever names them."""
    listed = _run([sys.executable, "-m", "pip", "config", "list"], "pip does not tell its configuration")
    config = scratch / "pip.conf"
    settings = dict(pip_settings(listed))
    config.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()))
    config.chmod(0o600)  # an index' address may hold a password
    yield str(config), "/etc/pip.conf"
    for path in sorted({value for value in settings.values() if value.startswith("/") and Path(value).exists()}):
        yield path, path


def pip_settings(listed: str) -> Iterator[tuple[str, str]]:
    """Read the lines of `pip config list`, such as `global.index-url='…'`; later ones win, the environment last."""
    lines = [line.partition("=") for line in listed.splitlines()]
    for wanted in ("global.", "install.", ":env:."):
        for name, _, value in lines:
            if name.startswith(wanted):
                yield name.removeprefix(wanted), "".join(shlex.split(value))


def _remove_older(archive: Path, kept: int = 3) -> None:
    """Keep the newest of its sort only: each commit makes an image."""
    sort, _, _ = archive.name.partition("-")
    archives = archive.parent.glob(f"{sort}-*.tar")
    for old in sorted(archives, key=lambda path: path.stat().st_mtime, reverse=True)[kept:]:
        old.unlink(missing_ok=True)


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise ImageBuildError(f"{archive.name!s} holds no file {name}")
    return file.read()


def _run(command: Sequence[str], complaint: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise ImageBuildError(f"{complaint}:\n{said}")
    return done.stdout


def main() -> None:
    """Build the image and say where it is and how large."""
    try:
        image = build(say_on_stderr())
    except (ProgramMissingError, ImageBuildError, debian.PackageError) as error:
        sys.exit(str(error))
    base, added = (size / 1e6 for size in image.layers)
    print(f"{image.name}  commit {image.commit}")
    print(f"{added:.0f} MB of Salus and its libraries, over a base of {base:.0f} MB (unpacked)")
    print(f"docker load -i {image.archive}")


if __name__ == "__main__":
    main()
