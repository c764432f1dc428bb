"""Receivers of events behind the port `Sinks`, in memory; the contract tests hold them to what real ones do."""

from dataclasses import dataclass, field

from salus.model.scalars import Body
from salus.ports import NotTaken


@dataclass(slots=True)
class FakeSinks:
    """Takes everything, unless it was told not to."""

    names: set[str] = field(default_factory=lambda: {"audit"})
    """The sinks that are configured."""
    problems: dict[str, NotTaken] = field(default_factory=dict)
    """By sink, why it takes nothing."""
    refused: set[str] = field(default_factory=set)
    """Ids that are refused for themselves."""
    taken: list[tuple[str, Body]] = field(default_factory=list)
    tried: int = 0

    async def send(self, sink: str, event: Body) -> NotTaken | None:
        """Keep the event, or say why not."""
        self.tried += 1
        if sink not in self.names:
            return NotTaken("UnknownSink", "no sink of this name is configured any more")
        if event["id"] in self.refused:
            return NotTaken("Refused", "refused this event (HTTP 400)", of_this_event=True)
        if sink in self.problems:
            return self.problems[sink]
        self.taken.append((sink, event))
        return None

    def ids(self, sink: str = "audit") -> list[str]:
        """Ids of the events that a sink took, in order."""
        return [str(event["id"]) for name, event in self.taken if name == sink]
