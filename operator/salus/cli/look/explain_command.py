"""The command `salus explain`: a policy, a workload, an incident, a change, or a reason in one word."""

import asyncio
import re
from dataclasses import dataclass, field
from datetime import datetime

from salus.adapters.clock import SystemClock
from salus.cli import logs
from salus.cli.contract import CannotBeAsked, Exit
from salus.cli.look import catalogs, explain_text, get_text
from salus.cli.look.of_record import of_change, of_incident
from salus.cli.look.situation import Situation, situations
from salus.cli.look.status import chosen
from salus.cli.look.why import why
from salus.cli.metrics.wanted import Prometheus
from salus.cli.names import Named, named
from salus.cli.person import Person, Where, person_at
from salus.cli.reports.explanation import Explanation
from salus.cli.show import Look, show
from salus.ports import CHANGE_EVENTS, HEALTH_POLICIES, INCIDENTS, WORKLOADS, Ref
from salus.reasons import load_reasons

_WORD = re.compile(r"[A-Z][A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person typed."""

    name: str
    now: bool = False
    """Measure and ask afresh, instead of reading what is on record."""
    prometheus: Prometheus = field(default_factory=Prometheus)


def run(ask: Ask, where: Where, look: Look) -> int:
    """The command. Returns the exit status. Raises CannotBeAsked."""
    name = ask.name
    if ask.now and (_WORD.fullmatch(name) or name.startswith(("inc/", "chev/"))):
        raise CannotBeAsked(f"--now asks about what is now, and {name} is not", tries=["a policy, or deploy/NAME"])
    if _WORD.fullmatch(name) or name in load_reasons():
        show(catalogs.reasons([name], SystemClock().now()), look, get_text.reasons)
        return Exit.YES
    return asyncio.run(_of_the_cluster(ask, where, look))


async def _of_the_cluster(ask: Ask, where: Where, look: Look) -> int:
    async with person_at(where) as person:
        report = await (_now(person, ask, where) if ask.now else explained(person, ask.name, SystemClock().now()))
        show(report, look, explain_text.text)
    return Exit.YES


async def explained(person: Person, name: str, now: datetime) -> Explanation:
    """Why things are so with what has this name. Raises CannotBeAsked."""
    one = named(name, allowed=(HEALTH_POLICIES, *WORKLOADS.values(), INCIDENTS, CHANGE_EVENTS))
    if one.resource in {INCIDENTS, CHANGE_EVENTS}:
        body = await person.get(Ref(one.resource, person.one_namespace(), one.name))
        said = of_incident(body, now) if one.resource == INCIDENTS else of_change(body, now)
        return said.model_copy(update={"cluster": person.context})
    said = why(await _meant(person, name, one), now, person.context)
    return said.model_copy(update={"not_looked_at": tuple(person.not_looked_at)})


async def _now(person: Person, ask: Ask, where: Where) -> Explanation:
    from salus.cli.now import command  # noqa: PLC0415 — the operator's loop is not needed to read records

    logs.nothing()
    one = named(ask.name, allowed=(HEALTH_POLICIES, *WORKLOADS.values()))
    found = await _meant(person, ask.name, one)
    return await command.afresh(person, command.Ask(found, one, where, ask.prometheus), SystemClock().now())


async def _meant(person: Person, name: str, one: Named) -> Situation:
    found = situations(
        await person.objects(HEALTH_POLICIES), await person.around(INCIDENTS), await person.around(CHANGE_EVENTS)
    )
    meant = await chosen(person, found, [one])
    if len(meant) > 1:
        several = ", ".join(f"{each.namespace}/{each.name}" for each in meant)
        raise CannotBeAsked(f"{name} is of several policies", [("which", several)], ["the name of one of them"])
    return meant[0]
