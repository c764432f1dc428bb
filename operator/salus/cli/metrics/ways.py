"""How requests reach a Prometheus: by its URL, or through the API server's proxy as the person at its other end.

Neither raises for what a server or a network does. By URL, history is read by prometheus-api-client, as the operator
reads it; everything else, and all that goes through the API server, are plain requests.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

import aiohttp

from salus.adapters.service_proxy import ServiceProxy
from salus.cli.metrics.place import Place
from salus.endpoints.failures import failure
from salus.endpoints.session import open_session
from salus.endpoints.settings import Credentials, CredentialsUnreadable
from salus.model.values.configuration import Binding
from salus.model.values.metrics import Error, Query
from salus.ports import ClusterError, Forbidden, TooMany
from salus.sources.history import PrometheusHistory, Span
from salus.sources.prometheus import MAX_BODY, body_of
from salus.sources.reply import Course, data_in, range_in, too_large
from salus.sources.settings import SourceSettings

NOT_LET_THROUGH = "ProxyForbidden"
"""Reason of an Error: the person may not use the API server's proxy."""
QUERY, QUERY_RANGE, SERIES, LABELS = (f"/api/v1/{path}" for path in ("query", "query_range", "series", "labels"))
_TAKE_POST = frozenset({QUERY, SERIES, LABELS})
_SLOTS = 8
"""Of the history's source, half of which one namespace takes."""

Observe = Callable[[str, float], None]
"""Told of each request, and how many seconds it took."""


class Way(Protocol):
    """How requests reach one Prometheus; `namespace` is that on whose behalf a source with tenants is asked."""

    async def get(self, path: str, asked: Mapping[str, str], namespace: str) -> tuple[int, bytes] | Error:
        """Status and body of an answer."""
        ...

    async def courses(self, query: str, span: Span, namespace: str) -> Sequence[Course] | Error:
        """All series over a span of no more points than a server gives at once."""
        ...

    async def close(self) -> None:
        """End all connections."""
        ...


def say(request: str, seconds: float) -> None:
    """What `-v` says of a request."""
    sys.stderr.write(f"{request} {seconds * 1000:.0f} ms\n")


class ByUrl:
    """As the operator asks its sources."""

    def __init__(self, settings: SourceSettings, observe: Observe | None = None) -> None:
        self._settings = settings
        self._credentials = Credentials(settings)
        self._session: aiohttp.ClientSession | None = None
        unbound = replace(settings, binding=Binding())  # what is asked is bound already
        self._history = PrometheusHistory({settings.name: unbound}, _SLOTS)
        self._observe: Observe = observe or (lambda *_: None)

    async def get(self, path: str, asked: Mapping[str, str], namespace: str) -> tuple[int, bytes] | Error:
        """As `Way`."""
        began = time.monotonic()
        try:
            return await self._send(path, asked, namespace)
        except (CredentialsUnreadable, aiohttp.ClientError, OSError) as error:
            failed = failure(self._settings, error)
            return Error(failed.reason, f"{self._settings.title}: {failed.message}")
        finally:
            self._observe(path, time.monotonic() - began)

    async def _send(self, path: str, asked: Mapping[str, str], namespace: str) -> tuple[int, bytes] | Error:
        settings = self._settings
        by_post = path in _TAKE_POST and settings.method == "POST"
        async with self._open().request(
            "POST" if by_post else "GET",
            self._credentials.url(path),
            params=None if by_post else asked,
            data=asked if by_post else None,
            headers=self._credentials.headers() | settings.tenancy(namespace),
            ssl=self._credentials.tls(),
            allow_redirects=False,
        ) as response:
            body = await body_of(response)
            return (response.status, body) if body is not None else too_large(settings.title, MAX_BODY)

    async def courses(self, query: str, span: Span, namespace: str) -> Sequence[Course] | Error:
        """As `Way`."""
        began = time.monotonic()
        question = Query(self._settings.name, query, timedelta(0), namespace=namespace)
        given = await self._history.courses(question, span)
        self._observe(QUERY_RANGE, time.monotonic() - began)
        return given

    async def close(self) -> None:
        """As `Way`."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = open_session(self._settings.timeout)
        return self._session


class ByProxy:
    """Through the API server, which says who may."""

    def __init__(self, proxy: ServiceProxy, settings: SourceSettings) -> None:
        self._proxy = proxy
        self._settings = settings

    async def get(self, path: str, asked: Mapping[str, str], namespace: str) -> tuple[int, bytes] | Error:
        """As `Way`."""
        settings = self._settings
        headers = {**settings.headers, **settings.tenancy(namespace)}
        try:
            return await self._proxy.get(path, asked, headers, MAX_BODY)
        except TooMany:
            return too_large(settings.title, MAX_BODY)
        except Forbidden as error:
            return Error(NOT_LET_THROUGH, str(error))
        except ClusterError as error:
            return Error("Unreachable", f"{settings.title} cannot be reached: {error}")

    async def courses(self, query: str, span: Span, namespace: str) -> Sequence[Course] | Error:
        """As `Way`."""
        given = await self.get(QUERY_RANGE, over(query, span, self._settings.timeout), namespace)
        if isinstance(given, Error):
            return given
        data = data_in(self._settings.title, *given, "GET")
        return data if isinstance(data, Error) else range_in(self._settings.title, data)

    async def close(self) -> None:
        """Nothing: the connection is the person's."""


def over(query: str, span: Span, patience: timedelta) -> Mapping[str, str]:
    """A range query, as the API takes it."""
    return {
        "query": query,
        "start": f"{span.start.timestamp():.3f}",
        "end": f"{span.end.timestamp():.3f}",
        "step": f"{span.step.total_seconds():.3f}",
        "timeout": f"{patience.total_seconds():.3f}",
    }


def way_to(place: Place, proxy: ServiceProxy | None, observe: Observe | None = None) -> Way:
    """The way to a place; `proxy`: to its Service."""
    return ByProxy(proxy, place.settings) if proxy is not None else ByUrl(place.settings, observe)
