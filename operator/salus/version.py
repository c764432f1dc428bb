"""The one place that holds the version, and what tells of which commit this is."""

from pathlib import Path

__version__ = "0.1.0.dev0"


def described(package: Path = Path(__file__).parent) -> str:
    """Return version and commit, as people quote them; the commit was put beside this file when the wheel was built."""
    file = package / "commit.txt"
    if file.exists():
        return f"{__version__} (commit {file.read_text(encoding='utf-8').strip()})"
    checkout = (package.parents[1] / ".git").exists()
    return f"{__version__} ({'a checkout' if checkout else 'commit unknown'})"
