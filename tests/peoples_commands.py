"""How each command of the table of rights is called by tests; words in braces are names of what is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """One call."""

    arguments: Sequence[str]
    looks: Sequence[str] = ()
    """Said as well where only what it shows is asked for; a writing is done once."""

    @property
    def asks_prometheus(self) -> bool:
        """Whether it asks the Prometheus that is played beside an API server of values."""
        return any("{prometheus}" in word for word in self.arguments)


REPLAYED = ("--prometheus", "{prometheus}/well", "--match", "cluster=eu", "--since", "10m")
CALLS: Mapping[str, Call] = {
    "status": Call(["status", "{policy}"]),
    "get policies": Call(["get", "policies"]),
    "get incidents": Call(["get", "incidents"]),
    "get changes": Call(["get", "changes"]),
    "get releases": Call(["get", "releases", "deploy/{workload}"]),
    "get presets --check": Call(["get", "presets", "--check", *REPLAYED[:4]]),
    "explain NAME": Call(["explain", "{policy}"]),
    "explain inc/NAME": Call(["explain", "inc/{incident}"]),
    "explain chev/NAME": Call(["explain", "chev/{question}"]),
    "history TYPE/NAME": Call(["history", "deploy/{workload}"]),
    "history NAME": Call(["history", "{policy}"]),
    "report inc/NAME": Call(["report", "inc/{incident}"]),
    "report period": Call(["report", "period"]),
    "replay NAME": Call(["replay", "{policy}", *REPLAYED]),
    "replay, replay TYPE/NAME": Call(["replay", "deploy/{workload}", *REPLAYED]),
    "approve, deny NAME": Call(["approve", "{question}", "--yes"], ["--dry-run"]),
    "approve, deny": Call(["approve", "--dry-run"]),
    "version": Call(["version", "-n", "shop"]),
    "version --client": Call(["version", "--client"]),
    "withdraw": Call(["withdraw", "{kept}", "--reason", "CVE-2026-1234", "--yes"], ["--dry-run"]),
}
ELSEWHERE = frozenset(
    {"lint", "explain REASON, get presets, get reasons, validate, lint --offline, test, demo, completion"}
) | {"init", "explain NAME --now", "test --from-incident"}
"""What is tried with its own commands, or needs nothing."""
