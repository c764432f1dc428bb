"""What `salus replay` makes of the demo's own past, beside what Salus decided in it: `make demo ARGS=--replay`.

A replay is told nothing but the series of Prometheus and what the cluster still keeps; after a change that it would
have made, the past goes on as it went.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from examples.demo.story import Change
from tools.devcluster.cluster import DevCluster

APART = timedelta(seconds=15)
"""Three intervals of the shop's policies: a replay looks at moments of its own, and a breach is over within seconds."""
_DECIDED = {"Act", "DryRun", "AwaitApproval"}


@dataclass(frozen=True, slots=True)
class Deed:
    """A decision to change the workload."""

    policy: str
    action: str
    at: datetime

    def is_like(self, other: "Deed") -> bool:
        """Whether both are the same decision."""
        return (self.policy, self.action) == (other.policy, other.action) and abs(self.at - other.at) <= APART


def replayed(cluster: DevCluster, policies: Sequence[str], namespace: str) -> list[Deed]:
    """What would have been done since there are these policies. Raises RuntimeError where there is no replay.

    From then on live has seen which release is healthy; a replay that begins later knows of none to go back to.
    """
    there = cluster.api().get(f"/apis/salus.dev/v1alpha1/namespaces/{namespace}/healthpolicies")["items"]
    since = min(datetime.fromisoformat(one["metadata"]["creationTimestamp"]) for one in there)
    command = [
        *(sys.executable, "-m", "salus", "replay", *policies, "-n", namespace, "-o", "json"),
        *("--from", since.isoformat(timespec="seconds"), "--to", datetime.now(UTC).isoformat(timespec="seconds")),
        *("--mode", "Enforce", "--prometheus", cluster.prometheus.url, "--kubeconfig", str(cluster.kubeconfig)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 — our own words
    if not done.stdout:
        raise RuntimeError(f"salus replay ended with {done.returncode}: {done.stderr[-2000:]}")
    return deeds_in(json.loads(done.stdout))


def deeds_in(report: Mapping[str, Any]) -> list[Deed]:
    """The changes of a ReplayReport, oldest first."""
    found = [
        Deed(breach["policy"], one["action"], datetime.fromisoformat(one["at"]))
        for breach in report.get("breaches", ())
        for one in breach.get("wouldHave", ())
        if one.get("isAct")
    ]
    return sorted(found, key=lambda deed: deed.at)


def decided(changes: Sequence[Change]) -> list[Deed]:
    """What was decided live, without what took an earlier change back, or told people."""
    return [
        Deed(one.policy, one.action, one.decided_at)
        for one in changes
        if one.decision in _DECIDED and one.action != "Notify" and not one.undoes
    ]


def differences(live: Sequence[Deed], again: Sequence[Deed]) -> list[str]:
    """What is in one of them alone, in words."""
    missing = [f"not replayed: {_words(deed)}" for deed in live if not any(deed.is_like(one) for one in again)]
    more = [f"replayed alone: {_words(deed)}" for deed in again if not any(deed.is_like(one) for one in live)]
    return [*missing, *more]


def _words(deed: Deed) -> str:
    return f"{deed.action} of {deed.policy} at {deed.at:%H:%M:%S}"
