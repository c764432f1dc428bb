"""A Chromium that tests look at pages with, and axe-core, which knows what people cannot read.

Chromium is what you name, what is on PATH, or Debian's, unpacked into the cache with all that it needs and this machine
lacks: no special rights, and nothing is installed. axe-core is a file of its package, held to its hash.
"""

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.devcluster import debian
from tools.devcluster.locks import exclusive
from tools.devcluster.programs import ProgramMissingError, cache_folder
from tools.devcluster.progress import Say, silence

_NAMES = ("chromium-headless-shell", "chromium", "google-chrome", "chrome")
_PACKAGES = ("chromium-headless-shell", "fonts-dejavu-core")
_BESIDE = ("pulseaudio", "nss")
"""Folders beside the libraries in which Debian has more of them."""
AXE = "axe-core@4.14.1"
_AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
<include ignore_missing="yes">/etc/fonts/fonts.conf</include>
<include ignore_missing="yes">{root}/etc/fonts/conf.d</include>
<dir>/usr/share/fonts</dir><dir>{root}/usr/share/fonts</dir><cachedir>{root}/fonts</cachedir>
<selectfont><rejectfont><glob>*Math*</glob></rejectfont></selectfont>
</fontconfig>
"""


@dataclass(frozen=True, slots=True)
class Chromium:
    """A browser, and what it has to be started with."""

    path: Path
    environment: Mapping[str, str]


def chromium(say: Say = silence) -> Chromium:
    """The one of `$SALUS_CHROMIUM`, of PATH, or of the cache, where it is put if it is nowhere.

    Raises:
        ProgramMissingError: There is none, and none can be had.

    """
    if named := os.environ.get("SALUS_CHROMIUM"):
        return Chromium(Path(named), {})
    for name in _NAMES:
        if found := shutil.which(name):
            return Chromium(Path(found), {})
    root = cache_folder() / f"chromium-{os.uname().machine}"
    if not debian.can_unpack():
        raise ProgramMissingError("no Chromium: name one in SALUS_CHROMIUM, or put it on PATH")
    try:
        debian.unpack(_PACKAGES, root, say, with_dependencies=True)
    except debian.PackageError as error:
        raise ProgramMissingError(f"no Chromium, and Debian's cannot be had: {error}") from error
    return _unpacked(root)


def _unpacked(root: Path) -> Chromium:
    """Debian's, with its libraries and fonts where they lie."""
    (fonts := root / "fonts.conf").write_text(_FONTS.format(root=root), encoding="utf-8")
    libraries = sorted({*root.glob("usr/lib/*-linux-gnu*"), *root.glob("lib/*-linux-gnu*")})
    folders = [folder for one in libraries for folder in (one, *(one / name for name in _BESIDE)) if folder.is_dir()]
    environment = {"LD_LIBRARY_PATH": ":".join(map(str, folders)), "FONTCONFIG_FILE": str(fonts)}
    return Chromium(root / "usr/lib/chromium/chromium-headless-shell", environment)


def axe(say: Say = silence) -> str:
    """The script of axe-core.

    Raises:
        ProgramMissingError: It is not in the cache, and cannot be had.

    """
    file = cache_folder() / f"{AXE}.min.js"
    with exclusive(file.with_suffix(".lock"), AXE, say):
        if not file.exists():
            say(f"Fetching {AXE} into {file} …")
            file.write_bytes(_packed("package/axe.min.js"))
    script = file.read_bytes()
    if hashlib.sha256(script).hexdigest() != _AXE_SHA256:
        raise ProgramMissingError(f"{file} is not what it was when it was chosen: delete it, and look at why")
    return script.decode()


def _packed(name: str) -> bytes:
    """A file of the package, as its registry has it."""
    if shutil.which("npm") is None:
        raise ProgramMissingError(f"no {AXE}: npm, which fetches it, is not on PATH")
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", AXE, "--silent", "--pack-destination", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        packages = list(Path(folder).glob("*.tgz"))
        if done.returncode or not packages:
            raise ProgramMissingError(f"no {AXE}: {done.stderr.strip() or 'npm gave nothing'}")
        with tarfile.open(packages[0]) as package:
            member = package.extractfile(name)
            assert member is not None  # noqa: S101 — it is a file of every version
            return member.read()
