"""`kubectl salus approve` and `deny`: show a person what is asked, and put their answer on record, in their own name.

Who may answer is the API server's to say; this asks it beforehand, so that what is missing is told by its name.
"""

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

import typer

from salus.adapters.clock import SystemClock
from salus.cli import answer_text, following
from salus.cli.asking import agrees, somebody_agrees
from salus.cli.contract import CannotBeAsked, Exit
from salus.cli.following import Seen
from salus.cli.person import Person, Where, person_at, told
from salus.cli.questions import Around, around, closed, question
from salus.cli.reports.question import Answer, Happened, Questions
from salus.cli.show import Form, Look, screen, show
from salus.cli.word import Word, read, say, see_that_they_may
from salus.model.change import ApprovalDecision
from salus.model.scalars import Body, format_time
from salus.ports import CHANGE_EVENTS, Ref, Throttled, Unavailable, right

ANSWER = Word(CHANGE_EVENTS, "approval", "approve", "salus-approver")
ANSWERING = frozenset({right("patch", CHANGE_EVENTS)})
"""All that the command writes."""
AGAIN = 2.0
"""Seconds between two looks of somebody who waits."""
_VERBS: Mapping[ApprovalDecision, str] = {ApprovalDecision.APPROVED: "Approve", ApprovalDecision.DENIED: "Deny"}
_FOR_PROGRAMS = (Form.JSON, Form.YAML)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person typed."""

    name: str
    """Empty: they want to choose."""
    decision: ApprovalDecision
    ticket: str = ""
    reason: str = ""
    only_show: bool = False
    sure: bool = False
    wait: bool | None = None
    """None: on a terminal."""


def run(wish: Wish, where: Where, look: Look) -> int:
    """The command. Exit status: 0 answered, or only shown; 1 they stepped back, or it ended otherwise; 3 not known.

    Raises CannotBeAsked.
    """
    if wish.sure and not wish.name:
        raise CannotBeAsked("--yes takes one question by its name", tries=[f"{_command(wish)} NAME --yes"])
    if wish.name:
        somebody_agrees(sys.stdin, sure=wish.sure or wish.only_show)
    return asyncio.run(_run(wish, where, look))


def _command(wish: Wish) -> str:
    return f"salus {_VERBS[wish.decision].lower()}"


async def _run(wish: Wish, where: Where, look: Look) -> int:
    async with person_at(where, ANSWERING) as person:
        me, now = await person.name(), SystemClock().now()
        if wish.name:
            return await _about(person, wish, await the_question(person, wish.name, me, now), me, look)
        found = await open_questions(person, now)
        if not found:
            sys.stderr.write(f"no open question {_where(person)}\n")
        if wish.only_show or look.form in _FOR_PROGRAMS or not found:
            show(await listed(person, found, now), look, answer_text.text)
            return Exit.YES
        chosen = found[0] if len(found) == 1 and _is_asked() else await _choice(person, wish, found, look)
        return await _about(person, wish, chosen, me, look) if chosen is not None else Exit.NO


def _where(person: Person) -> str:
    return f"in namespace {person.namespace}" if person.namespace else "in any namespace"


def _is_asked() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


# --- which question


async def open_questions(person: Person, now: datetime) -> list[Body]:
    """What can be answered, the most urgent first. Raises CannotBeAsked."""
    found = [body for body in await person.objects(CHANGE_EVENTS) if closed(body, now) is None]
    return sorted(found, key=lambda body: (str(body["spec"].get("expiresAt", "")), body["metadata"]["name"]))


async def the_question(person: Person, name: str, me: str, now: datetime) -> Body:
    """The record of this name, if it can be answered. Raises CannotBeAsked."""
    if person.namespace is None:
        found = [body for body in await open_questions(person, now) if body["metadata"]["name"] == name]
        if len(found) != 1:
            raise CannotBeAsked(
                f"{len(found)} open questions have the name {name}", tries=["-n NAMESPACE instead of -A"]
            )
        return found[0]
    return await still_open(person, Ref(CHANGE_EVENTS, person.namespace, name), me, now)


async def still_open(person: Person, ref: Ref, me: str, now: datetime) -> Body:
    """The record, if it can be answered. Raises CannotBeAsked."""
    body = await read(person, ANSWER, ref, me)
    if reason := closed(body, now):
        raise CannotBeAsked(f"changeevent {ref.name} {reason}")
    return body


async def listed(person: Person, bodies: Sequence[Body], now: datetime) -> Questions:
    """All of them, as far as their records tell."""
    return Questions(
        cluster=person.context,
        at=now,
        namespace=person.namespace or "",
        items=tuple(question(body, Around(), now) for body in bodies),
        not_looked_at=tuple(person.not_looked_at),
    )


async def one(person: Person, body: Body, now: datetime) -> Questions:
    """One of them, with what lies around."""
    found = question(body, await around(person, body), now)
    return Questions(
        cluster=person.context,
        at=now,
        namespace=found.namespace,
        about=found.name,
        items=(found,),
        not_looked_at=tuple(person.not_looked_at),
    )


async def _choice(person: Person, wish: Wish, found: Sequence[Body], look: Look) -> Body | None:
    """By its number; None: they step back. Raises CannotBeAsked."""
    show(await listed(person, found, SystemClock().now()), look, answer_text.text)
    if not _is_asked():
        where = f" -n {found[0]['metadata']['namespace']}"
        example = f"{_command(wish)} {found[0]['metadata']['name']}{where}"
        raise CannotBeAsked("nobody to ask which of them", tries=[example])
    said = typer.prompt(
        f"{_VERBS[wish.decision]} which? 1 to {len(found)}, Enter for none", default="", show_default=False, err=True
    )
    if not said:
        return None
    if not said.isdecimal() or not 1 <= int(said) <= len(found):
        raise CannotBeAsked(f'"{said}" is none of them', [("expected", f"a number from 1 to {len(found)}")])
    return found[int(said) - 1]


# --- the answer


async def _about(person: Person, wish: Wish, body: Body, me: str, look: Look) -> int:
    """Show it, ask, put the answer on record, and see what comes of it."""
    now = SystemClock().now()
    asked = await one(person, body, now)
    if wish.only_show:
        show(asked, look, answer_text.text)
        return Exit.YES
    for_programs = look.form in _FOR_PROGRAMS
    seen = replace(look, form=Form.TEXT) if for_programs else look
    show(asked, seen, answer_text.text, sys.stderr if for_programs else sys.stdout)
    ref = Ref(CHANGE_EVENTS, body["metadata"]["namespace"], body["metadata"]["name"])
    await see_that_they_may(person, ANSWER, ref, me)
    if not agrees(f"{_VERBS[wish.decision]} this as {me}?", sure=wish.sure):
        return Exit.NO
    await answer(person, body, wish, me, SystemClock().now())
    given, waits = _answered(asked, wish, me), sys.stdout.isatty() if wish.wait is None else wish.wait
    until = following.patience(body, given.answered_at) if waits else None
    return await _after(person, given, until, look)


async def answer(person: Person, body: Body, wish: Wish, me: str, now: datetime) -> None:
    """Set the approval on the very record that was shown. Raises CannotBeAsked."""
    ref = Ref(CHANGE_EVENTS, body["metadata"]["namespace"], body["metadata"]["name"])
    words = {"ticket": wish.ticket, "reason": wish.reason}
    given = {
        "decision": wish.decision.value,
        "by": me,
        "at": format_time(now),
        "digest": body["spec"]["digest"],
        **{field: word for field, word in words.items() if word},
    }
    await say(person, ANSWER, body, given, lambda: still_open(person, ref, me, now))


def _answered(asked: Questions, wish: Wish, me: str) -> Answer:
    now = SystemClock().now()
    return Answer(
        cluster=asked.cluster,
        at=now,
        question=asked.items[0],
        decision=wish.decision.value,
        by=me,
        ticket=wish.ticket,
        reason=wish.reason,
        answered_at=now,
        not_looked_at=asked.not_looked_at,
    )


async def _after(person: Person, given: Answer, until: datetime | None, look: Look) -> int:
    """Say that it is on record, and what comes of it, if they wait for that."""
    shown, for_programs = screen(look), look.form in _FOR_PROGRAMS

    def tell(news: Happened) -> None:
        if not for_programs:
            shown.write([answer_text.happened(news, shown)])
            sys.stdout.flush()

    if not for_programs:
        shown.write(answer_text.answered(given, shown))
    seen = await follow(person, given, until, tell) if until is not None else Seen(ends=Exit.YES)
    if for_programs:
        show(given.model_copy(update={"happened": seen.happened, "outcome": seen.outcome}), look, answer_text.answered)
    if seen.ends is None:
        sys.stderr.write(
            f"not known how it ends; salus explain chev/{given.question.name}, and see whether Salus runs\n"
        )
    return Exit.UNKNOWN if seen.ends is None else seen.ends


async def follow(
    person: Person, given: Answer, until: datetime, tell: Callable[[Happened], None], again: float = AGAIN
) -> Seen:
    """Look until it is known how it ended, or there is nothing to wait for any more."""
    ref = Ref(CHANGE_EVENTS, given.question.namespace, given.question.name)
    clock, seen = SystemClock(), Seen()
    while True:
        with told(person), suppress(Unavailable, Throttled):
            before, seen = seen, following.look(await person.cluster.get(ref), ApprovalDecision(given.decision))
            for news in seen.happened[len(before.happened) :]:
                tell(news)
        if seen.ends is not None or clock.now() > until:
            return seen
        await asyncio.sleep(again)
