"""`kubectl salus withdraw`: show a person a kept release, and put on record, in their name, that it must not come back.

Who may is the API server's to say; this asks it beforehand, so that what is missing is told by its name.
"""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import typer

from salus.adapters.api import Connection, Login, NoCredentials, default_namespace
from salus.adapters.clock import SystemClock
from salus.adapters.cluster import ApiCluster
from salus.adapters.reviews import may, whoami
from salus.cli.asking import NobodyToAsk, agrees, somebody_agrees
from salus.core.objects.workloads import short
from salus.model.scalars import Body, format_time
from salus.ports import KEPT_RELEASES, Cluster, ClusterError, Conflict, Forbidden, Invalid, NotFound, Ref, right

ROLE = "salus-withdrawer"
"""The ClusterRole that has all that it takes; charts/salus/files/user-roles.yaml."""
FIELD_MANAGER = "salus-cli"
WITHDRAWING = frozenset({right("patch", KEPT_RELEASES)})
"""All that the command writes."""


class CannotWithdraw(Exception):
    """This release cannot be withdrawn, or not by this person; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person typed."""

    name: str
    reason: str
    namespace: str | None = None
    only_show: bool = False
    sure: bool = False


def run(wish: Wish, login: Login) -> int:
    """The command. Exit status: 0 withdrawn, or only shown; 1 the person stepped back; 2 it cannot be."""
    try:
        somebody_agrees(sys.stdin, sure=wish.sure or wish.only_show)
        return asyncio.run(_run(wish, login))
    except (CannotWithdraw, ClusterError, NoCredentials, NobodyToAsk) as error:
        typer.echo(f"salus: {error}", err=True)
        return 2


async def _run(wish: Wish, login: Login) -> int:
    async with await Connection.open(login) as connection:
        ref = Ref(KEPT_RELEASES, wish.namespace or default_namespace(login), wish.name)
        me = await whoami(connection)
        cluster = ApiCluster(connection, rights=WITHDRAWING, manager=FIELD_MANAGER)
        body = await find(cluster, ref, me)
        typer.echo(shown(body))
        if wish.only_show:
            return 0
        for verb in ("patch", "withdraw"):
            if not await may(connection, right(verb, KEPT_RELEASES), ref.namespace, ref.name):
                raise CannotWithdraw(lacking(verb, ref, me))
        if not agrees("Withdraw this as yourself? It is for good.", sure=wish.sure):
            return 1
        await withdraw(cluster, body, wish.reason, me, SystemClock().now())
    typer.echo(f"keptrelease/{wish.name} withdrawn")
    return 0


async def find(cluster: Cluster, ref: Ref, me: str) -> Body:
    """The release, if it can be withdrawn. Raises CannotWithdraw, ClusterError."""
    try:
        body = await cluster.get(ref)
    except NotFound as error:
        raise CannotWithdraw(f"there is no keptrelease {ref.name} in namespace {ref.namespace}") from error
    except Forbidden as error:
        raise CannotWithdraw(lacking("get", ref, me)) from error
    if withdrawal := body["spec"].get("withdrawal"):
        text = f"{_plain(withdrawal['by'])}: {_plain(withdrawal['reason'])}"
        raise CannotWithdraw(f"keptrelease {ref.name} was withdrawn already, by {text}")
    return body


async def withdraw(cluster: Cluster, body: Body, reason: str, me: str, now: datetime) -> None:
    """Withdraw the very release that was shown. Raises CannotWithdraw, ClusterError."""
    ref = Ref(KEPT_RELEASES, body["metadata"]["namespace"], body["metadata"]["name"])
    withdrawal = {"by": me, "at": format_time(now), "reason": reason}
    edits: list[dict[str, Any]] = [
        {"op": "test", "path": "/metadata/uid", "value": body["metadata"]["uid"]},
        {"op": "add", "path": "/spec/withdrawal", "value": withdrawal},
    ]
    try:
        await cluster.patch(ref, edits)
    except (Conflict, Invalid) as error:
        await find(cluster, ref, me)  # most likely somebody was faster: then this says who
        raise CannotWithdraw(f"it was not withdrawn: {error}") from error
    except Forbidden as error:
        raise CannotWithdraw(str(error).partition("denied request: ")[2] or str(error)) from error


def lacking(verb: str, ref: Ref, me: str) -> str:
    """Which right is missing, and what grants it."""
    grant = f"kubectl create rolebinding {ROLE}s --clusterrole={ROLE} --user='{me}' -n {ref.namespace}"
    return (
        f"{me} may not {verb} keptreleases in namespace {ref.namespace}; ClusterRole {ROLE} has that right.\n"
        f"An administrator can grant it: {grant}"
    )


def shown(body: Body) -> str:
    """The release for a person who decides: of what, which images, how it fared."""
    return "\n".join(f"{label:<9} {_plain(text)}" for label, text in _lines(body))


def _lines(body: Body) -> Iterator[tuple[str, str]]:
    spec, status, metadata = body["spec"], body.get("status") or {}, body["metadata"]
    target = spec["targetRef"]
    yield "Release", f"{short(spec['release'])}, kept as {metadata['name']}"
    yield "Target", f"{target['kind']}/{target['name']} in {metadata['namespace']}"
    for image in _images(spec):
        yield "Image", image
    proven = f"{status['healthyAt']}, proven by {status.get('provenBy', '?')}" if status.get("healthyAt") else "never"
    yield "Healthy", proven
    if status.get("quarantinedBy"):
        yield "Taken by", status["quarantinedBy"]
    if spec.get("takenOver"):
        yield "Made of", f"ControllerRevision {spec['takenOver']} of an older Salus; delete that too"


def _images(spec: Body) -> Iterator[str]:
    template = ((spec.get("workload") or {}).get("spec") or {}).get("template") or {}
    pod = template.get("spec") or {}
    for container in (*(pod.get("containers") or ()), *(pod.get("initContainers") or ())):
        yield str(container.get("image", "?"))


def _plain(text: str) -> str:
    """Nothing that a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in text)
