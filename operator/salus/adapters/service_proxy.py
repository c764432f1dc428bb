"""A Service of the cluster, asked through the API server's proxy with the rights of whoever asks.

The API server keeps credentials to itself: what stands behind sees none of those that it was shown. Only GET is sent,
so that `get` on `services/proxy` is all the right that it takes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from salus.adapters.api import Connection, Request, TooLong
from salus.adapters.paths import object_path
from salus.ports import SERVICES, Invalid, Ref, TooMany

_PORT = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PATH = re.compile(r"(/(?!\.{1,2}(/|\Z))[A-Za-z0-9._~:-]+)*")
"""Without `..`, which would lead out of the proxy."""
_WHO_ASKS = re.compile(r"authorization\Z|impersonate-", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Service:
    """A port of a Service, and the path below which it is asked."""

    namespace: str
    name: str
    port: str
    """Number, or name."""
    tls: bool = False
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}:{self.port}{self.prefix}"

    @property
    def address(self) -> str:
        """As a path of the API server has it, and so a Role's `resourceNames`."""
        return f"{'https:' if self.tls else ''}{self.name}:{self.port}"


class ServiceProxy:
    """The way to one Service."""

    def __init__(self, connection: Connection, service: Service) -> None:
        self._connection = connection
        self._service = service

    async def get(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str], most: int
    ) -> tuple[int, bytes]:
        """Status and body of what the Service answers. Raises ClusterError; TooMany beyond `most` bytes.

        Headers that say who asks are the API server's own, and left out.
        """
        passed_on = {name: value for name, value in headers.items() if not _WHO_ASKS.match(name)}
        request = Request("GET", self._path(path), query, headers=passed_on)
        try:
            return await self._connection.relay(request, most)
        except TooLong as error:
            raise TooMany(str(error)) from error

    def _path(self, path: str) -> str:
        service = self._service
        whole = f"{service.prefix}{path}"
        if not _PORT.fullmatch(service.port) or not _PATH.fullmatch(whole):
            raise Invalid(f"{service}{path} is no port and path of a Service")
        below, _, _ = object_path(Ref(SERVICES, service.namespace, service.name)).rpartition("/")
        return f"{below}/{service.address}/proxy{whole}"
