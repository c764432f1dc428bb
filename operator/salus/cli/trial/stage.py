"""Builds the world of a test: the workload with its releases, what others do to it, and what checks answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from salus.cli.trial.files import TestFile, Written, catalog_for, settings_of
from salus.cli.trial.model import Case, Release, WorkloadPart
from salus.cli.trial.notation import MOST, parse
from salus.cli.trial.told import CannotBeStaged, Told
from salus.core.objects.workloads import release_hash
from salus.core.policy.compile import SpecError
from salus.core.records.releases import Noted, proven, release_body
from salus.model.meta import WorkloadKind
from salus.model.scalars import Body
from salus.model.values.keys import TargetKey
from salus.model.values.policies import Policy
from salus.ports import WORKLOADS, Conflict, Invalid, Ref
from salus.rehearsal.engine import Metrics, Rehearsal, Setting
from salus.rehearsal.world import World, released, scaled

_FIRST = Release(name="v1", at=timedelta(days=-2), good=True)
_REPLICAS, _TAKES = 3, timedelta(seconds=20)
_AGE = timedelta(hours=1)
"""How old everything is at least when a test begins."""
_AFTER = timedelta(minutes=10)
"""How long a test lasts that tells of no values."""


@dataclass(frozen=True, slots=True)
class Workload:
    """The target, with what a test does not say filled in."""

    key: TargetKey
    replicas: int
    labels: Mapping[str, str]
    releases: Sequence[Release]
    takes: timedelta

    def template(self, release: str) -> dict[str, Any]:
        """The pod template of a release."""
        container = {"name": "main", "image": f"{self.key.name}:{release}"}
        return {"metadata": {"labels": {"app": self.key.name}}, "spec": {"containers": [container]}}

    def name_of(self, release: str) -> str:
        """What the test calls a release that a record names by its hash; else a short form of that."""
        names = {release_hash(self.template(one.name)): one.name for one in self.releases}
        return names.get(release, release[:10])

    @property
    def ref(self) -> Ref:
        """Its address."""
        return Ref(WORKLOADS[self.key.kind], self.key.namespace, self.key.name)

    def body(self, release: str) -> dict[str, Any]:
        """The object, with this release."""
        sized = {} if self.key.kind is WorkloadKind.DAEMON_SET else {"replicas": self.replicas}
        return {
            "apiVersion": self.ref.resource.api_version,
            "kind": self.ref.resource.kind,
            "metadata": {"name": self.key.name, "namespace": self.key.namespace, "labels": dict(self.labels)},
            "spec": {
                **sized,
                "selector": {"matchLabels": {"app": self.key.name}},
                "template": self.template(release),
            },
        }


@dataclass(frozen=True, slots=True)
class Stage:
    """A test that can be run."""

    workload: Workload
    world: World
    policies: Sequence[Policy]
    metrics: Metrics
    setting: Setting
    until: datetime

    def rehearsal(self) -> Rehearsal:
        """The operator's own loop over it."""
        return Rehearsal(self.world, self.policies, self.metrics, self.setting)


def staged(of: TestFile, case: Case, promtool: Path | None = None) -> Stage:
    """The world of a test. Raises CannotBeStaged, and Skipped where it needs a promtool that is not there."""
    begins, settings = case.begins or of.spec.begins, settings_of(of.spec, case)
    workload = _workload(of, case)
    oldest = min(one.at for one in workload.releases)
    world = World(begins + min(oldest, -_AGE), workload.takes)
    _furnish(world, workload, of, case, begins)
    policies = _policies(of.policies, workload, world, settings)
    step = of.step(min(policy.spec.interval for policy in policies))
    lasts = _lasts(of, case, step)
    told = Told(world, policies, workload.key, of, case, begins, step, lasts)
    setting = Setting(
        begins,
        settings.switches(),
        settings.bounds(),
        default_service_account=settings.defaults.service_account_name,
        approval_expiry=settings.defaults.approval_expiry,
    )
    return Stage(workload, world, policies, told.metrics(promtool), setting, begins + lasts)


def _lasts(of: TestFile, case: Case, step: timedelta) -> timedelta:
    """From the first tick to the last: as long as there are values, unless the test says."""
    told = [*case.values.values(), *(parse(values) for _, values in of.series_of(case))]
    longest = max(map(len, told), default=0)
    lasts = case.lasts or (step * (longest - 1) if longest else _AFTER)
    if lasts / step > MOST:
        raise CannotBeStaged(f"it would last {lasts // step} intervals, and {MOST} is the most")
    return lasts


# --- the cluster


def _workload(of: TestFile, case: Case) -> Workload:
    said = {**_set(of.spec.workload), **_set(case.workload)}
    first = of.policies[0].body
    target, namespace = first["spec"]["target"], first["metadata"].get("namespace")
    name = said.get("name") or target.get("name")
    if not name:
        raise CannotBeStaged(f"{of.policies[0].name} chooses its targets by labels: give workload.name")
    key = TargetKey(said.get("namespace") or namespace or "default", said.get("kind") or target["kind"], name)
    chosen = (target.get("selector") or {}).get("matchLabels") or {}
    releases = sorted(said.get("releases") or (_FIRST,), key=lambda one: one.at)
    return Workload(
        TargetKey(key.namespace, WorkloadKind(key.kind), key.name),
        said.get("replicas", _REPLICAS),
        said.get("labels", chosen),
        releases,
        said.get("takes", _TAKES),
    )


def _set(part: WorkloadPart) -> dict[str, Any]:
    return {name: getattr(part, name) for name in part.model_fields_set}


def _furnish(world: World, workload: Workload, of: TestFile, case: Case, begins: datetime) -> None:
    first, *later = workload.releases
    try:
        world.put(workload.body(first.name), *(case.objects if case.objects is not None else of.spec.objects))
    except (Conflict, Invalid, KeyError, TypeError) as error:
        raise CannotBeStaged(f"objects: {error}") from error
    for one in later:
        world.will(released(begins + one.at, workload.ref, workload.template(one.name)))
    for size in _set(case.workload).get("scaled") or of.spec.workload.scaled or ():
        world.will(scaled(begins + size.at, workload.ref, size.replicas))
    for one in workload.releases:
        if one.good:
            world.put(_kept(workload, one, begins))


def _kept(workload: Workload, release: Release, begins: datetime) -> Body:
    """What Salus has on record of a release that it has seen healthy, for as long as it ran before the test."""
    ends = [one.at for one in workload.releases if one.at > release.at]
    seen = begins + min([*ends, timedelta(0)])
    body = release_body(workload.key, workload.body(release.name)["spec"], seen)
    return {**body, "status": proven(seen, rehearsed=False, size=Noted(workload.replicas))}


def _policies(written: Sequence[Written], workload: Workload, world: World, settings: Any) -> list[Policy]:  # noqa: ANN401 — Settings
    catalog, found = catalog_for(settings), []
    for one in written:
        _refuse_another_target(one, workload)
        metadata = {"name": one.name, "namespace": workload.key.namespace}
        body = {**one.body, "metadata": metadata}
        try:
            found.append(world.policy(body, catalog))
        except SpecError as error:
            raise CannotBeStaged(f"{one.name}: {error}") from error
    return found


def _refuse_another_target(policy: Written, workload: Workload) -> None:
    target, key = policy.body["spec"]["target"], workload.key
    chosen = (target.get("selector") or {}).get("matchLabels")
    is_meant = target["kind"] == key.kind and (
        chosen.items() <= workload.labels.items() if chosen else target.get("name") == key.name
    )
    if not is_meant:
        what = f"{target['kind']}/{target.get('name') or chosen}"
        raise CannotBeStaged(f"{policy.name} is of {what}, and the workload of this test is {key.kind}/{key.name}")
