"""The command `salus get`."""

import asyncio
import csv
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from salus.adapters.clock import SystemClock
from salus.cli.contract import CannotBeAsked, Exit
from salus.cli.look import catalogs, get_text, objects, preset_answers
from salus.cli.look.objects import KINDS, Listed, Wish
from salus.cli.look.releases import releases
from salus.cli.metrics.opening import prometheus_of, somebody
from salus.cli.metrics.wanted import Prometheus
from salus.cli.person import Person, Where, person_at
from salus.cli.reports.listing import PresetList
from salus.cli.show import Form, Look, screen, show, show_objects
from salus.model.scalars import Body

CSV = "csv"
KNOWN = (*KINDS, "releases", "presets", "reasons")
_ALSO = {
    **{f"{kind.rstrip('s')}": kind for kind in KNOWN},
    "policy": "policies",
    "hp": "policies",
    "healthpolicies": "policies",
    "inc": "incidents",
    "chev": "changes",
    "changeevents": "changes",
}


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person typed."""

    kind: str
    wish: Wish = field(default_factory=Wish)
    check: bool = False
    """Of presets: which of them a Prometheus can answer."""


def run(ask: Ask, where: Where, look: Look, wanted: Prometheus) -> int:
    """The command. Returns the exit status. Raises CannotBeAsked."""
    kind, now = _ALSO.get(ask.kind.lower(), ask.kind.lower()), SystemClock().now()
    if ask.check and kind != "presets":
        raise CannotBeAsked("--check is of presets", tries=["salus get presets --check"])
    if kind == "presets":
        found = catalogs.presets(ask.wish.names, now)
        show(asyncio.run(_checked(found, where, wanted)) if ask.check else found, look, get_text.presets)
    elif kind == "reasons":
        show(catalogs.reasons(ask.wish.names, now), look, get_text.reasons)
    elif kind in {*KINDS, "releases"}:
        asyncio.run(_of_the_cluster(kind, ask.wish, where, look))
    else:
        raise CannotBeAsked(f'"{ask.kind}" is nothing that can be listed', [("expected", ", ".join(KNOWN))])
    return Exit.YES


async def _checked(report: PresetList, where: Where, wanted: Prometheus) -> PresetList:
    async with AsyncExitStack() as stack:
        person = await somebody(stack, where, wanted)
        found = await stack.enter_async_context(prometheus_of(wanted, where, person))
        return await preset_answers.answered(report, found)


async def _of_the_cluster(kind: str, wish: Wish, where: Where, look: Look) -> None:
    async with person_at(where) as person:
        if kind == "releases":
            if len(wish.names) != 1:
                raise CannotBeAsked("whose releases?", tries=["salus get releases deploy/NAME -n NAMESPACE"])
            show(await releases(person, wish.names[0], SystemClock().now()), look, get_text.releases)
            return
        what = KINDS[kind]
        found = await objects.listed(person, what, wish, SystemClock().now())
        if not found and look.form in {Form.TEXT, Form.WIDE, Form.NAME, CSV}:
            sys.stderr.write(f"no {kind} {_which(person, wish)}\n")
            return
        _print(what, found, person, look)


def _which(person: Person, wish: Wish) -> str:
    where = f"in namespace {person.namespace}" if person.namespace else "in any namespace"
    return f"like that {where}" if wish != Wish() else where


def _print(what: Listed, found: Sequence[Body], person: Person, look: Look) -> None:
    if look.form in {Form.JSON, Form.YAML, Form.NAME}:
        show_objects(found, look)
        return
    table = objects.rows(what, found, SystemClock().now(), namespaces=person.namespace is None)
    if look.form == CSV:
        csv.writer(sys.stdout, lineterminator="\n").writerows(table)
        return
    shown = screen(look)
    shown.write([get_text.cells(table)])
