"""Where the credentials come from, and what becomes of old ones."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from salus.adapters.api import Connection, Login, NoCredentials
from salus.adapters.cluster import ApiCluster
from salus.model.scalars import Body
from salus.ports import NotFound, Unavailable
from tests.contract.cluster_port.objects import REF
from tests.contract.conftest import Scripted, kubeconfig, status
from tests.fakes.cluster import SPECIMENS
from tests.rows import Row, sentence


@dataclass(frozen=True, slots=True)
class Unusable(Row):
    """A kubeconfig that is of no use."""

    content: str | None
    """None: there is no file."""
    message: str
    """A part of it."""


UNUSABLE = [
    Unusable("no file", None, "no such file"),
    Unusable("no YAML", "a: [", "cannot use"),
    Unusable("no configuration", "kind: Config\n", "Expected"),
]


class TestCredentials:
    """The API server, played."""

    async def test_a_token_that_was_replaced_is_read_again(self, server: Scripted, tmp_path: Path) -> None:
        """A service account's token lives for an hour; the write that meets its end is not lost."""
        token = tmp_path / "token"
        token.write_text("old")
        login = Login(kubeconfig(tmp_path / "kubeconfig", server.url, tokenFile=str(token)))

        async def answer(request: web.Request) -> web.StreamResponse:
            known = request.headers.get("Authorization") == "Bearer new"
            return web.json_response({"kind": "Deployment"}) if known else await status(401)(request)

        server.answer = answer
        async with await Connection.open(login) as connection:
            token.write_text("new")
            assert await ApiCluster(connection, rights=SPECIMENS).patch(REF, []) == {"kind": "Deployment"}

        assert [seen.get("Authorization") for seen in server.seen] == ["Bearer old", "Bearer new"]

    async def test_a_server_on_this_machine_is_not_asked_for_through_a_proxy(
        self, server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As kubectl does it; one elsewhere is."""
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        async with await Connection.open(Login(kubeconfig(tmp_path / "here", server.url))) as here:
            with pytest.raises(NotFound):
                await ApiCluster(here).get(REF)
        async with await Connection.open(Login(kubeconfig(tmp_path / "there", "http://192.0.2.1"))) as there:
            with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
                await ApiCluster(there).get(REF)

    async def test_a_body_goes_out_as_it_is(self, server: Scripted, tmp_path: Path) -> None:
        """With the media type of its kind of patch."""
        bodies: list[Body] = []

        async def answer(request: web.Request) -> web.StreamResponse:
            bodies.append(json.loads(await request.read()))
            return web.json_response({})

        server.answer = answer
        async with await Connection.open(Login(kubeconfig(tmp_path / "kubeconfig", server.url))) as connection:
            cluster = ApiCluster(connection, rights=SPECIMENS)
            await cluster.patch(REF, ({"op": "test", "path": "/x", "value": ("a", None)},))
            await cluster.update_status(REF, {"gone": None})

        assert bodies == [[{"op": "test", "path": "/x", "value": ["a", None]}], {"status": {"gone": None}}]
        assert [seen["Content-Type"] for seen in server.seen] == [
            "application/json-patch+json",
            "application/merge-patch+json",
        ]

    @pytest.mark.parametrize("row", UNUSABLE, ids=sentence)
    async def test_unusable_credentials_are_named(self, tmp_path: Path, row: Unusable) -> None:
        path = tmp_path / "kubeconfig"
        if row.content is not None:
            path.write_text(row.content)

        with pytest.raises(NoCredentials, match=row.message) as caught:
            await Connection.open(Login(path))

        assert str(path) in str(caught.value)

    async def test_outside_a_cluster_the_usual_places_are_looked_at(
        self, server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """$KUBECONFIG, then the pod's service account, then the home folder."""
        server.answer = status(404)
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "kubeconfig", server.url)))
        async with await Connection.open() as connection:
            with pytest.raises(NotFound):
                await ApiCluster(connection).get(REF)

        monkeypatch.delenv("KUBECONFIG")
        monkeypatch.setenv("HOME", str(tmp_path))
        with pytest.raises(NoCredentials, match=r"~/\.kube/config"):
            await Connection.open()
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "9")
        with pytest.raises(NoCredentials, match="service account of the pod"):
            await Connection.open()
