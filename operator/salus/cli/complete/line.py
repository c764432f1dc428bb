"""Which word of a line is being typed: a command, an option, or the value of which parameter. Pure.

A line is read as Typer would read it, but for what cannot be read: then there is nothing to offer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Parameter:
    """An option or an argument of a command."""

    name: str
    """As the program calls it: `all_namespaces`."""
    metavar: str = ""
    choices: tuple[str, ...] = ()
    """All values that there are; empty: it says nothing of them."""
    help: str = ""
    flags: tuple[str, ...] = ()
    """`--namespace`, `-n`; empty: it is an argument."""
    takes_value: bool = True
    is_repeatable: bool = False
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A command with its parameters."""

    help: str
    options: tuple[Parameter, ...]
    arguments: tuple[Parameter, ...] = ()


PROGRAM = Command(
    help="",
    options=(
        Parameter("help", flags=("--help", "-h"), takes_value=False, help="Say what there is."),
        Parameter("version", flags=("--version",), takes_value=False, help="Print version and commit."),
    ),
)
"""What stands before a command."""


@dataclass(slots=True)
class Place:
    """Where the line is, and what stands before."""

    begun: str
    """What of the word is there already; of `--option=value`, of the value."""
    command: str = ""
    """Empty: it is the command that is being typed, or an option before it."""
    parameter: Parameter | None = None
    """The one whose value is being typed."""
    options: tuple[Parameter, ...] = ()
    """Those that may be typed here."""
    said: dict[str, list[str]] = field(default_factory=dict)
    """The values of options by their names; of flags, the flag."""
    before: list[str] = field(default_factory=list)
    """Arguments."""
    is_command: bool = False
    """A command may be typed here."""


def place(commands: Mapping[str, Command], words: Sequence[str]) -> Place:
    """Where the last of these words stands; it may be empty."""
    *before, begun = words or [""]
    found = Place(begun)
    reader = _Reader(found, PROGRAM)
    for word in before:
        if not found.command and reader.is_argument(word):
            found.command = word
            reader.command = commands.get(word, Command("", ()))
            found.said.clear()
        else:
            reader.read(word)
    reader.last(begun)
    return found


@dataclass(slots=True)
class _Reader:
    """What has been read so far."""

    place: Place
    command: Command
    waits: Parameter | None = None
    """An option whose value is to come."""
    only_arguments: bool = False
    """`--` stood there."""

    def is_argument(self, word: str) -> bool:
        """Whether a word is not an option, nor the value of one."""
        return self.waits is None and (self.only_arguments or not word.startswith("-") or word == "-")

    def read(self, word: str) -> None:
        """A word that is complete."""
        if self.waits is not None:
            self._say(self.waits, word)
            self.waits = None
        elif self.is_argument(word):
            self.place.before.append(word)
        elif word == "--":
            self.only_arguments = True
        elif word.startswith("--"):
            self._long(word)
        else:
            self._short(word[1:])

    def last(self, begun: str) -> None:
        """The word that is being typed."""
        if self.waits is not None:
            self.place.parameter = self.waits
        elif not self.only_arguments and begun.startswith("-") and begun != "-" and "=" in begun:
            flag, _, self.place.begun = begun.partition("=")
            self.place.parameter = self._valued(flag)
        elif not self.only_arguments and begun.startswith("-"):
            self.place.options = tuple(self._left())
        elif not self.place.command:
            self.place.is_command = True
        else:
            self.place.parameter = self._argument()
            self.place.options = tuple(one for one in self._left() if one.is_required)

    def _long(self, word: str) -> None:
        flag, given, value = word.partition("=")
        option = self._option(flag)
        if option is None:
            return
        if option.takes_value and not given:
            self.waits = option
        else:
            self._say(option, value if given else flag)

    def _short(self, letters: str) -> None:
        for index, letter in enumerate(letters):
            option = self._option(f"-{letter}")
            if option is None:
                return
            if option.takes_value:
                if rest := letters[index + 1 :]:
                    self._say(option, rest.removeprefix("="))
                else:
                    self.waits = option
                return
            self._say(option, f"-{letter}")

    def _say(self, option: Parameter, value: str) -> None:
        self.place.said.setdefault(option.name, []).append(value)

    def _option(self, flag: str) -> Parameter | None:
        return next((one for one in self.command.options if flag in one.flags), None)

    def _valued(self, flag: str) -> Parameter | None:
        option = self._option(flag)
        return option if option is not None and option.takes_value else None

    def _left(self) -> list[Parameter]:
        """Options that may still be given."""
        return [one for one in self.command.options if one.is_repeatable or one.name not in self.place.said]

    def _argument(self) -> Parameter | None:
        """The argument that is next; the last one, if it takes several."""
        arguments, taken = self.command.arguments, len(self.place.before)
        if taken < len(arguments):
            return arguments[taken]
        return arguments[-1] if arguments and arguments[-1].is_repeatable else None
