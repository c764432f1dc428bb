"""A circuit breaker: what keeps failing is left alone for a while, then tried with one request at a time."""

from collections.abc import Callable
from datetime import timedelta

FAILURES = 5
PAUSE = timedelta(seconds=10)


class Breaker:
    """Opens after `failures` in a row. Open, it lets one request through per `pause`; the first success closes it."""

    def __init__(self, clock: Callable[[], float], failures: int = FAILURES, pause: timedelta = PAUSE) -> None:
        self._clock = clock
        self._limit = failures
        self._pause = pause.total_seconds()
        self._failures = 0
        self._not_before = 0.0

    @property
    def closed(self) -> bool:
        """Whether requests pass freely."""
        return self._failures < self._limit

    @property
    def failures(self) -> int:
        """How many requests have failed in a row."""
        return self._failures

    def admits(self) -> bool:
        """Whether a request may be sent now. A yes while open is the one probe of this pause."""
        if self.closed:
            return True
        if self._clock() < self._not_before:
            return False
        self._not_before = self._clock() + self._pause
        return True

    def note(self, *, failed: bool) -> None:
        """Take the outcome of a request into account."""
        self._failures = self._failures + 1 if failed else 0
        if self._failures == self._limit:
            self._not_before = self._clock() + self._pause
