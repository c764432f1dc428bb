"""Kubeconfigs: one API server, one user, one context."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import yaml

_NOBODY: Mapping[str, str] = MappingProxyType({})


def write_kubeconfig(
    path: Path, url: str, *, user: str = "salus", credentials: Mapping[str, str] = _NOBODY, ca: Path | None = None
) -> Path:
    """Write a kubeconfig for the API server at `url` and return its path. `credentials`: by their YAML names."""
    cluster = {"server": url, **({"certificate-authority": str(ca)} if ca else {})}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "devcluster", "cluster": cluster}],
        "users": [{"name": user, "user": dict(credentials)}],
        "contexts": [{"name": "devcluster", "context": {"cluster": "devcluster", "user": user}}],
        "current-context": "devcluster",
    }
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    path.chmod(0o600)
    return path
