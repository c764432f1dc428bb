"""Kopf's watch of the policies: it logs in with what the operator logs in with, and outlives its credentials."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from salus import handlers
from salus.adapters.api import Login
from salus.core.policy.compile import Catalog
from salus.handlers import Credentials, PolicyWatch
from salus.model.scalars import API_VERSION, Body
from salus.model.values.keys import PolicyKey
from salus.model.values.policies import Policy
from salus.store import PolicyStore
from tests.builders import a_policy_body
from tests.contract.conftest import Scripted, eventually, kubeconfig, status

VERBS = ["list", "watch"]
KINDS = {
    "/api/v1": ("Namespace", "namespaces"),
    "/apis/apiextensions.k8s.io/v1": ("CustomResourceDefinition", "customresourcedefinitions"),
    f"/apis/{API_VERSION}": ("HealthPolicy", "healthpolicies"),
}
"""What kopf discovers before it watches."""


class Told:
    """Who is told of policies; remembers their names."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def accepted(self, policy: Policy, body: Body) -> None:  # noqa: ARG002 — as the store calls it
        self.names.append(policy.key.name)

    def refused(self, body: Body, error: Exception) -> None:  # noqa: ARG002 — as the store calls it
        raise AssertionError(f"refused: {error}")

    def removed(self, key: PolicyKey) -> None:
        self.names.remove(key.name)

    def escaped(self, about: str, error: BaseException) -> None:
        raise AssertionError(f"{about}: {error}")


@dataclass
class Guarded:
    """An API server with one list of policies for whoever shows the right token; a watch lasts until `know_only`."""

    mounted: Path
    """The token's file, as the kubelet replaces it."""
    token: str = "old"  # noqa: S105 — of a test
    new: list[Body] = field(default_factory=list)
    """What a watch tells when it begins."""
    broken: int = 0
    """So many watches break off with an error of the API server."""
    closed: bool = False
    """The namespace `closed` forbids."""
    forbidden: int = 0
    refused: int = 0
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    def know_only(self, token: str) -> None:
        """Forget the old token, end all watches, and have one policy more."""
        self.token, self.new = token, [policy("second")]
        self._over.set()
        self._over = asyncio.Event()

    def mount(self, token: str) -> None:
        """Replace the token's file."""
        self.mounted.write_text(token)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            self.refused += 1
            return await status(401)(request)
        if self.closed and "/namespaces/closed/" in request.path:
            self.forbidden += 1
            return await status(403)(request)
        if "watch" in request.query and self.broken:
            self.broken -= 1
            told = {"type": "ERROR", "object": {"kind": "Status", "code": 500, "reason": "InternalError"}}
            return web.Response(text=json.dumps(told) + "\n")
        if "watch" in request.query:
            over, response = self._over, web.StreamResponse()
            await response.prepare(request)
            for body in self.new:
                await response.write(json.dumps({"type": "ADDED", "object": body}).encode() + b"\n")
            await over.wait()
            return response
        return web.json_response(self._found(request.path))

    def _found(self, path: str) -> dict[str, Any]:
        if path.endswith("healthpolicies"):
            name = "late" if "/namespaces/closed/" in path else "first"
            return {"metadata": {"resourceVersion": "1"}, "items": [policy(name)]}
        if path in KINDS:
            kind, name = KINDS[path]
            return {"resources": [{"name": name, "singularName": "", "kind": kind, "namespaced": True, "verbs": VERBS}]}
        return {"versions": ["v1"], "groups": [_group(*path.split("/")[2:]) for path in list(KINDS)[1:]]}


def _group(name: str, version: str) -> dict[str, Any]:
    return {"name": name, "versions": [{"version": version}], "preferredVersion": {"version": version}}


def policy(name: str) -> Body:
    """As a list gives it."""
    body = a_policy_body(name=name, uid=f"uid-{name}")
    return {"apiVersion": API_VERSION, "kind": "HealthPolicy", **body, "spec": {**body["spec"], "source": "default"}}


@contextlib.asynccontextmanager
async def watching(login: Login, *namespaces: str) -> AsyncIterator[Told]:
    """Kopf runs until the end of the block."""
    told = Told()
    task = asyncio.create_task(PolicyWatch(PolicyStore(Catalog({}, ["default"]), told), login, namespaces).run())
    try:
        yield told
        assert not task.done(), "kopf has ended by itself"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def guarded(server: Scripted, tmp_path: Path) -> Guarded:
    played = Guarded(tmp_path / "token")
    played.mount("old")
    server.answer = played.answer
    return played


@pytest.fixture
def login(server: Scripted, guarded: Guarded, tmp_path: Path) -> Login:
    return Login(kubeconfig(tmp_path / "kubeconfig", server.url, tokenFile=str(guarded.mounted)))


async def test_a_token_that_was_replaced_is_read_again(guarded: Guarded, login: Login) -> None:
    async with watching(login) as told:
        await eventually(lambda: told.names == ["first"])
        guarded.mount("new")
        guarded.know_only("new")

        await eventually(lambda: "second" in told.names)
    assert guarded.refused > 0


async def test_a_token_that_is_replaced_too_late_costs_time_only(
    guarded: Guarded, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused again and again with the same credentials, kopf goes on asking; it would end by itself otherwise."""
    monkeypatch.setattr(handlers, "SAME_AGAIN", 0.05)
    async with watching(login) as told:
        await eventually(lambda: told.names == ["first"])
        guarded.know_only("new")
        await eventually(lambda: guarded.refused >= 6)
        guarded.mount("new")

        await eventually(lambda: "second" in told.names)


async def test_a_namespace_that_was_closed_for_long_is_seen_again_and_costs_the_others_nothing(
    guarded: Guarded, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kopf gives up after nine attempts, and ends."""
    monkeypatch.setattr(handlers, "PAUSES", (0.01,))
    guarded.closed = True
    async with watching(login, "shop", "closed") as told:
        await eventually(lambda: guarded.forbidden > 15)
        await eventually(lambda: told.names == ["first"])

        guarded.closed = False

        await eventually(lambda: "late" in told.names)


async def test_a_watch_that_breaks_off_with_an_error_of_the_api_server_begins_anew(
    guarded: Guarded, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of any but 410 kopf ends."""
    monkeypatch.setattr(handlers, "PAUSES", (0.01,))
    monkeypatch.setattr(handlers, "SAME_AGAIN", 0.05)
    guarded.broken, guarded.new = 3, [policy("second")]
    async with watching(login) as told:
        await eventually(lambda: "second" in told.names)


async def test_the_context_that_was_asked_for_is_used(
    login: Login, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Watching the policies of one cluster and acting on another would be the worst of mistakes."""
    assert login.kubeconfig is not None
    document = yaml.safe_load(login.kubeconfig.read_text())
    document["clusters"].append({"name": "elsewhere", "cluster": {"server": "http://127.0.0.1:9"}})
    document["contexts"].append(
        {"name": "elsewhere", "context": {**document["contexts"][0]["context"], "cluster": "elsewhere"}}
    )
    here, document["current-context"] = document["current-context"], "elsewhere"
    path = tmp_path / "two"
    path.write_text(json.dumps(document))
    monkeypatch.setenv("KUBECONFIG", str(path))

    async with watching(Login(context=here)) as told:
        await eventually(lambda: told.names == ["first"])


async def test_credentials_are_never_equal_to_those_that_were_refused(
    login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kopf keeps what was refused, and would take an equal one, such as a certificate at the same path, for that."""
    monkeypatch.setattr(handlers, "SAME_AGAIN", 0.0)
    credentials = Credentials(login)

    first, second = await credentials.read(), await credentials.read()

    assert first != second
    assert (first.token, second.token) == ("old", "old")
