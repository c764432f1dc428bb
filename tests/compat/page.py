"""The compatibility page, written from a run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = Path("docs/reference/compatibility.md")
_HEAD = """# Compatibility

Written by `make compat` from a run of the contract tests on each server: the questions that Salus asks of any source,
and every preset in each of its variants and states. What is otherwise than on Prometheus is listed, and held: a
difference that comes or goes fails the run.

| server | version | asked | otherwise |
| --- | --- | --- | --- |
"""
_TAIL = """
VictoriaMetrics shows what was written only after `-search.latencyOffset` (30s unless set; 0s in this run), so that each
verdict and each proof comes that much later. Not run, since they cannot be had as programs here: Mimir, and the managed
services. What Mimir and Thanos answer beside values (infos, warnings, partial answers, limits) is held by recorded
replies in `tests/contract/source_server.py`.

Kubernetes: `make test` runs the API server of the version in `tools/devcluster/programs/kubernetes/go.mod`. 1.32 is the
oldest that is supported, for its admission policies.
"""
_NAMES = {
    "prometheus": "Prometheus 2",
    "prometheus-3": "Prometheus 3",
    "thanos": "Thanos, a querier over a sidecar",
    "victoriametrics": "VictoriaMetrics, a single node",
}


@dataclass(frozen=True, slots=True)
class Answered:
    """How one server did."""

    name: str
    version: str
    asked: int
    differences: Sequence[str]


def page(answered: Iterable[Answered]) -> str:
    """The whole of it."""
    found = list(answered)
    rows = "".join(
        f"| {_NAMES[one.name]} | {one.version} | {one.asked} | {len(one.differences) or 'nothing'} |\n" for one in found
    )
    sections = "".join(
        f"\n## {_NAMES[one.name]}\n\n" + "".join(f"- {means}\n" for means in one.differences)
        for one in found
        if one.differences
    )
    return _HEAD + rows + sections + _TAIL


def _row(one: Answered) -> str:
    return f"| {_NAMES[one.name]} | {one.version} | {one.asked} | {len(one.differences) or 'nothing'} |\n"
