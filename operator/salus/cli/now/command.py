"""`salus explain NAME --now`: from a policy on record to what the next tick would do about it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from salus.cli.contract import CannotBeAsked
from salus.cli.look.situation import Situation
from salus.cli.metrics.as_source import AsSource
from salus.cli.metrics.causes import Past, absences
from salus.cli.metrics.find import configuration
from salus.cli.metrics.opening import Found, prometheus_of
from salus.cli.metrics.wanted import Prometheus
from salus.cli.names import Named
from salus.cli.now.asking import Afresh, Asker, beside
from salus.cli.now.ports import OnlyReads
from salus.cli.now.words import said
from salus.cli.person import Person, Where, cannot_reach
from salus.cli.reports.document import NotLookedAt
from salus.cli.reports.explanation import Explanation
from salus.cli.validate import catalog_of
from salus.core.policy.absence import Absence, Kind
from salus.core.policy.compile import SpecError, compile_policy
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Query
from salus.model.values.policies import Policy
from salus.ports import WORKLOADS, ClusterError, Forbidden, NotFound
from salus.reconcile.observe import measure

_BACK = timedelta(days=7)
"""How far back is looked for series that are gone."""
_MANY = 5


@dataclass(frozen=True, slots=True)
class Ask:
    """Which policy is meant, and which Prometheus."""

    found: Situation
    one: Named
    where: Where
    wanted: Prometheus


async def afresh(person: Person, ask: Ask, now: datetime) -> Explanation:
    """What is so now, and what would be done. Raises CannotBeAsked."""
    found, one, where, wanted = ask.found, ask.one, ask.where, ask.wanted
    policy, key = _policy(found), await _target(person, found, one)
    cluster = OnlyReads(person.cluster)
    settings = await configuration(wanted, person)
    async with prometheus_of(wanted, where, person) as prometheus:
        source = AsSource(prometheus.metrics)
        try:
            there = await beside(cluster, key)
            told = await Asker(cluster, source, source, settings, now).ask(policy, key, there)
        except NotFound as error:
            raise CannotBeAsked(f"{key} is not there", [("said", str(error))]) from error
        except Forbidden as error:
            lacks = [("right", one) for one in cluster.lacks.values()]
            raise CannotBeAsked("you may not read what it takes", [*lacks, ("said", str(error))]) from error
        except ClusterError as error:
            raise cannot_reach(error, person.context) from error
        lacking = await _lacking(told, prometheus)
        report = said(told, lacking, prometheus.title)
    blind = [NotLookedAt(what=what, lacks=right) for what, right in cluster.lacks.items()]
    return report.model_copy(update={"cluster": person.context, "not_looked_at": (*person.not_looked_at, *blind)})


def _policy(found: Situation) -> Policy:
    try:
        return compile_policy(found.body, catalog_of(None))
    except SpecError as error:
        facts = [("wrong", f"{one.path}: {one.message}") for one in error.problems]
        raise CannotBeAsked(f"{found.namespace}/{found.name} cannot be used", facts) from error


async def _target(person: Person, found: Situation, one: Named) -> TargetKey:
    """The workload that is meant."""
    spec = found.spec
    assert spec is not None  # noqa: S101 — `_policy` has refused what cannot be read
    if one.workload is not None:
        return TargetKey(found.namespace, one.workload, one.name)
    if spec.target.name is not None:
        return TargetKey(found.namespace, spec.target.kind, spec.target.name)
    labels = spec.target.selector.match_labels if spec.target.selector else {}
    bodies = await person.objects(WORKLOADS[spec.target.kind], found.namespace, labels)
    names = sorted(body["metadata"]["name"] for body in bodies)
    if len(names) == 1:
        return TargetKey(found.namespace, spec.target.kind, names[0])
    shown = ", ".join(names[:_MANY]) or "none"
    raise CannotBeAsked(
        f"{found.name} is of {len(names)} workloads", [("such as", shown)], ["TYPE/NAME of one of them"]
    )


async def _lacking(told: Afresh, prometheus: Found) -> Mapping[str, Sequence[Absence]]:
    """By check, why there is no answer, where its query finds nothing."""
    step = told.step
    empty = {found.check for found in step.case.findings if found.without_data and found.reason == "NoSeries"}
    queries = measure.questions(step.context, step.policy, step.case)
    asked = {name: query for name, query in _by_check(step.policy, queries).items() if name in empty}
    metrics, past = prometheus.metrics.within(step.namespace), Past(step.now, _BACK)
    found = await asyncio.gather(*(absences(metrics, query, past) for query in asked.values()))
    return {name: [one for one in some if one.kind is not Kind.THERE] for name, some in zip(asked, found, strict=True)}


def _by_check(policy: Policy, queries: Sequence[Query]) -> Mapping[str, str]:
    those = iter(queries)
    told: dict[str, str] = {}
    for check in policy.checks:
        told[check.name] = next(those).query
        if check.volume is not None:
            next(those)
    return told
