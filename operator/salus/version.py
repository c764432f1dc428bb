"""The one place that holds the version, and what tells of which commit this is."""

from pathlib import Path

__version__ = "0.1.0.dev0"


def described(package: Path = Path(__file__).parent) -> str:
    """Return version and commit, as people quote them."""
    if known := commit(package):
        return f"{__version__} (commit {known})"
    checkout = (package.parents[1] / ".git").exists()
    return f"{__version__} ({'a checkout' if checkout else 'commit unknown'})"


def commit(package: Path = Path(__file__).parent) -> str:
    """Return the commit, which was put beside this file when the wheel was built; empty if nobody has said."""
    file = package / "commit.txt"
    return file.read_text(encoding="utf-8").strip() if file.exists() else ""
