"""The command line: options in, one call, an exit status out. `--help` must not wait for what a command needs."""

from salus.cli import commands
from salus.cli.app import main

__all__ = ["commands", "main"]
