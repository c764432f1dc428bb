"""Looking back: range queries through prometheus-api-client, in threads, since they are few.

The library raises whatever the libraries below it raise, follows redirects, reads without end and drops warnings. Its
session is therefore given a hook that takes in, judges and understands each response by the same rules as the hot path,
and connections that look at the address before they open; what the library still raises becomes an Error. Each source
has slots, pauses and threads of its own, so that one that hangs takes none from others, nor from the rest of Salus.
More points than a server gives at once are asked for in pieces. Prometheus shows the last sample of a series that fell
silent for five minutes more: the past is not asked for the age of its samples.
"""

import asyncio
import math
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.client import HTTPException
from itertools import chain
from typing import Any

import requests
import urllib3
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import MetricValueConversionError, PrometheusApiClientException
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from salus.core.policy.promql import Foreign, bound_to
from salus.endpoints.addresses import refuse
from salus.endpoints.failures import failure
from salus.endpoints.settings import Credentials, CredentialsUnreadable
from salus.endpoints.shares import Shares
from salus.model.values.metrics import Error, Query, Sample
from salus.sources.patience import Pauses
from salus.sources.prometheus import MAX_BODY
from salus.sources.reply import Course, data_in, described, range_in, too_large
from salus.sources.router import unknown_source
from salus.sources.settings import SourceSettings

IN_FLIGHT = 4
MOST_POINTS = 11_000
"""Of a series, in one answer: what Prometheus gives, and most of what speaks its API."""
_CHUNK = 64 * 1024
_UNDERSTOOD = b'{"status":"success","data":{"resultType":"matrix","result":[]}}'
"""What the library is given to read in place of what was understood already."""


@dataclass(frozen=True, slots=True)
class Span:
    """What is asked for: points from start to end."""

    start: datetime
    end: datetime
    step: timedelta

    def pieces(self, most: int = MOST_POINTS) -> Iterator["Span"]:
        """The same points, in spans of as many as a server gives at once."""
        start, longest = self.start, (most - 1) * self.step
        while start <= self.end:
            yield Span(start, min(start + longest, self.end), self.step)
            start += longest + self.step


class PrometheusHistory:
    """A MetricHistory over `/api/v1/query_range` of the configured sources."""

    def __init__(self, sources: Mapping[str, SourceSettings], slots: int = IN_FLIGHT) -> None:
        self._sources = {name: _Past(settings, slots) for name, settings in sources.items()}

    async def samples(
        self, question: Query, start: datetime, end: datetime, step: timedelta
    ) -> Sequence[Sample] | Error:
        """Samples from start to end, oldest first; gaps are left out, as are NaN and infinite values."""
        given = await self.courses(question, Span(start.replace(microsecond=0), end, step))
        return given if isinstance(given, Error) else one_series(given, question)

    async def courses(self, question: Query, span: Span) -> Sequence[Course] | Error:
        """All series of the answer over a span that begins at a whole second; gaps are left out, not all is finite."""
        past = self._sources.get(question.source)
        return unknown_source(question.source, self._sources) if past is None else await past.courses(question, span)


class _Past:
    """The past of one source; its threads end when nobody refers to it any more."""

    def __init__(self, settings: SourceSettings, slots: int) -> None:
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix=f"past of {settings.name}")
        self._settings = settings
        self._credentials = Credentials(settings)
        self._shares = Shares(slots)
        self._pauses = Pauses(time.monotonic)

    async def courses(self, question: Query, span: Span) -> Sequence[Course] | Error:
        """As those of `PrometheusHistory`."""
        namespace = question.namespace
        async with self._shares.slot(namespace):
            if refusal := self._pauses.refusal(namespace):
                return refusal
            given = await self._in_pieces(question, span)
        self._pauses.note(namespace, given)
        return given

    async def _in_pieces(self, question: Query, span: Span) -> Sequence[Course] | Error:
        """No server gives more points at once, and one that is not asked in time is not asked on."""
        found: list[Sequence[Course]] = []
        for piece in span.pieces():
            given = await self._in_time(question, piece)
            if isinstance(given, Error):
                return given
            found.append(given)
        return joined(found)

    async def _in_time(self, question: Query, span: Span) -> Sequence[Course] | Error:
        """Nobody waits longer for a thread than for an answer."""
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._courses, question, span)
        try:
            return await asyncio.wait_for(work, self._settings.timeout.total_seconds())
        except TimeoutError as error:
            return _error(self._settings, requests.Timeout(error))

    def _courses(self, question: Query, span: Span) -> Sequence[Course] | Error:
        try:
            return [course for course in self._query(question, span) if _is_meant(course, question)]
        except _Refused as refused:
            return refused.error
        except _FAILURES as error:
            return _error(self._settings, error)

    def _query(self, question: Query, span: Span) -> Sequence[Course]:
        settings, credentials = self._settings, self._credentials
        timeout, url = settings.timeout.total_seconds(), credentials.url().rstrip("/")
        binding, may_lack = settings.binding, settings.binding.labels if question.or_missing else ()
        query = bound_to(question.query, binding.matchers(question.namespace), or_missing=may_lack)
        understood: list[Course] = []
        session = _session(settings, understood.extend)
        credentials.tls()  # requests reads the file itself, and would say less of one that cannot be used
        with PrometheusConnect(
            url=url,
            headers=credentials.headers() | settings.tenancy(question.namespace),
            session=session,
            timeout=timeout,
            method=settings.method,
        ) as prometheus:
            session.mount(url, _CarefulAdapter(max_retries=Retry(0, read=False)))  # read=False: a timeout stays one
            prometheus.custom_query_range(
                query, span.start, span.end, f"{span.step.total_seconds():.3f}", params={"timeout": f"{timeout:.3f}"}
            )
        return understood


class _Refused(Exception):
    """A response that must not be trusted."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.message)
        self.error = error


_FAILURES = (
    CredentialsUnreadable,
    OSError,  # requests.RequestException and AddressRefused are among these
    urllib3.exceptions.HTTPError,
    HTTPException,
    PrometheusApiClientException,
    MetricValueConversionError,
    ValueError,  # Foreign is among these
    ArithmeticError,  # and what a library stumbles over when the other side says what nobody says
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
)


def _error(settings: SourceSettings, error: Exception) -> Error:
    name = settings.title
    match error:
        case Foreign():
            return Error(error.reason, f"{name}: {error}")
        case CredentialsUnreadable() | OSError() | urllib3.exceptions.HTTPError():
            failed = failure(settings, error)
            return Error(failed.reason, f"{name}: {failed.message}")
    return Error("NotPrometheus", f"{name} answered something else than the Prometheus HTTP API does")


def _session(settings: SourceSettings, take: Callable[[Sequence[Course]], None]) -> requests.Session:
    def judge(response: requests.Response, **_: object) -> None:
        judged = _judged(settings, response)
        if isinstance(judged, Error):
            response.close()
            raise _Refused(judged)
        take(judged)
        response._content = _UNDERSTOOD  # noqa: SLF001 - the library reads it from there, however it was read

    session = requests.Session()
    session.trust_env = False
    session.verify = str(settings.ca_file) if settings.ca_file else True
    session.cert = (str(settings.cert_file), str(settings.key_file)) if settings.cert_file else None
    session.hooks["response"] = judge
    return session


def _judged(settings: SourceSettings, response: requests.Response) -> Sequence[Course] | Error:
    name = settings.title
    body = _read(response, time.monotonic() + settings.timeout.total_seconds())
    data = too_large(name, MAX_BODY) if body is None else data_in(name, response.status_code, body, settings.method)
    return data if isinstance(data, Error) else range_in(name, data)


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


def _is_meant(course: Course, question: Query) -> bool:
    return question.select is None or course.labels.get(question.select[0]) == question.select[1]


def joined(pieces: Iterable[Sequence[Course]]) -> tuple[Course, ...]:
    """The series of a span from those of its pieces, which are given in order."""
    whole: dict[frozenset[tuple[str, str]], tuple[Course, list[Sample]]] = {}
    for course in chain.from_iterable(pieces):
        _, samples = whole.setdefault(frozenset(course.labels.items()), (course, []))
        samples += course.samples
    return tuple(Course(course.labels, tuple(samples)) for course, samples in whole.values())


def one_series(courses: Sequence[Course], question: Query) -> Sequence[Sample] | Error:
    """The samples of the one series that the question is about; an error when there are several."""
    courses = [course for course in courses if _is_meant(course, question)]
    if len(courses) > 1:
        shown = " and ".join(described(course.labels) for course in courses[:2])
        return Error("SeveralSeries", f"expected one series, got {len(courses)}: {shown}")
    samples = courses[0].samples if courses else ()
    return [sample for sample in samples if math.isfinite(sample.value)]
