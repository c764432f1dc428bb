"""The small ports of the loop: a clock that is set, a recorder that remembers, telemetry that does not."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from salus.model.change import ActionKind
from salus.ports import Notice


@dataclass(slots=True)
class VirtualClock:
    """The port `Clock`; it stands still until it is told to go on."""

    present: datetime

    def now(self) -> datetime:
        """The time that was set."""
        return self.present

    def advance(self, by: timedelta) -> datetime:
        """Go on, and return the new time."""
        self.present += by
        return self.present


@dataclass(slots=True)
class RecordingRecorder:
    """The port `Recorder`; it keeps every notice."""

    notices: list[Notice] = field(default_factory=list)

    async def post(self, notice: Notice) -> None:
        """Keep it."""
        self.notices.append(notice)

    @property
    def reasons(self) -> list[str]:
        """Their reasons, in order."""
        return [notice.reason for notice in self.notices]


class NullTelemetry:
    """The port `Telemetry`; it counts nothing."""

    def evaluated(self, verdict: str) -> None:
        """Nothing."""

    def decided(self, decision: str, action: ActionKind, reason: str) -> None:
        """Nothing."""

    def finished(self, action: ActionKind, outcome: str) -> None:
        """Nothing."""

    def ticked(self, lag: float, duration: float, targets: int) -> None:
        """Nothing."""

    def sent(self, sink: str, outcome: str) -> None:
        """Nothing."""

    def waiting(self, sink: str, events: int) -> None:
        """Nothing."""

    def collected(self, kind: str) -> None:
        """Nothing."""

    def withheld(self, namespace: str) -> None:
        """Nothing."""

    def failed(self, stage: str) -> None:
        """Nothing."""
