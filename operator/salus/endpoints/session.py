"""An HTTP client that connects to no address that only an attacker would have Salus ask, whatever name it was given."""

import socket
from datetime import timedelta

import aiohttp

from salus.endpoints.addresses import refuse


def open_session(timeout: timedelta) -> aiohttp.ClientSession:
    """A session whose requests end after `timeout`, as many at a time as the caller likes. Close it."""
    connector = aiohttp.TCPConnector(limit=0, socket_factory=_socket)  # a limit here would count waiting as a timeout
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=timeout.total_seconds()),
        cookie_jar=aiohttp.DummyCookieJar(),  # nothing of what a server says is kept
    )


def _socket(address: aiohttp.connector.AddrInfoType) -> socket.socket:
    """A socket for a resolved address. Raises AddressRefused."""
    family, kind, protocol, _, where = address
    refuse(str(where[0]))
    return socket.socket(family, kind, protocol)
