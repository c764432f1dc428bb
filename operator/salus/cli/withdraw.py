"""`kubectl salus withdraw`: show a person a kept release, and put on record, in their name, that it must not come back.

Who may is the API server's to say; this asks it beforehand, so that what is missing is told by its name.
"""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from rich.console import RenderableType

from salus.adapters.clock import SystemClock
from salus.cli.asking import agrees, somebody_agrees
from salus.cli.contract import CannotBeAsked, Exit
from salus.cli.person import Person, Where, person_at
from salus.cli.reports.withdrawal import Withdrawal
from salus.cli.show import Form, Look, Screen, facts, left_out, plain, show
from salus.cli.word import Word, read, say, see_that_they_may
from salus.core.objects.workloads import images_of, short
from salus.model.scalars import Body, format_time, parse_time
from salus.ports import KEPT_RELEASES, Ref, right

WITHDRAWAL = Word(KEPT_RELEASES, "withdrawal", "withdraw", "salus-withdrawer")
WITHDRAWING = frozenset({right("patch", KEPT_RELEASES)})
"""All that the command writes."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person typed."""

    name: str
    reason: str
    only_show: bool = False
    sure: bool = False


def run(wish: Wish, where: Where, look: Look) -> int:
    """The command. Exit status: 0 withdrawn, or only shown; 1 the person stepped back. Raises CannotBeAsked."""
    somebody_agrees(sys.stdin, sure=wish.sure or wish.only_show)
    return asyncio.run(_run(wish, where, look))


async def _run(wish: Wish, where: Where, look: Look) -> int:
    async with person_at(where, WITHDRAWING) as person:
        me, ref = await person.name(), Ref(KEPT_RELEASES, person.one_namespace(), wish.name)
        body = await find(person, ref, me)
        found = release(person, body, SystemClock().now())
        if wish.only_show:
            show(found, look, text)
            return Exit.YES
        for_programs = look.form in {Form.JSON, Form.YAML}
        seen = replace(look, form=Form.TEXT) if for_programs else look
        show(found, seen, text, sys.stderr if for_programs else sys.stdout)
        await see_that_they_may(person, WITHDRAWAL, ref, me)
        if not agrees("Withdraw this as yourself? It is for good.", sure=wish.sure):
            return Exit.NO
        now = SystemClock().now()
        await withdraw(person, body, wish.reason, me, now)
        if for_programs:
            show(found.model_copy(update={"by": me, "reason": wish.reason, "withdrawn_at": now}), look, text)
        else:
            sys.stdout.write(f"keptrelease/{wish.name} withdrawn\n")
    return Exit.YES


async def find(person: Person, ref: Ref, me: str) -> Body:
    """The release, if it can be withdrawn. Raises CannotBeAsked."""
    body = await read(person, WITHDRAWAL, ref, me)
    if withdrawal := body["spec"].get("withdrawal"):
        said = plain(f"{withdrawal['by']}: {withdrawal['reason']}")
        raise CannotBeAsked(f"keptrelease {ref.name} was withdrawn already, by {said}")
    return body


async def withdraw(person: Person, body: Body, reason: str, me: str, now: datetime) -> None:
    """Withdraw the very release that was shown. Raises CannotBeAsked."""
    ref = Ref(KEPT_RELEASES, body["metadata"]["namespace"], body["metadata"]["name"])
    said = {"by": me, "at": format_time(now), "reason": reason}
    await say(person, WITHDRAWAL, body, said, lambda: find(person, ref, me))


def release(person: Person, body: Body, now: datetime) -> Withdrawal:
    """The release for a person who decides: of what, which images, how it fared."""
    spec, status, metadata = body["spec"], body.get("status") or {}, body["metadata"]
    target = spec["targetRef"]
    return Withdrawal(
        cluster=person.context,
        at=now,
        name=metadata["name"],
        namespace=metadata["namespace"],
        release=short(spec["release"]),
        target=f"{target['kind']}/{target['name']}",
        images=images_of(((spec.get("workload") or {}).get("spec") or {}).get("template") or {}),
        healthy_at=parse_time(status["healthyAt"]) if status.get("healthyAt") else None,
        proven_by=str(status.get("provenBy", "")),
        quarantined_by=str(status.get("quarantinedBy", "")),
        taken_over=str(spec.get("takenOver") or ""),
    )


def text(report: Withdrawal, _: Screen) -> Iterator[RenderableType]:
    """From the document alone."""
    yield facts(_rows(report))
    yield from left_out(report)


def _rows(report: Withdrawal) -> Iterator[tuple[str, str]]:
    yield "Release", f"{report.release}, kept as {report.name}"
    yield "Target", f"{report.target} in {report.namespace}"
    for image in report.images:
        yield "Image", image
    proven = f"{format_time(report.healthy_at)}, proven by {report.proven_by or '?'}" if report.healthy_at else "never"
    yield "Healthy", proven
    yield "Taken by", report.quarantined_by
    if report.taken_over:
        yield "Made of", f"ControllerRevision {report.taken_over} of an older Salus; delete that too"
