"""Sinks over HTTP: each event is one POST in CloudEvents' structured mode, answered with 2xx by who has taken it.

What a receiver says beyond its status is not read: reports show the status of policies to their authors, and a receiver
is none of their business. Redirects are not followed, since what stands behind them was configured by nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import ClassVar

import aiohttp
import orjson

from salus.endpoints.failures import failure
from salus.endpoints.session import open_session
from salus.endpoints.settings import Credentials, CredentialsUnreadable, EndpointSettings
from salus.model.scalars import Body
from salus.ports import NotTaken

CONTENT_TYPE = "application/cloudevents+json; charset=UTF-8"
_OF_THIS_EVENT = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.CONFLICT,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""By these a receiver refuses what it was sent; by all others it refuses us, or is not well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSettings(EndpointSettings):
    """One receiver; its URL is what is posted to."""

    KIND: ClassVar = "sink"


class HttpSink:
    """One receiver of events."""

    def __init__(self, settings: SinkSettings) -> None:
        self._settings = settings
        self._credentials = Credentials(settings)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, event: Body) -> NotTaken | None:
        """Send one event; None: it was taken."""
        if self._session is None:
            self._session = open_session(self._settings.timeout)
        try:
            async with self._session.post(
                self._credentials.url(),
                data=orjson.dumps(event),
                headers={**self._credentials.headers(), "Content-Type": CONTENT_TYPE},
                ssl=self._credentials.tls(),
                allow_redirects=False,
            ) as response:
                return _judged(response.status, response.headers.get("Retry-After", ""))
        except (CredentialsUnreadable, aiohttp.ClientError, OSError) as error:
            failed = failure(self._settings, error)
            return NotTaken(failed.reason, failed.message)


def _judged(status: int, retry_after: str) -> NotTaken | None:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return NotTaken("HttpError", f"answered with a redirect (HTTP {status}), which is not followed")
    if status in _OF_THIS_EVENT:
        return NotTaken("Refused", f"refused this event (HTTP {status})", of_this_event=True)
    return NotTaken("HttpError", f"answered HTTP {status}", retry_after=_wish(retry_after))


def _wish(retry_after: str) -> timedelta | None:
    """The pause that a receiver asks for, a day at most. Python makes no number of 5,000 digits."""
    return timedelta(seconds=min(int(retry_after[:9]), 86_400)) if retry_after.isdecimal() else None


class HttpSinks:
    """The port `Sinks`; its receivers are exchanged as a whole when the configuration changes."""

    def __init__(self) -> None:
        self._sinks: Mapping[str, HttpSink] = {}

    async def use(self, settings: Mapping[str, SinkSettings]) -> None:
        """Exchange the receivers."""
        old, self._sinks = self._sinks, {name: HttpSink(one) for name, one in settings.items()}
        for sink in old.values():
            await sink.close()

    async def close(self) -> None:
        """Close all connections."""
        await self.use({})

    async def send(self, sink: str, event: Body) -> NotTaken | None:
        """Send one event; None: the sink has taken it."""
        receiver = self._sinks.get(sink)
        if receiver is None:
            return NotTaken("UnknownSink", "no sink of this name is configured any more")
        return await receiver.send(event)
