"""Why a server was not reached, or not understood, in words that are ours alone.

What a client library says of a failure quotes the other side (`Bad status line … b'SSH-2.0-…'`) and the URL, whose path
is the secret of many a receiver. These texts end in conditions and records, which tenants read: of an error only its
class is looked at, never its text. The log gets the classes and the numbers, and no more: a server can send back what
it was sent, credentials among it.
"""

import errno
import http.client
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import aiohttp
import requests
import structlog
import urllib3
from aiohttp import http_exceptions

from salus.endpoints.addresses import AddressRefused
from salus.endpoints.settings import CredentialsUnreadable, EndpointSettings

_EXPIRED, _NOT_YET_VALID = 10, 9
_OTHER_NAMES = frozenset({62, 64})
"""OpenSSL's codes (x509_vfy.h), of which Python has no names."""
_NO_TLS_AT_ALL = frozenset(
    {"HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "WRONG_VERSION_NUMBER"}
)
_UNWELCOME = frozenset(
    {
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "TLSV1_ALERT_UNKNOWN_CA",
        "TLSV1_ALERT_ACCESS_DENIED",
    }
)
"""What a server says of the certificate that it was shown, or was not."""
_log = structlog.get_logger(__name__)

Holds = Callable[[BaseException], bool]


@dataclass(frozen=True, slots=True)
class Failure:
    """One word for machines, a sentence for people that goes on from the server's name."""

    reason: str
    message: str


def failure(settings: EndpointSettings, error: BaseException) -> Failure:
    """What an error of a client library means; its particulars go to the log."""
    chain = tuple(_chain(error))
    for one in chain:
        if isinstance(one, CredentialsUnreadable):
            return Failure("CredentialsUnreadable", str(one))
        if isinstance(one, AddressRefused):
            return Failure("AddressRefused", str(one))
    _log.debug("a request failed", server=settings.title, errors=[_particulars(one) for one in chain])
    if any(map(_is_a_timeout, chain)):
        return Failure("Timeout", f"no answer within {settings.timeout.total_seconds():g}s")
    words = next((words for words, holds in _CLASSES if any(map(holds, chain))), "the connection failed")
    return Failure("Unreachable", f"cannot be reached: {words}")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what caused it, wherever the libraries put that; the outermost first."""
    waiting: list[object] = [error]
    seen: list[object] = []
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or any(one is other for other in seen):
            continue
        seen.append(one)
        yield one
        kept = (getattr(one, name, None) for name in ("os_error", "certificate_error", "reason"))
        waiting += [*kept, one.__cause__, one.__context__, *one.args]


def _is(*kinds: type[BaseException]) -> Holds:
    return lambda error: isinstance(error, kinds)


def _has(*numbers: int) -> Holds:
    return lambda error: isinstance(error, OSError) and not _of_tls(error) and error.errno in numbers


def _of_tls(error: BaseException) -> bool:
    return isinstance(error, ssl.SSLError)


def _certificate(*codes: int) -> Holds:
    return lambda error: isinstance(error, ssl.SSLCertVerificationError) and _code(error) in codes


def _code(error: ssl.SSLCertVerificationError) -> int | None:
    """None in aiohttp's wrapper, which is one of these too."""
    return getattr(error, "verify_code", None)


def _speaks_no_tls(error: BaseException) -> bool:
    return isinstance(error, ssl.SSLError) and getattr(error, "reason", None) in _NO_TLS_AT_ALL


def _wants_another_certificate(error: BaseException) -> bool:
    return isinstance(error, ssl.SSLError) and getattr(error, "reason", None) in _UNWELCOME


def _too_many_headers(error: BaseException) -> bool:
    """The standard library has no class of its own for these."""
    return type(error) is http.client.HTTPException


def _is_a_timeout(error: BaseException) -> bool:
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return False  # a ConnectTimeoutError by its base class, and raised for all that a connection may fail by
    return isinstance(error, (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError))


_CLASSES: tuple[tuple[str, Holds], ...] = (
    ("its URL cannot be used", _is(aiohttp.InvalidURL, requests.exceptions.InvalidURL)),
    ("its name cannot be looked up now", lambda e: isinstance(e, socket.gaierror) and e.errno == socket.EAI_AGAIN),
    ("its name is not known", _is(socket.gaierror)),
    ("its certificate is for another name", _certificate(*_OTHER_NAMES)),
    ("its certificate has expired", _certificate(_EXPIRED)),
    ("its certificate is not valid yet", _certificate(_NOT_YET_VALID)),
    ("its certificate is not trusted; caFile names the authorities to trust", _is(ssl.SSLCertVerificationError)),
    ("it wants a client certificate that it trusts; certFile and keyFile name one", _wants_another_certificate),
    ("it does not speak TLS", _speaks_no_tls),
    ("it closed the connection too early", _is(ssl.SSLEOFError, ssl.SSLZeroReturnError)),
    ("TLS could not be agreed on", _of_tls),
    ("it answered with headers that are too large", _is(http_exceptions.LineTooLong, http.client.LineTooLong)),
    ("it answered with headers that are too large", _too_many_headers),
    (
        "it answered with broken HTTP",
        _is(
            http_exceptions.TransferEncodingError,
            http_exceptions.ContentEncodingError,
            urllib3.exceptions.InvalidChunkLength,
            urllib3.exceptions.DecodeError,
        ),
    ),
    (
        "it closed the connection too early",
        _is(
            aiohttp.ServerDisconnectedError,
            http.client.RemoteDisconnected,
            http_exceptions.ContentLengthError,
            http.client.IncompleteRead,
        ),
    ),
    ("the connection was refused", _has(errno.ECONNREFUSED)),
    ("the connection was reset", _has(errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE)),
    ("there is no route to it", _has(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)),
    ("the connection is not permitted", _has(errno.EACCES, errno.EPERM)),
    (
        "it answered with broken HTTP",
        _is(
            aiohttp.ClientResponseError,
            http_exceptions.HttpProcessingError,
            http.client.HTTPException,
            requests.exceptions.InvalidHeader,
        ),
    ),
    ("it closed the connection too early", _is(aiohttp.ClientPayloadError)),
)
"""Words and whom they fit; of several, the first: RemoteDisconnected is a BadStatusLine, too."""


def _particulars(error: BaseException) -> str:
    """The class of an error, and what the operating system or OpenSSL calls it."""
    name = type(error).__name__
    if isinstance(error, ssl.SSLError):
        return f"{name}: {getattr(error, 'reason', None)} {getattr(error, 'verify_code', '')}".rstrip()
    if isinstance(error, OSError) and error.errno is not None:
        return f"{name}: {errno.errorcode.get(error.errno, error.errno)}"
    return name
