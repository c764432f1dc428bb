"""The commands and their options, by what people do with them; what a command needs is imported when it runs."""

from salus.cli.commands import answer, look, past, write

__all__ = ["answer", "look", "past", "write"]
