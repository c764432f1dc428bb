"""Whom a source's requests are spared for a while: the source as a whole, or one namespace's share of them.

A tenant chooses what its queries cost, and a query that is slow or fat fails like a server that hangs. So no tenant's
query ever tells that the source is at fault. After some failures in a row, of whomever, the source is asked something
that is nobody's question and costs nothing (the trial): if even that fails, the source is left alone, and the trial
finds out when it is back. If it is answered, the failures were the queries' own, and the namespaces that asked them
pause, each by itself.
"""

from collections.abc import Awaitable, Callable

from salus.model.values.metrics import Error
from salus.sources.breaker import FAILURES, Breaker

FAULTS = frozenset({"AddressRefused", "HttpError", "NotPrometheus", "ResponseTooLarge", "Timeout", "Unreachable"})
"""Reasons of failures that count; a query that a server refuses at once costs nothing."""

Trial = Callable[[], Awaitable[Error | None]]
"""Asks the source what is nobody's question; its fault, or None if it answers."""


class Pauses:
    """The pauses of namespaces, each by the failures of its own requests."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failing: dict[str, tuple[Breaker, Error]] = {}

    def is_on(self, namespace: str) -> bool:
        """Whether its requests have failed so often in a row that one is tried before the others."""
        return namespace in self._failing and not self._failing[namespace][0].closed

    def refusal(self, namespace: str) -> Error | None:
        """Why a request is not sent now; None: it is."""
        if namespace not in self._failing:
            return None
        breaker, fault = self._failing[namespace]
        return None if breaker.admits() else _held_back(fault, f"{breaker.failures} times in a row in {namespace}")

    def note(self, namespace: str, reply: object) -> None:
        """Take in what became of a request."""
        if isinstance(reply, Error) and reply.reason in FAULTS:
            breaker, _ = self._failing.get(namespace) or (Breaker(self._clock), reply)
            breaker.note(failed=True)
            self._failing[namespace] = (breaker, reply)
        else:
            self._failing.pop(namespace, None)

    def forgive(self) -> None:
        """It was not the namespaces' fault."""
        self._failing.clear()


class Patience:
    """What is known of one source and of the namespaces that ask it."""

    def __init__(self, clock: Callable[[], float], trial: Trial) -> None:
        self._trial = trial
        self._source = Breaker(clock, failures=1)
        self._fault: Error | None = None
        self._doubts = 0
        self._trying = False
        self.pauses = Pauses(clock)

    async def is_over(self) -> bool:
        """Whether the source may be asked; where a pause has just ended, the trial says so."""
        if not self._source.closed and self._source.admits():
            await self._try()
        return self._source.closed

    def refusal(self, namespace: str) -> Error | None:
        """Why a request of this namespace is not sent now; None: it is."""
        if self._fault is not None:
            return _held_back(self._fault, "whoever asks")
        return self.pauses.refusal(namespace)

    async def note(self, namespace: str, reply: object) -> None:
        """Take in what became of a request, and find out whether the source is at fault."""
        self.pauses.note(namespace, reply)
        self._doubts = self._doubts + 1 if isinstance(reply, Error) and reply.reason in FAULTS else 0
        if self._doubts >= FAILURES and self._source.closed and not self._trying:
            await self._try()

    async def _try(self) -> None:
        self._trying = True
        try:
            self._fault = await self._trial()
        finally:
            self._trying = False
        self._doubts = 0
        self._source.note(failed=self._fault is not None)
        if self._fault is not None:
            self.pauses.forgive()


def _held_back(fault: Error, how: str) -> Error:
    """The reason stays that of the last failure while nothing is sent."""
    return Error(fault.reason, f"{fault.message} ({how}; it is tried again shortly)")
