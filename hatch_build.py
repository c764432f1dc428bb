"""Has every wheel and sdist say of which commit it is: hatchling runs this while it builds them.

The commit goes into `salus/commit.txt`, where `salus.version` finds it. It is `$SALUS_COMMIT`, which the Dockerfile
sets, since no image is built from a checkout; else what git says; else, as in an sdist, what is there already.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_WHERE = {"wheel": "salus/commit.txt", "sdist": "operator/salus/commit.txt"}
_DESCRIBE = ("git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")


class CommitHook(BuildHookInterface[Any]):
    """Adds the file to what is built; an editable install gets none, for its commit changes."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the file and have it included."""
        if version == "editable" or not (commit := commit_of(Path(self.root))):
            return
        self._scratch = Path(tempfile.mkdtemp(prefix="salus-build-"))
        file = self._scratch / "commit.txt"
        file.write_text(f"{commit}\n", encoding="utf-8")
        build_data["force_include"][str(file)] = _WHERE[self.target_name]

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what `initialize` wrote."""
        del version, build_data, artifact_path
        if scratch := getattr(self, "_scratch", None):
            shutil.rmtree(scratch)


def commit_of(root: Path) -> str:
    """Return the commit of the sources in `root`, with `-dirty` for what is not committed; empty if unknown."""
    if given := os.environ.get("SALUS_COMMIT"):
        return given
    if not (root / ".git").exists():  # not git's answer about a repository further up
        return ""
    try:
        done = subprocess.run(_DESCRIBE, cwd=root, capture_output=True, text=True, check=True)
        return done.stdout.strip()
    except (OSError, subprocess.CalledProcessError):  # no git, or a repository without a commit
        return ""
