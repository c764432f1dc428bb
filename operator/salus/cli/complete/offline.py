"""Names that no cluster is asked for: presets, reasons, contexts of the kubeconfig.

They are read from their files as they lie there: to check what is in them, as who uses them does, takes ten times as
long, and a shell waits.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from salus.cli.complete.vocabulary import Source

_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LINKED = str.maketrans("", "", "`[]")


def named(source: Source, kubeconfig: str) -> Iterable[tuple[str, str]]:
    """Names and what they are."""
    if source is Source.PRESETS:
        return _presets()
    if source is Source.REASONS:
        return _reasons()
    return _contexts(kubeconfig) if source is Source.CONTEXTS else ()


def _presets() -> Iterator[tuple[str, str]]:
    for file in (files("salus") / "presets").iterdir():
        if file.name.endswith(".yaml"):
            read = _read(file.read_text(encoding="utf-8"))
            yield str(read["name"]), str(read.get("summary", ""))


def _reasons() -> Iterator[tuple[str, str]]:
    for one in _read((files("salus") / "reasons" / "reasons.yaml").read_text(encoding="utf-8")):
        for name in one["names"]:
            yield str(name), str(one["means"]).partition(";")[0].translate(_LINKED)


def _contexts(kubeconfig: str) -> Iterator[tuple[str, str]]:
    """Of all files that kubectl would read; the namespace is what there is to say of one."""
    paths = [kubeconfig] if kubeconfig else (os.environ.get("KUBECONFIG") or "~/.kube/config").split(os.pathsep)
    for path in filter(None, paths):
        read = _read(Path(path).expanduser().read_text(encoding="utf-8"))
        for one in read.get("contexts") or ():
            context: Mapping[str, Any] = one.get("context") or {}
            yield str(one["name"]), str(context.get("namespace", ""))


def _read(text: str) -> Any:  # noqa: ANN401 — whatever the file holds
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 — a safe one
