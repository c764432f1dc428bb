"""`kubectl salus approve` and `deny`: show a person what is asked, and put their answer on record, in their own name.

Who may answer is the API server's to say; this asks it beforehand, so that what is missing is told by its name.
"""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import typer

from salus.adapters.api import Connection, Login, NoCredentials, default_namespace
from salus.adapters.clock import SystemClock
from salus.adapters.cluster import ApiCluster
from salus.adapters.reviews import may, whoami
from salus.cli.asking import NobodyToAsk, agrees, somebody_agrees
from salus.core.records.changes import question_digest
from salus.model.scalars import Body, format_duration, format_time, parse_time
from salus.ports import CHANGE_EVENTS, Cluster, ClusterError, Conflict, Forbidden, Invalid, NotFound, Ref, right

ROLE = "salus-approver"
"""The ClusterRole that has all that it takes; charts/salus/files/user-roles.yaml."""
FIELD_MANAGER = "salus-cli"
ANSWERING = frozenset({right("patch", CHANGE_EVENTS)})
"""All that the command writes."""
Decision = Literal["Approved", "Denied"]
_VERBS: Mapping[Decision, str] = {"Approved": "Approve", "Denied": "Deny"}


class CannotAnswer(Exception):
    """This record cannot be answered, or not by this person; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person typed."""

    name: str
    decision: Decision
    namespace: str | None = None
    ticket: str = ""
    only_show: bool = False
    sure: bool = False


def run(wish: Wish, login: Login) -> int:
    """The command. Returns the exit status: 0 answered, or only shown; 1 the person stepped back; 2 it cannot be."""
    try:
        somebody_agrees(sys.stdin, sure=wish.sure or wish.only_show)
        return asyncio.run(_run(wish, login))
    except (CannotAnswer, ClusterError, NoCredentials, NobodyToAsk) as error:
        typer.echo(f"salus: {error}", err=True)
        return 2


async def _run(wish: Wish, login: Login) -> int:
    async with await Connection.open(login) as connection:
        ref = Ref(CHANGE_EVENTS, wish.namespace or default_namespace(login), wish.name)
        me = await whoami(connection)
        cluster = ApiCluster(connection, rights=ANSWERING, manager=FIELD_MANAGER)
        body = await question(cluster, ref, me, SystemClock().now())
        typer.echo(shown(body, SystemClock().now()))
        if wish.only_show:
            return 0
        for verb in ("patch", "approve"):
            if not await may(connection, right(verb, CHANGE_EVENTS), ref.namespace, ref.name):
                raise CannotAnswer(lacking(verb, ref, me))
        if not agrees(f"{_VERBS[wish.decision]} this as yourself?", sure=wish.sure):
            return 1
        await answer(cluster, body, wish, me, SystemClock().now())
    typer.echo(f"changeevent/{wish.name} {wish.decision.lower()}")
    return 0


async def question(cluster: Cluster, ref: Ref, me: str, now: datetime) -> Body:
    """The record, if it can be answered. Raises CannotAnswer, ClusterError."""
    try:
        body = await cluster.get(ref)
    except NotFound as error:
        raise CannotAnswer(f"there is no changeevent {ref.name} in namespace {ref.namespace}") from error
    except Forbidden as error:
        raise CannotAnswer(lacking("get", ref, me)) from error
    if reason := closed(body, now):
        raise CannotAnswer(f"changeevent {ref.name} {reason}")
    return body


async def answer(cluster: Cluster, body: Body, wish: Wish, me: str, now: datetime) -> None:
    """Set the approval on the very record that was shown. Raises CannotAnswer, ClusterError."""
    ref = Ref(CHANGE_EVENTS, body["metadata"]["namespace"], body["metadata"]["name"])
    given = {"decision": wish.decision, "by": me, "at": format_time(now), "digest": body["spec"]["digest"]}
    edits: list[dict[str, Any]] = [
        {"op": "test", "path": "/metadata/uid", "value": body["metadata"]["uid"]},
        {"op": "add", "path": "/spec/approval", "value": {**given, **({"ticket": wish.ticket} if wish.ticket else {})}},
    ]
    try:
        await cluster.patch(ref, edits)
    except (Conflict, Invalid) as error:
        await question(cluster, ref, me, now)  # most likely somebody was faster: then this says who
        raise CannotAnswer(f"the answer was not taken: {error}") from error
    except Forbidden as error:
        raise CannotAnswer(str(error).partition("denied request: ")[2] or str(error)) from error


def closed(body: Body, now: datetime) -> str | None:
    """Why a record cannot be answered; None when it can."""
    spec, status = body["spec"], body.get("status") or {}
    if spec["decision"] != "AwaitApproval":
        return f"asks nobody: its decision is {spec['decision']}"
    if approval := spec.get("approval"):
        at = f" at {approval['at']}" if approval.get("at") else ""
        return f"was answered already: {approval['decision']} by {_plain(approval['by'])}{at}"
    if status.get("outcome"):
        return f"is over: {status['outcome']}, {_plain(status.get('message', ''))}"
    expires = spec.get("expiresAt")
    if expires and parse_time(expires) <= now:
        return f"expired at {expires}; if the service is still unhealthy, Salus goes on with the next remedy"
    if question_digest(body["metadata"]["namespace"], spec) != spec.get("digest"):
        return "is not what Salus wrote: its digest does not fit its patch; do not approve it"
    return None


def lacking(verb: str, ref: Ref, me: str) -> str:
    """Which right is missing, and what grants it."""
    grant = f"kubectl create rolebinding {ROLE}s --clusterrole={ROLE} --user='{me}' -n {ref.namespace}"
    return (
        f"{me} may not {verb} changeevents in namespace {ref.namespace}; ClusterRole {ROLE} has that right.\n"
        f"An administrator can grant it: {grant}"
    )


def shown(body: Body, now: datetime) -> str:
    """The record for a person who decides: what is done to what, why, as whom, and how long there is."""
    return "\n".join(f"{label:<9} {_plain(text)}" for label, text in _lines(body, now))


def _lines(body: Body, now: datetime) -> Iterator[tuple[str, str]]:
    spec, namespace = body["spec"], body["metadata"]["namespace"]
    target, before = spec["targetRef"], spec.get("before") or {}
    yield "Change", f"{body['metadata']['name']} of policy {spec['policyRef']['name']}"
    yield "Target", f"{target['kind']}/{target['name']} in {namespace}, generation {before.get('generation', '?')}"
    yield "Action", f"{spec['action']}: {spec['message']}"
    for edit in spec.get("patch") or ():
        if edit["op"] != "test":
            yield "Patch", f"{edit['op']} {edit['path']} {edit.get('value', '')}"
    if images := _coming(before, spec.get("intended") or {}):
        yield "Images", images
    for found in spec.get("evidence") or ():
        since = f", since {found['since']}" if found.get("since") else ""
        yield "Because", f"{found['check']} is {found.get('value') or 'unknown'} ({found.get('threshold', '')}){since}"
    yield "Done by", (spec.get("actor") or {}).get("identity") or "Salus' own account"
    yield "Expires", _left(spec.get("expiresAt"), now)


def _coming(before: Body, intended: Body) -> str:
    """Which images a rollback brings back, and which it takes away; nothing for another action."""
    if before.get("release") == intended.get("release"):
        return ""
    back, live = (", ".join(facts.get("images") or ()) or "not on record" for facts in (intended, before))
    return f"{back}, instead of {live}"


def _left(expires: str | None, now: datetime) -> str:
    if not expires:
        return "not said"
    return f"{expires}, in {format_duration(max(parse_time(expires) - now, timedelta(0)))}"


def _plain(text: str) -> str:
    """Nothing that a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in text)
