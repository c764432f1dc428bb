"""The commands and their options, by what people do with them; what a command needs is imported when it runs."""

from salus.cli.commands import answer, learn, look, past, replay, write

__all__ = ["answer", "learn", "look", "past", "replay", "write"]
