"""`salus test --from-incident`: asks the cluster for the records, and Prometheus for what checks were told then."""

import asyncio
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from salus.adapters.clock import SystemClock
from salus.cli.contract import CannotBeAsked
from salus.cli.metrics.as_source import AsSource
from salus.cli.metrics.opening import prometheus_of
from salus.cli.metrics.wanted import Prometheus
from salus.cli.names import named
from salus.cli.now.ports import Seen
from salus.cli.past.attempts import of_incident
from salus.cli.past.times import times_of
from salus.cli.person import Person, Where, person_at
from salus.cli.trial.incident import AFTER, BEFORE, Past, document
from salus.cli.validate import catalog_of
from salus.core.objects.selectors import controlled_by
from salus.core.objects.workloads import images_of, workload_from
from salus.core.policy.compile import SpecError, compile_policy
from salus.core.records.changes import past_change
from salus.core.records.releases import history_from, release_from
from salus.model.meta import WorkloadKind
from salus.model.scalars import API_VERSION, Body
from salus.model.values.changes import Change
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Error, Query, Sample
from salus.model.values.objects import Release, Revision
from salus.model.values.policies import Policy
from salus.ports import (
    CHANGE_EVENTS,
    CONTROLLER_REVISIONS,
    HEALTH_POLICIES,
    INCIDENTS,
    KEPT_RELEASES,
    REPLICA_SETS,
    WORKLOADS,
    Ref,
)
from salus.reconcile.observe import measure
from salus.rehearsal.history import asked

_LONGEST = timedelta(hours=24)
"""Of an incident, what a test tells of at most."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person typed."""

    incident: str
    folder: Path
    where: Where
    prometheus: Prometheus


def write(ask: Ask) -> list[str]:
    """Write the test, and the policy if it is not there; which files. Raises CannotBeAsked."""
    return asyncio.run(_write(ask))


async def _write(ask: Ask) -> list[str]:
    async with person_at(ask.where) as person:
        return await made(person, ask, SystemClock().now())


async def made(person: Person, ask: Ask, now: datetime) -> list[str]:
    """Write it; the name of the test's file. Raises CannotBeAsked."""
    one = named(ask.incident, INCIDENTS, allowed=(INCIDENTS,))
    test = ask.folder / f"{one.name}.test.yaml"
    if test.exists():
        raise CannotBeAsked(f"{test} is there already", tries=["another folder"])
    past, policy = await _past(person, ask, one.name, now)
    file = ask.folder / f"{past.policy}.yaml"
    written = [str(test)]
    _save(test, _header(past), document(past, file.name))
    if not file.exists():
        _save(file, f"# As it is in the cluster {person.context}.\n", policy)
        written.append(str(file))
    for name in written:
        sys.stderr.write(f"written: {name}\n")
    return written[:1]


def _header(past: Past) -> str:
    return (
        f"# Made of incident {past.name} and of what Prometheus kept. It is yours now: freezes and limits of\n"
        "# the operator, autoscalers and what others did are not in it.\n"
    )


def _save(file: Path, header: str, body: Mapping[str, Any]) -> None:
    text = yaml.safe_dump(dict(body), sort_keys=False, allow_unicode=True, width=110)
    try:
        file.write_text(header + text, encoding="utf-8")
    except OSError as error:
        raise CannotBeAsked(f"{file} cannot be written", [("why", error.strerror or str(error))]) from error


async def _past(person: Person, ask: Ask, name: str, now: datetime) -> tuple[Past, Body]:
    namespace = person.one_namespace()
    incident = await person.get(Ref(INCIDENTS, namespace, name))
    policy_body = await person.get(Ref(HEALTH_POLICIES, namespace, incident["spec"]["policyRef"]["name"]))
    policy, ref = _policy(policy_body), incident["spec"]["targetRef"]
    key = TargetKey(namespace, WorkloadKind(ref["kind"]), ref["name"])
    workload = await person.get(Ref(WORKLOADS[key.kind], namespace, key.name))
    changes = _changes(name, await person.objects(CHANGE_EVENTS))
    begins, ends = _window(incident, changes, policy.spec.interval, now)
    revisions, images = await _revisions(person, workload, key)
    kept = [one for body in await person.around(KEPT_RELEASES) if (one := release_from(body, key)) is not None]
    replicas = next((one.before.replicas for one in changes if one.before and one.before.replicas), None)
    values, volumes = await _told(person, ask, policy, key, (begins, ends), workload)
    past = Past(
        name=name,
        policy=policy.key.name,
        key=key,
        begins=begins,
        ends=ends,
        interval=policy.spec.interval,
        values=values,
        volumes=volumes,
        changes=changes,
        revisions=revisions,
        images=images,
        good=frozenset(_good(kept, changes, begins)),
        replicas=replicas or workload_from(workload).replicas,
    )
    metadata = {"name": policy.key.name, "namespace": namespace}
    return past, {
        "apiVersion": API_VERSION,
        "kind": HEALTH_POLICIES.kind,
        "metadata": metadata,
        "spec": dict(policy_body["spec"]),
    }


def _policy(body: Body) -> Policy:
    try:
        return compile_policy(body, catalog_of(None))
    except SpecError as error:
        facts = [("wrong", f"{one.path}: {one.message}") for one in error.problems]
        raise CannotBeAsked(f"policy {body['metadata']['name']} cannot be used", facts) from error


def _changes(incident: str, bodies: Sequence[Body]) -> list[Change]:
    """Those of the incident, and the undos of those."""
    mine = [past_change(body) for body in of_incident(incident, bodies)]
    names = {one.name for one in mine}
    more = [one for one in map(past_change, bodies) if one.undoes in names and one.name not in names]
    return sorted([*mine, *more], key=lambda one: one.sequence)


def _window(incident: Body, changes: Sequence[Change], interval: timedelta, now: datetime) -> tuple[datetime, datetime]:
    times = times_of(incident)
    last = max([one.completed_at or one.decided_at for one in changes], default=times.opened)
    begins = (times.opened - BEFORE * interval).replace(microsecond=0)
    ends = min(max(times.resolved or now, last) + AFTER * interval, now, begins + _LONGEST)
    return begins, ends


async def _revisions(person: Person, workload: Body, key: TargetKey) -> tuple[Sequence[Revision], Mapping[str, str]]:
    kind = REPLICA_SETS if key.kind is WorkloadKind.DEPLOYMENT else CONTROLLER_REVISIONS
    owned = controlled_by(await person.around(kind), {workload["metadata"]["uid"]})
    templates = {body["metadata"]["name"]: _template(body) for body in owned}
    revisions = history_from(owned)
    images = {one.release: next(iter(images_of(templates.get(one.name, {}))), "") for one in revisions}
    return revisions, images


def _template(body: Body) -> Body:
    spec = (body.get("data") or body).get("spec") or {}
    return dict(spec.get("template") or {})


def _good(kept: Iterable[Release], changes: Iterable[Change], begins: datetime) -> set[str]:
    """What was known healthy then: what is on record so, and whatever a rollback of the incident went to."""
    known = {one.hash for one in kept if one.healthy_at is not None and one.kept_at and one.kept_at <= begins}
    gone_to = {
        one.intended.release
        for one in changes
        if one.intended and one.before and one.intended.release not in {"", one.before.release}
    }
    return known | gone_to


async def _told(  # noqa: PLR0913, PLR0917 — what is asked, of whom and of when
    person: Person,
    ask: Ask,
    policy: Policy,
    key: TargetKey,
    window: tuple[datetime, datetime],
    workload: Body,
) -> tuple[dict[str, Sequence[Sample]], dict[str, Sequence[Sample]]]:
    questions = asked(policy, measure.wording(Seen.of([workload]), policy, key))
    values: dict[str, Sequence[Sample]] = {}
    volumes: dict[str, Sequence[Sample]] = {}
    async with prometheus_of(ask.prometheus, ask.where, person) as found:
        source = AsSource(found.metrics)

        async def over(query: Query) -> Sequence[Sample]:
            told = await source.samples(query, window[0], window[1], policy.spec.interval)
            if isinstance(told, Error):
                raise CannotBeAsked("Prometheus did not tell the past", [("query", query.query), ("why", told.message)])
            return told

        for one in questions:
            values[one.check.name] = await over(one.query)
            if one.volume is not None:
                volumes[one.check.name] = await over(one.volume)
    if not any(values.values()):
        when = f"{window[0]:%Y-%m-%d %H:%M} UTC"
        raise CannotBeAsked("Prometheus has nothing of that time any more", [("asked", f"from {when} on")])
    return values, volumes
