"""A test out of an incident: what checks said then, what the world answered, what is on record. Pure.

Times of records become "by", a little later: the operator's ticks were not on the grid of the values. Where an act
helped, the values go on as ill as they were, and the world answers to the deed: so a policy that does not act fails.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from salus.cli.reports.document import CLI_VERSION
from salus.cli.trial.model import KIND, format_offset
from salus.cli.trial.notation import write
from salus.core.objects.workloads import same_release
from salus.model.change import Decision, Outcome
from salus.model.meta import WorkloadKind
from salus.model.scalars import format_duration, format_time
from salus.model.values.changes import Change
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Sample
from salus.model.values.objects import Revision

BEFORE, AFTER = 20, 40
"""Intervals that are told of before the breach, and after all was over."""
MOST_RELEASES = 8
_ODD = re.compile(r"[^A-Za-z0-9_.-]+")
_NEXT = timedelta(seconds=1)
_LATE = timedelta(minutes=1)
"""How much later a record of the test may come, besides two intervals: pods do not take as long as they did."""


@dataclass(frozen=True, slots=True)
class Past:
    """One incident, and what lies around it."""

    name: str
    policy: str
    key: TargetKey
    begins: datetime
    ends: datetime
    interval: timedelta
    values: Mapping[str, Sequence[Sample]]
    """By check, what it was told."""
    volumes: Mapping[str, Sequence[Sample]]
    changes: Sequence[Change]
    """Of the incident, and what took them back, oldest first."""
    revisions: Sequence[Revision] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    """By release, its first image."""
    good: frozenset[str] = frozenset()
    """Releases that were known healthy before it."""
    replicas: int = 3


def document(past: Past, file: str) -> dict[str, Any]:
    """The file with the test; `file`: that of the policy."""
    names = _names(past)
    return {
        "apiVersion": CLI_VERSION,
        "kind": KIND,
        "policies": [file],
        "begins": format_time(past.begins),
        "interval": format_duration(past.interval),
        "workload": {
            "kind": past.key.kind.value,
            "name": past.key.name,
            "namespace": past.key.namespace,
            **({} if past.key.kind is WorkloadKind.DAEMON_SET else {"replicas": past.replicas}),
            "releases": list(_releases(past, names)),
        },
        "tests": [_test(past, names)],
    }


def _test(past: Past, names: Mapping[str, str]) -> dict[str, Any]:
    helped = next((one for one in past.changes if one.outcome is Outcome.RECOVERED and one.applied_at), None)
    ill = _ill(past, helped)
    expected = [one for change in past.changes if (one := _expected(past, change, names))]
    return {
        "name": f"what incident {past.name} has taught",
        "values": {check: _course(past, samples, check in ill, helped) for check, samples in past.values.items()},
        **({"volumes": {check: _course(past, told) for check, told in past.volumes.items()}} if past.volumes else {}),
        **({"after": {helped.action.value: ill}} if helped is not None and ill else {}),
        "expect": expected or "none",
    }


# --- what was measured


def _grid(past: Past, samples: Sequence[Sample]) -> list[float | None]:
    """A value an interval; None: there was none."""
    count = (past.ends - past.begins) // past.interval + 1
    values: list[float | None] = [None] * count
    for sample in samples:
        index = round((sample.at - past.begins) / past.interval)
        if 0 <= index < count:
            values[index] = float(f"{sample.value:.6g}")
    return values


def _course(past: Past, samples: Sequence[Sample], is_ill: bool = False, helped: Change | None = None) -> str:
    values = _grid(past, samples)
    if is_ill and helped is not None and helped.applied_at is not None:
        done = (helped.applied_at - past.begins) // past.interval + 1
        worst = next((value for value in reversed(values[:done]) if value is not None), None)
        values = [*values[:done], *[worst] * (len(values) - done)]
    return write(values)


def _ill(past: Past, helped: Change | None) -> dict[str, float]:
    """By check that was unhealthy when the deed was decided, what it said once the deed had helped."""
    if helped is None or helped.completed_at is None:
        return {}
    done = (helped.completed_at - past.begins) // past.interval
    found: dict[str, float] = {}
    for check in dict.fromkeys(name for name, _ in helped.evidence):
        after = [value for value in _grid(past, past.values.get(check, ()))[: done + 1] if value is not None]
        if after:
            found[check] = after[-1]
    return found


# --- what is on record


def _expected(past: Past, change: Change, names: Mapping[str, str]) -> dict[str, Any] | None:
    decided = change.decided_at - past.begins
    late = -(-decided // past.interval) * past.interval + 2 * past.interval + _LATE
    said: dict[str, Any] = {"by": format_offset(late), "record": f"{change.decision} {change.action}"}
    if change.decision in {Decision.REFUSE, Decision.ADVISE}:
        said["reason"] = change.reason
    elif (to := _to(change, names)) is not None:
        said["to"] = to
    if change.outcome is Outcome.RECOVERED:
        said["outcome"] = change.outcome.value
    return said


def _to(change: Change, names: Mapping[str, str]) -> str | int | None:
    before, after = change.before, change.intended
    if before is None or after is None:
        return None
    if after.release and after.release != before.release:
        return _name(after.release, names)
    return after.replicas if after.replicas != before.replicas else None


# --- its releases


def _name(release: str, names: Mapping[str, str]) -> str | None:
    return next((name for known, name in names.items() if same_release(known, release)), None)


def _names(past: Past) -> dict[str, str]:
    """By release, what the test calls it: the tag of its image, where no other has that."""
    found: dict[str, str] = {}
    for release in dict.fromkeys(one.release for one in _chosen(past)):
        tag = past.images.get(release, "").rpartition("/")[2].partition("@")[0].partition(":")[2]
        name = _ODD.sub("-", tag).strip("-.")
        found[release] = name if name and name not in found.values() else release[:10]
    return found


def _chosen(past: Past) -> list[Revision]:
    """Those that there were until it was over, oldest first."""
    there = sorted((one for one in past.revisions if one.made_at <= past.ends), key=lambda one: one.made_at)
    wanted = [one.intended.release for one in past.changes if one.intended and one.intended.release]
    live = [one.before.release for one in past.changes if one.before and one.before.release][:1]
    needed = [one for one in there if any(same_release(one.release, release) for release in (*wanted, *live))]
    newest = [one for one in there if one.made_at > past.begins or one is there[-1]]
    kept = [one for one in there if one in needed or one in newest or one.release in past.good]
    return kept[-MOST_RELEASES:]


def _releases(past: Past, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """With the live one of the beginning as the newest of then, whatever was rolled back before."""
    live = next((one.before.release for one in past.changes if one.before and one.before.release), "")
    chosen = _chosen(past)
    before = [one.made_at for one in chosen if one.made_at <= past.begins]
    for one in chosen:
        at = one.made_at
        if live and same_release(one.release, live) and before and at <= past.begins:
            at = at if at == max(before) else max(before) + _NEXT
        good = any(same_release(one.release, each) for each in past.good)
        yield {"name": names[one.release], "at": format_offset(at - past.begins), **({"good": True} if good else {})}
    if not chosen:
        yield {"name": "v1", "at": "-2d", "good": True}
