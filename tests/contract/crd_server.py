"""The API server as the tests of the CRDs need it: one request, and what it says about each field."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from salus.model.scalars import API_VERSION
from tests.contract.crd_cases import BY_NAME, Object
from tools.devcluster.api import Api

_UNKNOWN = re.compile(r'unknown field "([^"]+)"')
_PREFIXES = ("Invalid value: ", "Unsupported value: ", "Duplicate value: ")
_UNCHECKED = "<nil>"  # "some validation rules were not checked because the object was invalid"


@dataclass(frozen=True)
class Cause:
    """One thing that the API server does not like: where, and why."""

    field: str
    message: str


@dataclass(frozen=True)
class Answer:
    """What came of a request: the object as it would be stored, or why not."""

    status: int
    body: Object

    @property
    def causes(self) -> list[Cause]:
        """Why it was refused, empty if it was not."""
        return [] if self.status < 300 else list(_causes(self.body))


def _causes(body: Object) -> Iterator[Cause]:
    for field in _UNKNOWN.findall(body["message"]):
        yield Cause(field, "unknown field")
    for cause in body.get("details", {}).get("causes", []):
        if cause["field"] != _UNCHECKED:
            yield Cause(cause["field"], _plain(cause["message"]))


def _plain(message: str) -> str:
    for prefix in _PREFIXES:
        message = message.removeprefix(prefix)
    return message


@dataclass(frozen=True)
class Server:
    """Our kinds in one namespace of the API server, with strict checking of fields."""

    api: Api
    namespace: str

    def create(self, body: Object, *, dry_run: bool = False) -> Answer:
        """POST `body`."""
        return self._send("POST", self._path(body), body, dry_run=dry_run)

    def replace(self, body: Object, *, subresource: str = "") -> Answer:
        """PUT `body` in the place of the object with its name."""
        path = f"{self._path(body)}/{body['metadata']['name']}{subresource}"
        return self._send("PUT", path, body, dry_run=False)

    def _path(self, body: Object) -> str:
        return f"/apis/{API_VERSION}/namespaces/{self.namespace}/{BY_NAME[body['kind']].plural}"

    def _send(self, method: str, path: str, body: Object, *, dry_run: bool) -> Answer:
        query = {"fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        placed = {**body, "metadata": {**body["metadata"], "namespace": self.namespace}}
        with self.api.session() as session:
            answer = session.request(method, self.api.url + path, params=query, json=placed, timeout=60)
        return Answer(answer.status_code, answer.json())
