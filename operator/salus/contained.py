"""The one place where everything that escapes is caught, and why that is right here and nowhere else.

Salus works for many tenants at once. Whatever goes wrong while one policy is compiled, measured, judged, healed or
reported must end as that policy's trouble, also what nobody thought of: a defect of ours, a panic of a native library
(pyo3's PanicException is no Exception), a recursion too deep, memory that is short. A list of types would be a list of
what was thought of.

So work for one policy is done inside `contained`, and what escapes is handed to whoever tells its author, counts it and
logs it with the policy's name. What is meant for the process as a whole goes through: the end of a task, of the loop,
of Salus. Errors that are expected are caught by type, closer to where they arise.
"""

from asyncio import CancelledError
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

_OF_THE_PROCESS = (CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)


@dataclass(frozen=True, slots=True)
class contained:  # noqa: N801 — reads as what it is in `with contained(tell):`, like `suppress`
    """Keeps what escapes from the block in it, and tells of it instead."""

    tell: Callable[[BaseException], object]
    """Called with what escaped; what it raises itself goes on up."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Whether it was kept."""
        if error is None or is_of_the_process(error):
            return False
        self.tell(error)
        return True


def is_of_the_process(error: BaseException) -> bool:
    """Whether this, or something in this group, ends more than the work in which it was raised."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(is_of_the_process, error.exceptions))
    return isinstance(error, _OF_THE_PROCESS)


INTERNAL_ERROR = "InternalError"
"""The reason that a policy's author sees."""


def apology(doing: str, error: BaseException) -> str:
    """What a person is told of an error that nobody expected: its type. Its text may hold what is not theirs."""
    return (
        f"Salus met an error of its own while it {doing} ({type(error).__name__}). The operator's log has it under "
        "this policy's name: please report it"
    )
