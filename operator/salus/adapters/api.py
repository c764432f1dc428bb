"""The way to the API server: credentials as the `kubernetes` package finds them, requests by aiohttp and orjson.

Bodies go out and come in as they are: typed models would take three times as long, and refuse a reply after the write
has happened. Every way to fail becomes a ClusterError here, once. Path, verb and body are left to `cluster` and
`informer`; nobody else imports `kubernetes`.

What tenants write is bounded on its way in, in bytes: an answer, a page of a list, a line of a watch. And each
namespace has a share of the requests under way: five hundred unhealthy targets of one do not stand before the others.
"""

import asyncio
import ipaddress
import os
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import aiohttp
import orjson
import structlog
import yaml
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.payload import BytesPayload
from kubernetes.aio import config as kubernetes_config
from kubernetes.aio.client import ApiClient, Configuration

from salus.endpoints.shares import Shares
from salus.model.scalars import Body
from salus.ports import ClusterError, Conflict, Forbidden, Invalid, NotFound, Rejected, Throttled, Unavailable

JSON = "application/json"
PAGE_SIZE = 500
"""Objects of a page, at most: as many as PAGE_BYTES hold, as the page before lets one guess."""
FIRST_PAGE = 50
"""Objects of a list's first page: most lists have no other."""
PAGE_BYTES = 4 * 2**20
LARGEST_FIRST_PAGE = 2**20
LARGEST_PAGE = 2 * PAGE_BYTES
"""Bytes; of a longer page nothing more is read, and fewer objects are asked for."""
LARGEST_ANSWER = 16 * 2**20
"""Bytes of an answer, or of one watch event. etcd takes objects of 1.5 MiB, which JSON may make six times as long."""
LONG_LISTS = 3
"""Pages beyond the first that are read at the same time: each may take LARGEST_PAGE, and a multiple once parsed."""
IN_FLIGHT = 48
"""Requests at the same time, watches apart; half of them for one namespace, while it is alone."""
REQUEST_TIMEOUT = timedelta(seconds=10)
SILENCE_TIMEOUT = timedelta(seconds=70)
"""A watch that says nothing for so long is dead: the server sends a bookmark about once a minute."""

_DEFAULT_RETRY_AFTER = 1.0
_LONGEST_HOLD = 60.0
"""Seconds; a server, or something before it, that asks for a longer pause is asked again after this one."""
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_log = structlog.get_logger(__name__)
T = TypeVar("T")


class Gone(Rejected):
    """410: the server has forgotten this resourceVersion; list again, or go on with what the list is by now."""

    def __init__(self, message: str, go_on: str = "") -> None:
        super().__init__(message)
        self.go_on = go_on
        """Where the rest of the list begins, as it is now."""


class NoCredentials(Exception):
    """There is no usable configuration for reaching an API server; the message says where it was looked for."""


@dataclass(frozen=True, slots=True)
class Login:
    """Where to find the API server and who to be there."""

    kubeconfig: Path | None = None
    """None: $KUBECONFIG, else the pod's service account, else ~/.kube/config."""
    context: str | None = None
    """None: the current one."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every request."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request to be."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Body | Sequence[Mapping[str, Any]] | None = None
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    fence: Callable[[], None] | None = None
    """Called when the body is about to leave, after every wait for a connection; raises to keep it here."""
    namespace: str = ""
    """Whose share of the requests it takes, where the path does not say."""

    @property
    def share(self) -> str:
        """The namespace that it is made for; empty: for all."""
        _, _, below = self.path.partition("/namespaces/")
        return self.namespace or below.partition("/")[0]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class _Body(BytesPayload):
    """A body that asks its fence before it leaves. The headers wait for it, so a refusal sends nothing at all."""

    def __init__(self, request: Request) -> None:
        super().__init__(orjson.dumps(request.body, default=dict), content_type=request.content_type)
        self._fence = request.fence

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        if self._fence is not None:
            self._fence()
        await super().write_with_length(writer, content_length)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list."""

    items: list[Body]
    """Emptied when the next page is asked for: two at a time would take twice the memory."""
    version: str
    length: int
    """Bytes that it came in."""


class Connection:
    """An open way to one API server; credentials that expire are read again.

    After a 429 nothing is sent before the time that the server asked for is over: what is asked until then fails as
    Throttled, here. The server throttles by who asks, so one answer speaks for all requests.
    """

    def __init__(
        self, login: Login, client: ApiClient, patience: timedelta, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._login = login
        self._client = client
        self._monotonic = monotonic
        self._held_until = 0.0
        self._renewing = asyncio.Lock()
        self._slots = Shares(IN_FLIGHT)
        self._long_lists = Shares(LONG_LISTS)
        self._observe: Callable[[Request, float], None] = lambda *_: None
        self._patience = aiohttp.ClientTimeout(total=patience.total_seconds())
        self._session = _session(client, client.configuration.connection_pool_maxsize)
        self._watching = _session(client, 0)
        """Apart, and without a bound: three watches a namespace would leave no connection to the other requests."""

    @classmethod
    async def open(
        cls,
        login: Login | None = None,
        *,
        patience: timedelta = REQUEST_TIMEOUT,
        monotonic: Callable[[], float] = time.monotonic,
        observe: Callable[["Request", float], None] | None = None,
    ) -> Self:
        """Read the credentials; nothing is sent yet. An answer may take as long as `patience`. Raises NoCredentials.

        `observe` is told of each request that was answered, watches apart, and how many seconds that took.
        """
        login = login or Login()
        connection = cls(login, await _client(login), patience, monotonic)
        connection._observe = observe or connection._observe
        return connection

    async def close(self) -> None:
        """End all connections; what is under way ends as Unavailable."""
        await self._session.close()
        await self._watching.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def send(self, request: Request) -> Body:
        """The object that the server answers with. Raises ClusterError."""
        return _object(request, await self._answer(request, LARGEST_ANSWER))

    async def pages(
        self, path: str, query: Mapping[str, str], accept: str = JSON, *, go_on: bool = False
    ) -> AsyncIterator[Page]:
        """A list in pages, of as many objects as bytes allow.

        Raises Gone if it took so long that its start is forgotten; `go_on`: then it goes on as it is by now.
        """
        asked, limit = Request("GET", path, headers={"Accept": accept}), min(FIRST_PAGE, PAGE_SIZE)
        token, first = "", True
        while True:
            request = replace(asked, query={**query, "limit": str(limit), "continue": token})
            try:
                page, following = await self._page(request, limit, first=first)
            except TooLong:
                if limit == 1 and not first:
                    raise
                limit, first = limit if first else max(1, limit // 8), False
                continue
            except Gone as error:
                if not go_on or not error.go_on:
                    raise
                token = error.go_on
                continue
            limit, token, first = _next_limit(limit, page), following, False
            yield page
            page.items.clear()
            if not token:
                return

    async def _page(self, request: Request, limit: int, *, first: bool) -> tuple[Page, str]:
        """A page, and where the next one begins."""
        if first:
            return _page_of(request, await self._answer(request, LARGEST_FIRST_PAGE))
        async with self._long_lists.slot(request.share):
            return _page_of(request, await self._answer(request, LARGEST_PAGE if limit > 1 else LARGEST_ANSWER))

    async def watch(self, path: str, query: Mapping[str, str], silence: timedelta) -> AsyncIterator[Body]:
        """Watch events, bookmarks among them, until the server ends the stream.

        Raises ClusterError: Gone to list again, Unavailable after `silence` without a line.
        """
        client = self._client
        request = Request("GET", path, {**query, "watch": "true", "allowWatchBookmarks": "true"})
        patience = aiohttp.ClientTimeout(sock_connect=self._patience.total, sock_read=silence.total_seconds())
        try:
            async with self._watching.request(**await self._arguments(request, patience)) as response:
                if response.status != 200:
                    raise self._refused(request, response, await response.read())
                async for line in _lines(request, response):
                    yield _event(request, line)
        except _Unauthorized as error:
            await self._login_again(client, request)
            raise Unavailable(f"{request}: the credentials were out of date, and have been read again") from error
        except _FAILURES as error:
            raise _unavailable(request, error) from error

    async def relay(self, request: Request, most: int) -> tuple[int, bytes]:
        """Status and body of what a server behind the API server's proxy says, whatever that is, of `most` bytes.

        Raises ClusterError for what the API server itself says, and TooLong.
        """
        return await self._logged_in(request, partial(self._exchange, request, most))

    async def _answer(self, request: Request, most: int) -> bytes:
        """The body of a good answer; of one that is longer than `most` nothing is kept."""
        return await self._logged_in(request, partial(self._send, request, most))

    async def _logged_in(self, request: Request, send: Callable[[], Awaitable[T]]) -> T:
        client = self._client
        try:
            return await send()
        except _Unauthorized:
            # Nothing happened, and the token may only be out of date: once more with what the files say now.
            await self._login_again(client, request)
            return await send()

    async def _send(self, request: Request, most: int) -> bytes:
        """The body of a good answer."""
        response, raw = await self._answered(request, most)
        if not 200 <= response.status < 300:
            raise self._refused(request, response, raw)
        return raw

    async def _exchange(self, request: Request, most: int) -> tuple[int, bytes]:
        """An answer that is not the API server's own."""
        response, raw = await self._answered(request, most)
        if response.status >= 400 and (_parsed(raw) or {}).get("kind") == "Status":
            raise self._refused(request, response, raw)
        return response.status, raw

    async def _answered(self, request: Request, most: int) -> tuple[aiohttp.ClientResponse, bytes]:
        began = self._monotonic()
        try:
            async with (
                self._slots.slot(request.share),
                self._session.request(**await self._arguments(request, self._patience)) as response,
            ):
                raw = await _read(request, response, most)
        except _FAILURES as error:
            if isinstance(error.__cause__, ClusterError):  # the fence's: nothing was sent
                raise error.__cause__ from None
            raise _unavailable(request, error) from error
        self._observe(request, self._monotonic() - began)
        return response, raw

    def _refused(self, request: Request, response: aiohttp.ClientResponse, raw: bytes) -> ClusterError:
        """The error for this answer; a 429 holds back everything that follows."""
        error = _refusal(request, response, raw)
        if isinstance(error, Throttled):
            pause = min(error.retry_after.total_seconds(), _LONGEST_HOLD)
            self._held_until = max(self._held_until, self._monotonic() + pause)
            _log.warning("The API server asks for a pause, nothing is sent meanwhile", seconds=pause, error=str(error))
        return error

    def _unless_held(self, request: Request) -> None:
        left = self._held_until - self._monotonic()
        if left > 0:
            text = f"{request}: not sent, the API server has asked for a pause, which lasts {left:.1f}s more"
            raise Throttled(text, timedelta(seconds=left))

    async def _arguments(self, request: Request, patience: aiohttp.ClientTimeout) -> dict[str, Any]:
        if self._session.closed:
            raise Unavailable(f"{request}: not sent, the connection is closed")
        self._unless_held(request)
        configuration, transport = self._client.configuration, self._client.rest_client
        authorization = (await configuration.auth_settings()).get("BearerToken", {}).get("value")
        return {
            "method": request.method,
            "url": f"{configuration.host}{request.path}",
            "params": {key: value for key, value in request.query.items() if value},
            "data": None if request.body is None else _Body(request),
            "headers": {
                "Accept": JSON,
                "Content-Type": request.content_type,
                **({"Authorization": authorization} if authorization else {}),
                **self._login.headers,
                **request.headers,
            },
            "ssl": transport.ssl_context,
            "server_hostname": configuration.tls_server_name,
            "proxy": configuration.proxy,
            "timeout": patience,
            "allow_redirects": False,
        }

    async def _login_again(self, stale: ApiClient, request: Request) -> None:
        async with self._renewing:
            if self._client is not stale:
                return
            _log.info("The API server does not know us any more; reading the credentials again", request=str(request))
            try:
                self._client = await _client(self._login)
            except NoCredentials as error:
                raise Forbidden(f"{request}: {error}") from error


def _session(client: ApiClient, connections: int) -> aiohttp.ClientSession:
    """At most so many connections at a time; 0: no bound."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        trust_env=not _is_loopback(client.configuration.host),
    )


async def _read(request: Request, response: aiohttp.ClientResponse, most: int) -> bytes:
    """The body, unpacked. Raises TooLong, and then the connection is closed."""
    raw = bytearray()
    async for chunk in response.content.iter_any():
        raw += chunk
        if len(raw) > most:
            raise TooLong(f"{request}: the answer is longer than {most} bytes")
    return bytes(raw)


async def _lines(request: Request, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Line by line. Raises TooLong for one without end."""
    rest = bytearray()
    async for chunk in response.content.iter_any():
        *ends, begun = chunk.split(b"\n")
        for end in ends:
            yield bytes(rest + end)
            rest.clear()
        rest += begun
        if len(rest) > LARGEST_ANSWER:
            raise TooLong(f"{request}: an event is longer than {LARGEST_ANSWER} bytes")
    if rest:
        yield bytes(rest)


def _page_of(request: Request, raw: bytes) -> tuple[Page, str]:
    """A page, and where the next one begins."""
    body = _object(request, raw)
    if body.get("items", raw) is None:  # a list of metadata in which there is nothing
        body = {**body, "items": []}
    if not _is_list(body):
        raise Unavailable(f"{request}: the answer is not a list of objects")
    metadata = body["metadata"]
    return Page(body["items"], metadata.get("resourceVersion") or "", len(raw)), metadata.get("continue") or ""


def _next_limit(limit: int, page: Page) -> int:
    """How many objects as large as those of this page fit into the next; it grows by steps."""
    fitting = PAGE_BYTES * len(page.items) // max(page.length, 1)
    return max(1, min(fitting, 4 * limit, PAGE_SIZE))


class TooLong(Unavailable):
    """The answer is longer than what is read of one."""


class _Unauthorized(Forbidden):
    """401: who we are is not known, so nothing was done."""


_FAILURES = (
    aiohttp.ClientError,
    HttpProcessingError,  # a line beyond the longest
    kubernetes_config.ConfigException,  # the token's file is empty at this moment
    OSError,
    TimeoutError,
    ValueError,  # a header that cannot be sent
)


_NO_KUBECONFIG = (AttributeError, IndexError, KeyError, TypeError)
"""What the library makes of a file that is empty, or of another shape."""
_UNREADABLE = (kubernetes_config.ConfigException, yaml.YAMLError, OSError, ValueError, *_NO_KUBECONFIG)


def _cannot_use(source: str | None, error: Exception) -> NoCredentials:
    why = f"it holds no kubeconfig ({error})" if isinstance(error, _NO_KUBECONFIG) else str(error)
    return NoCredentials(f"cannot use {source or 'the service account of the pod'}: {why}")


async def _client(login: Login) -> ApiClient:
    configuration = await _configuration(login)
    try:
        return ApiClient(configuration)
    except (OSError, ValueError) as error:  # a certificate that cannot be used
        raise _cannot_use(_source(login), error) from error


async def _configuration(login: Login) -> Configuration:
    configuration = Configuration()
    try:
        await _configure(configuration, login)
    except _UNREADABLE as error:
        raise _cannot_use(_source(login), error) from error
    return configuration


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach the API server and who to be there, for a client that is not ours."""

    server: str
    ca_path: str | None
    insecure: bool
    scheme: str | None
    token: str | None
    certificate_path: str | None
    private_key_path: str | None
    proxy: str | None
    trust_env: bool


async def access(login: Login) -> Access:
    """What the files say at this moment. Raises NoCredentials."""
    configuration = await _configuration(login)
    try:
        authorization = (await configuration.auth_settings()).get("BearerToken", {}).get("value") or ""
    except kubernetes_config.ConfigException as error:
        raise _cannot_use(_source(login), error) from error
    scheme, _, token = authorization.partition(" ")
    return Access(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        scheme=scheme or None,
        token=token or None,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        proxy=configuration.proxy,
        trust_env=not _is_loopback(configuration.host),
    )


async def _configure(configuration: Configuration, login: Login) -> None:
    path = _source(login)
    if path is None:
        kubernetes_config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]  # theirs, not ours
        return
    if not _exists(path):
        raise ValueError("there is no such file; give --kubeconfig, set KUBECONFIG, or run inside a cluster")
    await kubernetes_config.load_kube_config(  # type: ignore[no-untyped-call]  # theirs, not ours
        config_file=path, context=login.context, client_configuration=configuration, persist_config=False
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a login leads."""

    context: str
    """Of the kubeconfig; empty in a pod."""
    namespace: str
    """That kubectl would take."""


def place(login: Login) -> Place:
    """The context of this login, and the namespace that kubectl would take for it. Raises NoCredentials."""
    path = _source(login)
    if path is None:
        own = _POD_NAMESPACE.read_text(encoding="utf-8").strip() if _POD_NAMESPACE.is_file() else "default"
        return Place("", own)
    try:
        contexts, active = kubernetes_config.list_kube_config_contexts(path)  # type: ignore[no-untyped-call]  # a part of the library without types
        chosen = next((one for one in contexts if one["name"] == login.context), active)
        return Place(str(chosen["name"]), str(chosen["context"].get("namespace") or "default"))
    except _UNREADABLE as error:
        raise _cannot_use(path, error) from error


def default_namespace(login: Login) -> str:
    """The namespace that kubectl would take for this login. Raises NoCredentials."""
    return place(login).namespace


def _source(login: Login) -> str | None:
    """Which kubeconfig; None: the service account of the pod that we are in."""
    if login.kubeconfig is not None:
        return str(login.kubeconfig)
    if path := os.environ.get("KUBECONFIG"):
        return path
    return None if "KUBERNETES_SERVICE_HOST" in os.environ else "~/.kube/config"


def _exists(paths: str) -> bool:
    """Whether one of the files is there; KUBECONFIG may name several."""
    return any(Path(part).expanduser().is_file() for part in paths.split(os.pathsep))


def _is_loopback(url: str) -> bool:
    """As Go's clients, a server on this machine is never asked for through a proxy."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unavailable(request: Request, error: BaseException) -> Unavailable:
    if isinstance(error, TimeoutError):
        return Unavailable(f"{request}: no answer in time")
    if isinstance(error, ssl.SSLError):
        return Unavailable(f"{request}: TLS failed: {error}")
    return Unavailable(f"{request}: {str(error) or type(error).__name__}")


def _object(request: Request, raw: bytes) -> Body:
    answer = _parsed(raw)
    if answer is None:
        raise Unavailable(f"{request}: answered with something that is not a JSON object")
    return answer


def _parsed(raw: bytes) -> Body | None:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _is_list(page: Body) -> bool:
    items = page.get("items")
    return (
        isinstance(page.get("metadata"), dict) and isinstance(items, list) and all(type(item) is dict for item in items)
    )


def _event(request: Request, line: bytes) -> Body:
    event = _parsed(line) or {}
    body = event.get("object")
    if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict):
        raise Unavailable(f"{request}: the watch carried something that is not an event")
    if event.get("type") == "ERROR":
        raise _error(int(body.get("code") or 500), f"{request}: {body.get('message', 'watch failed')}", body)
    return event


def _refusal(request: Request, response: aiohttp.ClientResponse, raw: bytes) -> ClusterError:
    status = _parsed(raw) or {}
    message = f"{request}: {response.status} {status.get('message') or response.reason}"
    return _error(response.status, message, status, response.headers.get("Retry-After", ""))


def _error(code: int, message: str, status: Body, retry_after: str = "") -> ClusterError:
    """The error of ports.py for an HTTP status and the Status object that came with it."""
    if code == 429:
        seconds = float(retry_after) if retry_after.isdecimal() else _DEFAULT_RETRY_AFTER
        return Throttled(message, timedelta(seconds=seconds))
    if code in (400, 422):
        return Invalid(message, _causes(status))
    if code == 410:
        return Gone(message, _rest(status))
    if code in _KINDS:
        return _KINDS[code](message)
    return Rejected(message) if 400 <= code < 500 and code != 408 else Unavailable(message)


_KINDS: Mapping[int, type[ClusterError]] = {
    401: _Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
}


def _rest(status: Body) -> str:
    """Where a list that was forgotten goes on."""
    metadata = status.get("metadata")
    return str(metadata.get("continue") or "") if isinstance(metadata, dict) else ""


def _causes(status: Body) -> tuple[tuple[str, str], ...]:
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    found = [cause for cause in causes or () if isinstance(cause, dict)]
    return tuple((str(cause.get("field", "")), str(cause.get("message", ""))) for cause in found)
