"""The commands and their options, by what people do with them; what a command needs is imported when it runs."""

from salus.cli.commands import look, past, write

__all__ = ["look", "past", "write"]
