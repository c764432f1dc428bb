"""The command `salus lint`."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from salus.adapters.clock import SystemClock
from salus.cli.contract import CannotBeAsked, Exit
from salus.cli.lint import forms, subjects
from salus.cli.lint.accounts import Accounts
from salus.cli.lint.around import MOST_TARGETS, Neighbourhood
from salus.cli.lint.asking import Asker
from salus.cli.lint.finding import NEVER_IGNORED, Found, Wish, found_in
from salus.cli.lint.registry import CODES
from salus.cli.lint.rule import Linted
from salus.cli.lint.subjects import Read, Subject
from salus.cli.lint.text import text
from salus.cli.metrics.find import configuration
from salus.cli.metrics.opening import prometheus_of, somebody
from salus.cli.metrics.wanted import Prometheus
from salus.cli.names import Named, named
from salus.cli.person import Person, Where
from salus.cli.progress import Progress
from salus.cli.reports.lint import Level, LintReport
from salus.cli.reports.metrics import AskedPrometheus
from salus.cli.show import Form, Look, show
from salus.cli.validate import catalog_of
from salus.core.guards.permissions import REMEDIATOR
from salus.core.policy.compile import Catalog
from salus.core.policy.windows import Rules
from salus.model.scalars import Body
from salus.model.values.configuration import Binding
from salus.model.values.keys import PolicyKey, TargetKey
from salus.model.values.policies import Policy
from salus.ports import HEALTH_POLICIES, WORKLOADS, Ref, right
from salus.settings import SettingsError, read_settings

RIGHTS = frozenset({right("get", HEALTH_POLICIES), right("list", HEALTH_POLICIES)})
"""Of the cluster, without `-f`."""
KNOWN_FORMS = (Form.TEXT, Form.WIDE, Form.JSON, Form.YAML, *forms.FORMS)


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person typed."""

    inputs: Sequence[str] = ()
    """Files; none: what is in the cluster."""
    names: Sequence[str] = ()
    wish: Wish = field(default_factory=Wish)
    fail_on: Level = Level.ERROR
    since: timedelta = timedelta(days=7)


def run(ask: Ask, where: Where, look: Look, wanted: Prometheus) -> int:
    """The command. Returns the exit status. Raises CannotBeAsked."""
    _refuse_what_is_odd(ask, look)
    return asyncio.run(_run(ask, where, look, wanted))


def _refuse_what_is_odd(ask: Ask, look: Look) -> None:
    if look.form not in KNOWN_FORMS:
        raise CannotBeAsked(f'-o knows no "{look.form}"', [("knows", ", ".join(KNOWN_FORMS))])
    if ask.inputs and ask.names:
        raise CannotBeAsked("-f and NAME: one of them says what is linted")
    for code in ask.wish.ignore:
        if code not in CODES or code in NEVER_IGNORED:
            raise CannotBeAsked(f'--ignore knows no "{code}"', [("knows", ", ".join(sorted(CODES - NEVER_IGNORED)))])


async def _run(ask: Ask, where: Where, look: Look, wanted: Prometheus) -> int:
    catalog, now = _catalog(wanted), SystemClock().now()
    async with AsyncExitStack() as stack:
        person = await _person(stack, ask, where, wanted)
        read = await _read(ask, where, catalog, person)
        known = {index: linted for index, one in enumerate(read.subjects) if (linted := _linted(one, catalog))}
        live = _Live() if ask.wish.offline else await _asked(known, _Asking(ask, where, wanted, person, now))
    found = found_in(read, {**known, **live.known}, catalog, ask.wish, now.date())
    report = _report(read, found, ask, live, now)
    if person is not None:
        said = {"cluster": person.context, "not_looked_at": tuple(person.not_looked_at)}
        report = report.model_copy(update=said)
    _print(report, look)
    for one in report.unreadable:
        sys.stderr.write(f"salus: {one}\n")
    return _ends(report, found, ask.fail_on)


async def _person(stack: AsyncExitStack, ask: Ask, where: Where, wanted: Prometheus) -> Person | None:
    """Somebody in front of a cluster; None where none is needed: for files, by a Prometheus that is named, or none."""
    if ask.inputs and ask.wish.offline:
        return None
    try:
        return await somebody(stack, where, wanted if ask.inputs else Prometheus())
    except CannotBeAsked as error:
        if not ask.inputs:
            raise
        tries = [*error.tries, "--prometheus URL, or --offline for the rules that ask nobody"]
        raise CannotBeAsked(error.what, error.facts, tries) from error


async def _read(ask: Ask, where: Where, catalog: Catalog, person: Person | None) -> Read:
    if ask.inputs:
        mine = person.namespace if person is not None else None
        return subjects.from_files(ask.inputs, catalog, where.namespace or mine or "default")
    assert person is not None  # noqa: S101 — what is in the cluster is not read without one
    return subjects.from_cluster(await policies_of(person, ask.names), catalog)


@dataclass(frozen=True, slots=True)
class _Asking:
    """What it takes to ask about policies."""

    ask: Ask
    where: Where
    wanted: Prometheus
    person: Person | None
    now: datetime


@dataclass(slots=True)
class _Live:
    """What was answered."""

    known: dict[int, Linted] = field(default_factory=dict)
    prometheus: AskedPrometheus | None = None
    since: timedelta | None = None
    unasked: list[str] = field(default_factory=list)
    partial: str = ""


@dataclass(frozen=True, slots=True)
class _Cluster:
    """What a person sees there."""

    around: Neighbourhood
    accounts: Accounts
    operator: Catalog | None

    async def seen(self, linted: Linted, beside: Sequence[tuple[PolicyKey, TargetKey]]) -> Linted:
        """A policy, and what the cluster says of it."""
        around = await self.around.of(linted.policy, beside)
        permissions = await self.accounts.of(linted.policy, around)
        return replace(linted, around=around, permissions=permissions, operator=self.operator)


async def _cluster(wanted: Prometheus, person: Person) -> _Cluster:
    settings = await configuration(wanted, person)
    account = settings.defaults.service_account_name if settings is not None else REMEDIATOR
    return _Cluster(Neighbourhood(person), Accounts(person, account), catalog_of(settings) if settings else None)


async def _asked(known: Mapping[int, Linted], asking: _Asking) -> _Live:
    """Each policy in turn, until the source is away. Raises CannotBeAsked."""
    async with prometheus_of(asking.wanted, asking.where, asking.person) as found:
        live = _Live(prometheus=found.report(), since=asking.ask.since)
        told = await found.metrics.rules()
        rules = Rules(told) if told is not None else None
        asker = Asker(found.metrics, asking.now, asking.ask.since, found.about.retention, rules)
        cluster = await _cluster(asking.wanted, asking.person) if asking.person is not None else None
        if cluster is None:
            lacks = "targets, accounts, source and sinks (SL403, SL404, SL405)"
            live.unasked.append(f"no cluster was asked, so nothing is said about {lacks}")
        beside = [(one.policy.key, target) for one in known.values() if (target := _named(one.policy)) is not None]
        progress = Progress(sys.stderr)
        for number, (index, linted) in enumerate(known.items()):
            progress.say(lambda number=number: f"asking: {number} of {len(known)} policies")  # type: ignore[misc]
            seen = await cluster.seen(linted, beside) if cluster is not None else linted
            answered = await asker.about(seen, _targets(seen, asking.wanted, live))
            live.known[index] = answered.linted
            live.unasked += filter(None, [answered.unasked])
            if answered.away:
                live.partial = f"{answered.away}; of {len(known)} policies {number} were asked about"
                break
        progress.end()
    return live


def _named(policy: Policy) -> TargetKey | None:
    target = policy.spec.target
    return TargetKey(policy.key.namespace, target.kind, target.name) if target.name else None


def _targets(linted: Linted, wanted: Prometheus, live: _Live) -> Sequence[TargetKey]:
    """Those that are asked about; why others are not is noted."""
    policy = linted.policy
    if not wanted.at and policy.spec.source != (wanted.source or "default"):
        live.unasked.append(
            f"{policy.key}: its source is {policy.spec.source}: --source {policy.spec.source} asks that"
        )
        return ()
    if (one := _named(policy)) is not None:
        return () if any(not around.is_there for around in linted.around) else (one,)
    there = [around.target for around in linted.around]
    if len(there) > MOST_TARGETS or not there:
        live.unasked.append(f"{policy.key}: {min(len(there), MOST_TARGETS)} of {len(there)} workloads were asked about")
    return there[:MOST_TARGETS]


def _catalog(wanted: Prometheus) -> Catalog:
    """What policies may refer to, as far as the operator's configuration is at hand."""
    try:
        settings = read_settings(wanted.config) if wanted.config is not None else None
    except SettingsError as error:
        raise CannotBeAsked("the operator's configuration cannot be read", [("said", str(error))]) from error
    return catalog_of(settings)


async def policies_of(person: Person, names: Sequence[str]) -> Sequence[Body]:
    """Those of these names, or those with these workloads as their target; or all."""
    if not names:
        return await person.objects(HEALTH_POLICIES)
    found: list[Body] = []
    for text_ in names:
        one = named(text_, allowed=[HEALTH_POLICIES, *WORKLOADS.values()])
        if one.workload is None:
            found.append(await person.get(Ref(HEALTH_POLICIES, person.one_namespace(), one.name)))
        else:
            found += await _of_workload(person, one)
    return found


async def _of_workload(person: Person, one: Named) -> Sequence[Body]:
    bodies = await person.objects(HEALTH_POLICIES)
    mine = [body for body in bodies if _target(body) == (one.workload, one.name)]
    if not mine:
        raise await person.no_such(one)
    return mine


def _target(body: Body) -> tuple[str, str]:
    target = body["spec"].get("target") or {}
    return str(target.get("kind")), str(target.get("name"))


def _linted(subject: Subject, catalog: Catalog) -> Linted | None:
    policy = subject.policy
    if policy is None:
        return None
    return Linted(policy, bound=catalog.bound.get(policy.spec.source, Binding()).namespace)


def _report(read: Read, found: Found, ask: Ask, live: _Live, now: datetime) -> LintReport:
    return LintReport(
        at=now,
        prometheus=live.prometheus,
        since=live.since,
        policies=len(read.subjects),
        in_files=bool(ask.inputs),
        errors=found.count(Level.ERROR),
        warnings=found.count(Level.WARNING),
        notes=found.count(Level.INFO),
        ignored=found.ignored,
        files=found.shown(ask.wish.level),
        unreadable=tuple(map(str, read.unreadable)),
        unasked=tuple(live.unasked),
        partial=live.partial,
    )


def _print(report: LintReport, look: Look) -> None:
    if (form := forms.FORMS.get(look.form)) is not None:
        sys.stdout.write(form(report) + "\n")
    else:
        show(report, look, text)


def _ends(report: LintReport, found: Found, fail_on: Level) -> int:
    if report.unreadable or report.partial:
        return Exit.CANNOT
    return Exit.NO if any(found.count(level) for level in Level if level.rank <= fail_on.rank) else Exit.YES
