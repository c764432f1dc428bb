"""Looking back: range queries through prometheus-api-client, in threads, since they are few.

The library raises four families of exceptions, follows redirects, reads without end and drops warnings. Its session is
therefore given a hook that takes in and judges each response by the same rules as the hot path, and connections that
look at the address before they open; what the library still raises becomes an Error.
Prometheus itself bounds a series to 11,000 points, and shows the last sample of a series that fell silent for five
minutes more: the past is not asked for the age of its samples.
"""

import asyncio
import math
import socket
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
import urllib3
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from salus.core.promql import ForeignNamespace, bound_to
from salus.endpoints.addresses import refuse
from salus.endpoints.failures import failure
from salus.endpoints.settings import Credentials, CredentialsUnreadable
from salus.model.values import Error, Question, Sample
from salus.sources.prometheus import MAX_BODY
from salus.sources.reply import data_in, described, too_large
from salus.sources.router import unknown_source
from salus.sources.settings import SourceSettings

IN_FLIGHT = 4
_CHUNK = 64 * 1024


class PrometheusHistory:
    """A MetricHistory over `/api/v1/query_range` of the configured sources."""

    def __init__(self, sources: Mapping[str, SourceSettings]) -> None:
        self._sources = sources
        self._credentials = {name: Credentials(settings) for name, settings in sources.items()}
        self._slots = asyncio.Semaphore(IN_FLIGHT)

    async def samples(
        self, question: Question, start: datetime, end: datetime, step: timedelta
    ) -> Sequence[Sample] | Error:
        """Samples from start to end, oldest first; gaps are left out, as are NaN and infinite values."""
        settings = self._sources.get(question.source)
        if settings is None:
            return unknown_source(question.source, self._sources)
        async with self._slots:
            return await asyncio.to_thread(self._samples, settings, question, start, end, step)

    def _samples(
        self, settings: SourceSettings, question: Question, start: datetime, end: datetime, step: timedelta
    ) -> Sequence[Sample] | Error:
        try:
            rows = self._query(settings, question, start, end, step)
            return _one_series(rows, question)
        except _Refused as refused:
            return refused.error
        except _FAILURES as error:
            return _error(settings, error)

    def _query(
        self, settings: SourceSettings, question: Question, start: datetime, end: datetime, step: timedelta
    ) -> list[Mapping[str, Any]]:
        timeout, url = settings.timeout.total_seconds(), settings.url.rstrip("/")
        query = bound_to(question.query, question.namespace) if settings.enforce_namespace else question.query
        session = _session(settings)
        with PrometheusConnect(
            url=url,
            headers=self._credentials[settings.name].headers() | settings.tenancy(question.namespace),
            session=session,
            timeout=timeout,
            method="POST",
        ) as prometheus:
            session.mount(url, _CarefulAdapter(max_retries=Retry(0, read=False)))  # read=False: a timeout stays one
            rows: list[Mapping[str, Any]] = prometheus.custom_query_range(
                query, start, end, f"{step.total_seconds():.3f}", params={"timeout": f"{timeout:.3f}"}
            )
        return rows


class _Refused(Exception):
    """A response that must not be trusted."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.message)
        self.error = error


_FAILURES = (
    CredentialsUnreadable,
    OSError,  # requests.RequestException and AddressRefused are among these
    urllib3.exceptions.HTTPError,
    PrometheusApiClientException,
    KeyError,
    IndexError,
    TypeError,
    ValueError,  # ForeignNamespace is among these
    OverflowError,
)


def _error(settings: SourceSettings, error: Exception) -> Error:
    name = settings.title
    match error:
        case ForeignNamespace():
            return Error("ForeignNamespace", f"{name}: {error}")
        case CredentialsUnreadable() | OSError() | urllib3.exceptions.HTTPError():
            failed = failure(settings, error)
            return Error(failed.reason, f"{name}: {failed.message}")
    return Error("NotPrometheus", f"{name} answered something else than the Prometheus HTTP API does")


def _session(settings: SourceSettings) -> requests.Session:
    def judge(response: requests.Response, **_: object) -> None:
        name = settings.title
        body = _read(response, time.monotonic() + settings.timeout.total_seconds())
        judged = too_large(name, MAX_BODY) if body is None else data_in(name, response.status_code, body)
        if isinstance(judged, Error):
            response.close()
            raise _Refused(judged)
        response._content = body  # noqa: SLF001 - the library reads it from there, however it was read

    session = requests.Session()
    session.trust_env = False
    session.verify = _authorities(settings.ca_file)
    session.hooks["response"] = judge
    return session


def _read(response: requests.Response, deadline: float) -> bytes | None:
    """The body, unpacked; None as soon as it is larger than is allowed. Raises Timeout when it takes too long."""
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > MAX_BODY:
            return None
        if time.monotonic() > deadline:
            raise requests.Timeout
    return bytes(body)


class _CarefulAdapter(HTTPAdapter):
    """Opens connections that look at the address first."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - handed on
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}


class _Careful(urllib3.connection.HTTPConnection):
    """A connection to one of the very addresses that were looked at: the name is resolved once."""

    def _new_conn(self) -> socket.socket:
        host = self._dns_host
        found = [str(where[0]) for *_, where in socket.getaddrinfo(host, self.port, type=socket.SOCK_STREAM)]
        for address in found:
            refuse(address)
        try:
            return self._first_of(found)
        finally:
            self._dns_host = host

    def _first_of(self, addresses: Sequence[str]) -> socket.socket:
        for address in addresses:
            self._dns_host = address
            try:
                return super()._new_conn()
            except urllib3.exceptions.NewConnectionError:
                if address == addresses[-1]:
                    raise
        raise OSError("the name has no address")


class _CarefulTls(_Careful, urllib3.connection.HTTPSConnection):
    """The same with TLS; the certificate is still checked for the name."""


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Careful


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _CarefulTls


def _authorities(ca_file: Path | None) -> bool | str:
    return str(ca_file) if ca_file else True


def _one_series(rows: Sequence[Mapping[str, Any]], question: Question) -> Sequence[Sample] | Error:
    if question.select is not None:
        label, value = question.select
        rows = [row for row in rows if row["metric"].get(label) == value]
    if len(rows) > 1:
        shown = " and ".join(described(row["metric"]) for row in rows[:2])
        return Error("SeveralSeries", f"expected one series, got {len(rows)}: {shown}")
    points = rows[0]["values"] if rows else ()
    samples = (Sample(datetime.fromtimestamp(at, UTC), float(value)) for at, value in points)
    return [sample for sample in samples if math.isfinite(sample.value)]
