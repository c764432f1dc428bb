"""What a run of the chaos harness tells: the command, the machine, the counts, and what does not fit."""

import os
import platform
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.books import Books


@dataclass(frozen=True)
class Run:
    """One run, as it was."""

    arguments: Sequence[str]
    seed: int
    targets: int
    seconds: float
    kills: Mapping[str, int]
    api_faults: Mapping[str, int]
    metric_faults: Mapping[str, int]
    illnesses: int
    releases: int
    books: Books
    wrong: Sequence[str]


def markdown(run: Run) -> str:
    """The report."""
    verdict = "The books balance." if not run.wrong else f"The books do not balance: {len(run.wrong)} findings."
    machine = f"{os.cpu_count()} CPUs, {platform.machine()}, {platform.system()} {platform.release()}"
    lines = [
        "# A run of the chaos harness",
        "",
        verdict,
        "",
        f"- Command: `make chaos ARGS={shlex.quote(' '.join(run.arguments))}`, seed {run.seed}",
        f"- Machine: {machine}, Python {platform.python_version()}",
        f"- Duration: {run.seconds / 60:.1f} minutes",
        f"- {run.targets} targets fell ill {run.illnesses} times; a person stepped in {run.releases} times",
        "",
        *_table("Kills", run.kills),
        *_table("Faults between Salus and the API server", run.api_faults),
        *_table("Faults before Prometheus", run.metric_faults),
        *_table("The books", _counts(run.books)),
        *_table("How the intents to act ended", _outcomes(run.books)),
        *(["## What does not fit", "", *(f"- {said}" for said in run.wrong), ""] if run.wrong else []),
    ]
    return "\n".join(lines)


def _counts(books: Books) -> dict[str, int]:
    acting = [record for record in books.records if record.acts]
    return {
        "Effects on workloads, from the audit log": sum(effect.certain for effect in books.effects),
        "Writes that the server answered with 5xx": sum(not effect.certain for effect in books.effects),
        "Records created, from the audit log": len(books.intents),
        "Records at the end": len(books.records),
        "Intents to act among them": len(acting),
        "Finished": sum(record.finished for record in acting),
    }


def _outcomes(books: Books) -> Counter[str]:
    return Counter(record.outcome or "(none)" for record in books.records if record.acts)


def _table(title: str, rows: Mapping[str, int]) -> list[str]:
    total = [f"| **Total** | {sum(rows.values())} |"] if title == "Kills" else []
    return [
        f"## {title}",
        "",
        "| | |",
        "|---|---:|",
        *(f"| {name} | {count} |" for name, count in rows.items()),
        *total,
        "",
    ]
