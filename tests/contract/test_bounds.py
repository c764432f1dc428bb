"""What tenants write does not fill the operator's memory on its way in, and takes no more than a share of the way.

The API server is played here: it serves whatever objects a test thinks of, page by page, as the real one does.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from salus.adapters import api
from salus.adapters.api import LARGEST_ANSWER, LARGEST_PAGE, PAGE_SIZE, Connection, Login
from salus.adapters.cluster import ApiCluster
from salus.model.scalars import Body
from salus.ports import CONFIG_MAPS, DEPLOYMENTS, LONGEST_LIST, ClusterError, NotFound, Ref, TooMany, Unavailable
from tests.contract.conftest import Scripted, eventually, kubeconfig, status

KIB, MIB = 2**10, 2**20
FAT = "x" * (200 * KIB)
LARGEST = "\x01" * (1400 * KIB)
"""As much as etcd takes; JSON writes six characters for each of these."""


def item(number: int, annotation: str = "") -> dict[str, Any]:
    """An object of a list."""
    return {"metadata": {"namespace": "shop", "name": f"web-{number}", "annotations": {"a": annotation}}}


@dataclass
class Paged:
    """Serves these objects in pages, and remembers how they were asked for and how much was sent."""

    items: list[Body]
    limits: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        start, limit = int(request.query.get("continue", "0")), int(request.query["limit"])
        self.limits.append(limit)
        self.begun.append(start)
        following = str(start + limit) if start + limit < len(self.items) else ""
        metadata = {"resourceVersion": "7", "continue": following}
        raw = json.dumps({"metadata": metadata, "items": self.items[start : start + limit]}).encode()
        self.lengths.append(len(raw))
        return web.Response(body=raw, content_type="application/json")


@pytest.fixture
async def way(server: Scripted, tmp_path: Path) -> AsyncIterator[Connection]:
    async with await Connection.open(Login(kubeconfig(tmp_path / "kubeconfig", server.url))) as connection:
        yield connection


@pytest.fixture
def cluster(way: Connection) -> ApiCluster:
    return ApiCluster(way)


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([item(n) for n in range(1200)], id="thin ones"),
        pytest.param([item(n, FAT) for n in range(120)], id="fat ones"),
        pytest.param([item(n, "" if n < 900 else FAT) for n in range(960)], id="fat ones behind thin ones"),
        pytest.param([item(n, FAT if n < 60 else "") for n in range(900)], id="thin ones behind fat ones"),
        pytest.param([item(n, LARGEST) for n in range(4)], id="the largest that etcd takes"),
        pytest.param([], id="none"),
    ],
)
async def test_a_list_is_read_whole_in_pages_of_few_bytes(
    cluster: ApiCluster, server: Scripted, items: list[Body]
) -> None:
    """Each object once and in order, and a page that is taken in is a small one, or one object."""
    paged = Paged(items)
    server.answer = paged.answer

    found = [body["metadata"]["name"] async for body in cluster.each(DEPLOYMENTS, None)]

    assert found == [one["metadata"]["name"] for one in items]
    taken = {
        start: (length, limit) for start, length, limit in zip(paged.begun, paged.lengths, paged.limits, strict=True)
    }
    assert all(length <= LARGEST_PAGE or limit == 1 for length, limit in taken.values())
    assert all(length <= LARGEST_ANSWER for length, _ in taken.values())


async def test_thin_objects_take_few_requests(cluster: ApiCluster, server: Scripted) -> None:
    paged = Paged([item(n) for n in range(3000)])
    server.answer = paged.answer

    assert len(await cluster.list(DEPLOYMENTS, "shop")) == 3000
    assert paged.limits[:4] == [50, 200, PAGE_SIZE, PAGE_SIZE]
    assert len(paged.limits) < 10


async def test_an_answer_without_end_is_not_read_to_its_end(cluster: ApiCluster, server: Scripted) -> None:
    sent = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * MIB)
            sent += 1

    server.answer = answer

    with pytest.raises(Unavailable, match=f"longer than {LARGEST_ANSWER} bytes"):
        await cluster.get(Ref(DEPLOYMENTS, "shop", "web"))
    assert sent * MIB < 2 * LARGEST_ANSWER


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda cluster: cluster.list(CONFIG_MAPS, "shop"), id="a list"),
        pytest.param(lambda cluster: cluster.list_metadata(CONFIG_MAPS, "shop"), id="a list of metadata"),
    ],
)
@pytest.mark.parametrize(
    "items",
    [
        pytest.param([item(n) for n in range(LONGEST_LIST + 500)], id="too many"),
        pytest.param([item(n, FAT) for n in range(200)], id="too large together"),
    ],
)
async def test_a_list_without_end_is_not_held(
    cluster: ApiCluster, server: Scripted, items: list[Body], ask: Callable[[ApiCluster], Any]
) -> None:
    """A namespace with a hundred thousand ConfigMaps is its own trouble."""
    server.answer = Paged(items).answer

    with pytest.raises(TooMany, match="there are too many configmaps in shop to be read"):
        await ask(cluster)


async def test_one_after_another_goes_on_when_the_servers_list_is_forgotten(
    cluster: ApiCluster, server: Scripted
) -> None:
    """With the rest as it is by then: what was seen is not seen again."""
    paged = Paged([item(n) for n in range(120)])
    forgotten = iter([True])

    async def answer(request: web.Request) -> web.StreamResponse:
        if "continue" in request.query and next(forgotten, False):
            body = {
                "kind": "Status",
                "metadata": {"continue": request.query["continue"]},
                "code": 410,
                "message": "old",
            }
            return web.json_response(body, status=410)
        return await paged.answer(request)

    server.answer = answer

    assert len([body async for body in cluster.each(DEPLOYMENTS, None)]) == 120
    server.answer = status(410)
    with pytest.raises(ClusterError, match="410"):
        await anext(aiter(cluster.each(DEPLOYMENTS, None)))


def _events(objects: list[Body]) -> Iterator[bytes]:
    for body in objects:
        yield json.dumps({"type": "ADDED", "object": body}).encode() + b"\n"


async def test_the_largest_object_does_not_end_a_watch(way: Connection, server: Scripted) -> None:
    """An author of one object must not have the view of everybody's listed again and again."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for line in _events([item(1), item(2, LARGEST), item(3)]):
            await response.write(line)
        return response

    server.answer = answer

    events = way.watch("/apis/apps/v1/deployments", {}, timedelta(seconds=60))

    assert [event["object"]["metadata"]["name"] async for event in events] == ["web-1", "web-2", "web-3"]


async def test_a_namespace_whose_requests_hang_leaves_room_for_the_others(
    cluster: ApiCluster, server: Scripted
) -> None:
    """And never has more of them under way than its share."""
    hanging = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal hanging
        if "/namespaces/play/" in request.path:
            hanging += 1
            await asyncio.Event().wait()
        return await status(404)(request)

    server.answer = answer
    async with asyncio.TaskGroup() as tasks:
        storm = [tasks.create_task(cluster.get(Ref(DEPLOYMENTS, "play", f"web-{n}"))) for n in range(500)]
        await eventually(lambda: hanging == api.IN_FLIGHT // 2)
        with pytest.raises(NotFound):
            await cluster.get(Ref(DEPLOYMENTS, "shop", "web"))
        assert hanging == api.IN_FLIGHT // 2
        for task in storm:
            task.cancel()


@pytest.mark.parametrize(
    ("path", "namespace", "share"),
    [
        pytest.param("/apis/apps/v1/namespaces/shop/deployments/web", "", "shop", id="an object of a namespace"),
        pytest.param("/api/v1/namespaces/shop/pods", "", "shop", id="a list in a namespace"),
        pytest.param("/apis/apps/v1/deployments", "", "", id="a list in all namespaces"),
        pytest.param("/apis/authorization.k8s.io/v1/x", "shop", "shop", id="a question about a namespace"),
    ],
)
def test_whose_share_a_request_takes(path: str, namespace: str, share: str) -> None:
    assert api.Request("GET", path, namespace=namespace).share == share


# --- ten thousand hostile objects

HOSTILE = 10_000
BOUND = 256
"""MiB that Salus takes at most, with interpreter and libraries, to list and to watch them: docs/how-to/operate.md."""
MUCH = 254 * KIB
SMILE = "\N{GRINNING FACE}"
"""One such character, and a text takes four bytes for each of its characters."""


def _workload(**fields: Any) -> bytes:  # noqa: ANN401
    body = {
        "metadata": {"namespace": "play", "name": "@NAME@", "uid": "u", "generation": 1, **fields.pop("metadata", {})},
        "spec": {"replicas": 0, "template": {"spec": {"containers": fields.pop("containers", [])}}},
        **fields,
    }
    return json.dumps(body, ensure_ascii=False).encode()


CHEAP = (
    _workload(metadata={"labels": {f"{n:0>63}": "v" * 63 for n in range(MUCH // 126)}}),
    _workload(metadata={"annotations": {"a": SMILE + "x" * MUCH}}),
    _workload(containers=[{"name": "web", "image": SMILE + "x" * MUCH}]),
    _workload(status={"conditions": [{"type": "ReplicaFailure", "status": "True", "message": SMILE + "x" * MUCH}]}),
)
COSTLY = (
    _workload(containers=[{"name": "web", "env": [{"name": f"E{n}", "value": "x" * 8} for n in range(MUCH // 32)]}]),
    _workload(metadata={"managedFields": [{"fieldsV1": {f"f:{n}": {} for n in range(MUCH // 16)}}]}),
)
HOSTILITY = CHEAP * 10 + COSTLY
"""A quarter of a megabyte each, in another field each. Fewer of those that take the test long to read."""


def _hostile(number: int) -> bytes:
    return HOSTILITY[number % len(HOSTILITY)].replace(b"@NAME@", f"web-{number}".encode())


async def _serve_hostile(request: web.Request) -> web.StreamResponse:
    """The three kinds share ten thousand of them; a watch tells of a hundred more, and then of the last."""
    plural = request.path.rpartition("/")[2]
    count = {"deployments": HOSTILE - 2 * 3000, "statefulsets": 3000, "daemonsets": 3000}[plural]
    response = web.StreamResponse()
    await response.prepare(request)
    if "watch" in request.query:
        for number in range(100):
            await response.write(b'{"type":"MODIFIED","object":' + _hostile(number) + b"}\n")
        await response.write(b'{"type":"ADDED","object":' + _workload().replace(b"@NAME@", b"last") + b"}\n")
        await asyncio.Event().wait()
    start, limit = int(request.query.get("continue", "0")), int(request.query["limit"])
    end = min(start + limit, count)
    token = str(end) if end < count else ""
    await response.write(json.dumps({"metadata": {"resourceVersion": "7", "continue": token}}).encode()[:-1])
    await response.write(b',"items":[')
    for number in range(start, end):
        await response.write((b"" if number == start else b",") + _hostile(number))
    await response.write(b"]}")
    return response


async def test_ten_thousand_hostile_objects_take_a_bounded_memory(server: Scripted, tmp_path: Path) -> None:
    """Two and a half gigabytes of them, listed and then watched, in a process of its own."""
    server.answer = _serve_hostile
    config = kubeconfig(tmp_path / "kubeconfig", server.url)

    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.contract.informer_alone", str(config)), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await child.communicate()

    assert child.returncode == 0
    seen = json.loads(out)
    assert seen["workloads"] == HOSTILE + 3
    assert seen["peak"] <= BOUND * MIB, f"{seen['peak'] / MIB:.0f} MiB"
