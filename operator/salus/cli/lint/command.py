"""The command `salus lint`."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from salus.adapters.clock import SystemClock
from salus.cli.contract import CannotBeAsked, Exit
from salus.cli.lint import forms, subjects
from salus.cli.lint.finding import NEVER_IGNORED, Found, Wish, found_in
from salus.cli.lint.registry import CODES
from salus.cli.lint.rule import Linted
from salus.cli.lint.subjects import Read, Subject
from salus.cli.lint.text import text
from salus.cli.metrics.wanted import Prometheus
from salus.cli.names import Named, named
from salus.cli.person import Person, Where, person_at
from salus.cli.reports.lint import Level, LintReport
from salus.cli.show import Form, Look, show
from salus.cli.validate import catalog_of
from salus.core.policy.compile import Catalog
from salus.model.scalars import Body
from salus.model.values.configuration import Binding
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
    if ask.inputs:
        read = subjects.from_files(ask.inputs, catalog, where.namespace or "default")
        report, found = _offline(read, catalog, ask, now)
    else:
        async with person_at(where) as person:
            read = subjects.from_cluster(await _policies(person, ask.names), catalog)
            report, found = _offline(read, catalog, ask, now)
            report = report.model_copy(
                update={"cluster": person.context, "not_looked_at": tuple(person.not_looked_at), "in_files": False}
            )
    _print(report, look)
    for one in report.unreadable:
        sys.stderr.write(f"salus: {one}\n")
    return _ends(report, found, ask.fail_on)


def _catalog(wanted: Prometheus) -> Catalog:
    """What policies may refer to, as far as the operator's configuration is at hand."""
    try:
        settings = read_settings(wanted.config) if wanted.config is not None else None
    except SettingsError as error:
        raise CannotBeAsked("the operator's configuration cannot be read", [("said", str(error))]) from error
    return catalog_of(settings)


async def _policies(person: Person, names: Sequence[str]) -> Sequence[Body]:
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


def _offline(read: Read, catalog: Catalog, ask: Ask, now: datetime) -> tuple[LintReport, Found]:
    known = {index: linted for index, one in enumerate(read.subjects) if (linted := _linted(one, catalog))}
    found = found_in(read, known, catalog, ask.wish, now.date())
    return _report(read, found, ask, now), found


def _linted(subject: Subject, catalog: Catalog) -> Linted | None:
    policy = subject.policy
    if policy is None:
        return None
    return Linted(policy, bound=catalog.bound.get(policy.spec.source, Binding()).namespace)


def _report(read: Read, found: Found, ask: Ask, now: datetime) -> LintReport:
    return LintReport(
        at=now,
        policies=len(read.subjects),
        errors=found.count(Level.ERROR),
        warnings=found.count(Level.WARNING),
        notes=found.count(Level.INFO),
        ignored=found.ignored,
        files=found.shown(ask.wish.level),
        unreadable=tuple(map(str, read.unreadable)),
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
