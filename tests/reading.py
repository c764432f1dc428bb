"""Reads a scenario from its records alone: an Incident and its ChangeEvents in, sentences out.

No log, no metric, no memory of what happened: what is not in the objects cannot be told. Without times, names with a
hash and releases, so that a test can say what it expects in words.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]

WORKED_EXAMPLE = [
    "seen: Deployment/checkout unhealthy by errors",
    "1. refused restart by DisruptionBudget",
    "2. did scale because errors was 0.08 (above 0.05): 2 → 3 replicas, NotRecovered",
    "3. took 2 back (Undo): 3 → 2 replicas, Undone",
    "4. called people: LadderExhausted",
    "ended: Resolved, RecoveredByItself",
]
"""What the records in docs/reference/records.md tell; a run of tests/cluster/test_record_alone.py tells the same."""


def story(incident: Object, changes: Iterable[Object]) -> list[str]:
    """What was seen, decided and why, refused by which guard, done, and how it ended; oldest first."""
    name = incident["metadata"]["name"]
    mine = [change for change in changes if change["spec"].get("incidentRef", {}).get("name") == name]
    ordered = sorted(mine, key=lambda change: int(change["spec"]["sequence"]))
    numbers = {change["metadata"]["name"]: number for number, change in enumerate(ordered, 1)}
    return [
        _seen(incident),
        *(f"{numbers[c['metadata']['name']]}. {_told(c, numbers)}" for c in ordered),
        *_end(incident),
    ]


def _seen(incident: Object) -> str:
    target, status = incident["spec"]["targetRef"], incident["status"]
    assert incident["spec"]["openedAt"] <= status["detectedAt"]
    return f"seen: {target['kind']}/{target['name']} unhealthy by {', '.join(status['checks'])}"


def _told(change: Object, numbers: Mapping[str, int]) -> str:
    """One decision, with its reason, evidence and end."""
    spec, status = change["spec"], change.get("status") or {}
    action = spec["action"].lower()
    match spec["decision"]:
        case "Refuse" | "Advise" as decision:
            again = ", again and again" if status.get("occurrences", 1) > 1 else ""
            outcome = f", {status['outcome']}" if status.get("outcome") else ""
            return f"{decision.lower()}d {action} by {spec['reason']}{again}{outcome}"
        case "DryRun":
            return f"would {action} because {_evidence(spec)}: {_effect(spec)}"
        case "AwaitApproval" if not status.get("appliedAt"):
            answer = (spec.get("approval") or {}).get("decision", "nobody has answered")
            return f"proposed {action} because {_evidence(spec)}: {answer}{_outcome(status)}"
        case _ if spec["action"] == "Notify":
            return f"called people: {spec['reason']}"
        case _ if spec.get("undoes"):
            return f"took {numbers[spec['undoes']]} back ({spec['reason']}): {_effect(spec)}{_outcome(status)}"
        case _:
            return f"did {action} because {_evidence(spec)}: {_effect(spec)}{_outcome(status)}"


def _evidence(spec: Object) -> str:
    return ", ".join(f"{e['check']} was {e['value']} ({e['threshold']})" for e in spec.get("evidence", ()))


def _effect(spec: Object) -> str:
    """What was to change, from the facts before and after."""
    before, intended = spec["before"], spec["intended"]
    fields: Sequence[str] = [
        key for key in ("replicas", "release", "restartedAt") if before.get(key) != intended.get(key)
    ]
    parts = [f"{before[key]} → {intended[key]} replicas" if key == "replicas" else f"another {key}" for key in fields]
    return ", ".join(parts) or "nothing"


def _outcome(status: Object) -> str:
    return f", {status['outcome']}" if status.get("outcome") else ""


def _end(incident: Object) -> Iterator[str]:
    status = incident["status"]
    yield f"ended: {status['phase']}, {status.get('resolution') or str(status.get('message', '')).partition(':')[0]}"
