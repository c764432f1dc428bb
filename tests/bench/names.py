"""What it costs a real Prometheus to find series by the names of pods, and not by a label that names their workload."""

import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from salus.core.policy.pod_names import pods
from salus.core.policy.promql import quote, with_sample_times
from salus.model.meta import WorkloadKind
from salus.model.values.keys import TargetKey
from tests.kubernetes_names import LETTERS, pod_name
from tools.devcluster.programs import find
from tools.devcluster.prometheus import Prometheus
from tools.devcluster.remote_write import Series

NAMESPACES, PODS_OF_ONE = 10, 10
BATCH = 20
"""Workloads that are asked for at once."""
AGES = (40, 25, 10)
ASKED = 40
"""Times that each query is asked."""


def names(workloads: int) -> dict[str, float]:
    """Milliseconds for each way to ask for the series of one of so many Deployments, as a check does."""
    targets = [TargetKey(f"team-{n % NAMESPACES}", WorkloadKind.DEPLOYMENT, f"app-{n}") for n in range(workloads)]
    with tempfile.TemporaryDirectory() as folder:
        server = Prometheus(find(["prometheus"])["prometheus"], Path(folder))
        server.start()
        try:
            server.push(_series(targets))
            return {way: _milliseconds(server, matchers) for way, matchers in _ways(targets[:BATCH]).items()}
        finally:
            server.stop()


def _series(targets: list[TargetKey]) -> Iterator[Series]:
    now = time.time()
    for number, target in enumerate(targets):
        for pod in range(PODS_OF_ONE):
            labels = {
                "namespace": target.namespace,
                "deployment": target.name,
                "pod": pod_name(target, 2_000_000_000 + number, letters=_letters(number, pod)),
            }
            yield Series("requests_total", labels, tuple((now - age, 100.0 - age) for age in AGES))


def _letters(number: int, pod: int) -> str:
    """Five letters, others for each pod."""
    rest, letters = number * PODS_OF_ONE + pod, ""
    for _ in range(5):
        rest, index = divmod(rest, len(LETTERS))
        letters += LETTERS[index]
    return letters


def _ways(batch: list[TargetKey]) -> Mapping[str, str]:
    target, namespace = batch[0], f'namespace="{batch[0].namespace}"'
    exact = "|".join(pod_name(target, 2_000_000_000, letters=_letters(0, pod)) for pod in range(PODS_OF_ONE))
    return {
        "deployment=": f'{namespace},deployment="{target.name}"',
        "pod=~$pods": f"{namespace},pod=~{quote(pods(target.kind, target.name))}",
        "pod=~ names": f"{namespace},pod=~{quote(exact)}",
        f"{BATCH} labels": f"deployment=~{quote('|'.join(one.name for one in batch))}",
        f"{BATCH} $pods": f"pod=~{quote('|'.join(pods(one.kind, one.name) for one in batch))}",
        "nothing": f'{namespace},deployment="none"',
    }


def _milliseconds(server: Prometheus, matchers: str) -> float:
    probe, took = with_sample_times(f"sum(rate(requests_total{{{matchers}}}[1m]))").text, []
    for _ in range(ASKED):
        begun = time.perf_counter()
        server.query(probe)
        took.append(time.perf_counter() - begun)
    return min(took) * 1000
