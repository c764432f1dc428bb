"""What a workload was over a time, from the series of kube-state-metrics. Pure.

Of two ReplicaSets that one is live whose size grew last. Where the ReplicaSet is still there its template is known;
else one is made of the images that its pods ran, and a ReplicaSet with the same images as the one before is a restart.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from salus.cli.replay.lives import Change, Least, Life
from salus.core.objects.workloads import RESTARTED_AT
from salus.model.scalars import Body, format_time
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Sample
from salus.ports import AUTOSCALERS, WORKLOADS, Ref

_JUST_BEFORE = timedelta(seconds=1)
"""What is seen for the first time was there already."""
_SEEN_LATE = timedelta(minutes=10)
"""So long after a release was made it may be seen for the first time, and is still told at the time of its making."""
Images = Mapping[str, str]
"""By container."""


@dataclass(frozen=True, slots=True)
class Scaler:
    """An autoscaler of the workload."""

    name: str
    least: Sequence[Sample]
    most: int


@dataclass(frozen=True, slots=True)
class Told:
    """What the series say of one workload."""

    sizes: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    """Of each ReplicaSet, or whatever stands for a release."""
    created: Mapping[str, datetime] = field(default_factory=dict)
    images: Mapping[str, Images] = field(default_factory=dict)
    replicas: Sequence[Sample] = ()
    scaler: Scaler | None = None


@dataclass(frozen=True, slots=True)
class Present:
    """What the cluster shows of it now, as far as it may be read."""

    body: Body | None = None
    templates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By the name of what stands for a release."""


def life(key: TargetKey, told: Told, present: Present) -> Life | None:
    """The workload over that time; None: these series say nothing of it."""
    lives = list(live_over_time(told.sizes, told.created))
    sizes = list(steps(told.replicas))
    if not lives and not sizes:
        return None
    templates = _templates(key, lives, told, present)
    if not templates and present.body is not None:
        templates = [present.body["spec"]["template"]]
    first = templates[0] if templates else made(key, {})
    changes = (
        [Change(at, template) for (at, _), template in zip(lives[1:], templates[1:], strict=True)] if lives else []
    )
    changes += [Change(at, replicas=int(size)) for at, size in sizes[1:]]
    body = _body(key, first, int(sizes[0][1]) if sizes else None, present.body)
    around, minimums = _scaler(key, told.scaler)
    return Life(
        key=key,
        body=body,
        changes=tuple(sorted(changes, key=lambda change: change.at)),
        around=tuple(around),
        minimums=tuple(minimums),
        is_made_up=any(name not in present.templates for _, name in lives) or present.body is None,
        unknown=tuple(_unknown(key, lives)),
    )


def _unknown(key: TargetKey, lives: Sequence[object]) -> Iterator[str]:
    if not lives:
        yield f"the releases of {key}, so that every rollback is refused, unless --releases says them."


def live_over_time(
    sizes: Mapping[str, Sequence[Sample]], created: Mapping[str, datetime]
) -> Iterator[tuple[datetime, str]]:
    """Which of them was live, and since when; the first since before all that is known."""
    told: dict[datetime, dict[str, float]] = {}
    for name, samples in sizes.items():
        for sample in samples:
            told.setdefault(sample.at, {})[name] = sample.value
    live, before, since = "", dict[str, float](), None
    known: set[str] = set()
    for at in sorted(told):
        found = _live(live, before, told[at])
        if found != live:
            made_at = created.get(found)
            is_new = since is not None and made_at is not None and since - _SEEN_LATE < made_at <= at
            is_new = is_new and found not in known
            known.add(found)
            yield (made_at if is_new and made_at is not None else at - _JUST_BEFORE), found
        live, before, since = found, told[at], at


def _live(live: str, before: Mapping[str, float], now: Mapping[str, float]) -> str:
    if not live:
        return max(now, key=lambda name: now[name])
    grown = {name: size - before.get(name, 0.0) for name, size in now.items()}
    most = max(grown, key=lambda name: (grown[name], name == live))
    if grown[most] > 0:
        return most
    if now.get(live, 0.0) > 0 or not any(now.values()):
        return live
    return max(now, key=lambda name: now[name])


def steps(samples: Iterable[Sample]) -> Iterator[tuple[datetime, float]]:
    """The first value, and each other one since when it was there."""
    before: float | None = None
    for sample in samples:
        if sample.value != before:
            yield sample.at - _JUST_BEFORE, sample.value
            before = sample.value


def made(key: TargetKey, images: Images, restarted: datetime | None = None) -> dict[str, Any]:
    """A pod template that runs these images."""
    metadata: dict[str, Any] = {"labels": {"app": key.name}}
    if restarted is not None:
        metadata["annotations"] = {RESTARTED_AT: format_time(restarted)}
    containers = [{"name": name, "image": image} for name, image in sorted(images.items())]
    return {"metadata": metadata, "spec": {"containers": containers or [{"name": key.name, "image": "unknown"}]}}


def made_up(key: TargetKey, replicas: int | None = None, template: Mapping[str, Any] | None = None) -> Body:
    """A workload of which hardly anything is known."""
    resource = WORKLOADS[key.kind]
    selector = {"matchLabels": {"app": key.name}}
    spec = {
        "replicas": 1 if replicas is None else replicas,
        "selector": selector,
        "template": template or made(key, {}),
    }
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"namespace": key.namespace, "name": key.name, "labels": {"app": key.name}},
        "spec": spec,
    }


def _templates(
    key: TargetKey, lives: Sequence[tuple[datetime, str]], told: Told, present: Present
) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    known: dict[str, Mapping[str, Any]] = dict(present.templates)
    before: Images | None = None
    for at, name in lives:
        images = told.images.get(name, {})
        if name not in known:
            is_restart = before is not None and images == before
            known[name] = made(key, images, at if is_restart else None)
        found.append(known[name])
        before = images
    return found


def _body(key: TargetKey, template: Mapping[str, Any], replicas: int | None, present: Body | None) -> Body:
    if present is None:
        return made_up(key, replicas, template)
    size = {"replicas": replicas} if replicas is not None else {}
    return {**present, "spec": {**present["spec"], **size, "template": template}}


def _scaler(key: TargetKey, scaler: Scaler | None) -> tuple[list[Body], list[Least]]:
    least = list(steps(scaler.least)) if scaler is not None else []
    if scaler is None or not least:
        return [], []
    resource = WORKLOADS[key.kind]
    body = {
        "apiVersion": AUTOSCALERS.api_version,
        "kind": AUTOSCALERS.kind,
        "metadata": {"namespace": key.namespace, "name": scaler.name},
        "spec": {
            "scaleTargetRef": {"apiVersion": resource.api_version, "kind": resource.kind, "name": key.name},
            "minReplicas": int(least[0][1]),
            "maxReplicas": max(scaler.most, *(int(value) for _, value in least)),
        },
    }
    ref = Ref(AUTOSCALERS, key.namespace, scaler.name)
    return [body], [Least(at, ref, int(value)) for at, value in least[1:]]
