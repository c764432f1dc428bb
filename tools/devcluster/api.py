"""The API server over plain HTTPS, as one user: paths in, parsed JSON out.

The test tool needs lists, watches and patches of a few kinds; requests and a path do that with less between the
reader and the wire than a client library. Everything is mutual TLS, but for who has a token.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from tools.devcluster.certificates import Pair

Object = dict[str, Any]  # a Kubernetes object, or a list of them, as JSON gives it

APPLY_PATCH = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"

_TIMEOUT_SECONDS = 60
_WATCH_SECONDS = 300
_RETRY_SECONDS = 0.2
_KEPT = threading.local()


class ApiError(RuntimeError):
    """The API server refused; `status` is the HTTP status, the message its own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(frozen=True)
class Api:
    """The API server at `url`, spoken to with the certificate `pair`, or with a token in its place."""

    url: str
    ca: Path
    pair: Pair
    token: str = ""

    def get(self, path: str, **query: str) -> Object:
        """GET `path`, as in /api/v1/namespaces/default/pods."""
        return self._call("GET", path, query)

    def items(self, path: str, **query: str) -> list[Object]:
        """Return the objects of the list at `path`."""
        items: list[Object] = self.get(path, **query)["items"]
        return items

    def create(self, path: str, body: Object, **query: str) -> Object:
        """POST `body` to the collection at `path`."""
        return self._call("POST", path, query, body)

    def patch(self, path: str, body: Object | list[Object], *, kind: str = MERGE_PATCH, **query: str) -> Object:
        """PATCH the object at `path`; `kind` is the patch's media type."""
        return self._call("PATCH", path, query, body, kind)

    def delete(self, path: str, **query: str) -> Object:
        """DELETE the object at `path`."""
        return self._call("DELETE", path, query)

    def is_ready(self) -> bool:
        """Whether the API server says that it is ready."""
        try:
            with self.session() as session:
                return session.get(f"{self.url}/readyz", timeout=_TIMEOUT_SECONDS).ok
        except requests.RequestException:
            return False

    def exists(self, path: str) -> bool:
        """Whether there is an object at `path`."""
        try:
            self.get(path)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    def session(self) -> requests.Session:
        """Return a new session with our certificates, past any proxy; the caller closes it."""
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.ca)
        if self.token:
            session.headers["Authorization"] = f"Bearer {self.token}"
        else:
            session.cert = (str(self.pair.cert), str(self.pair.key))
        return session

    def _kept(self) -> requests.Session:
        """Return this thread's session of this user, which keeps its connection: tests ask all the time."""
        sessions: dict[Api, requests.Session] = _KEPT.__dict__.setdefault("sessions", {})
        if self not in sessions:
            sessions[self] = self.session()
        return sessions[self]

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | list[Object] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type}
        answer = self._kept().request(
            method, self.url + path, params=query, data=data, headers=headers, timeout=_TIMEOUT_SECONDS
        )
        if not answer.ok:
            raise ApiError(answer.status_code, f"{method} {path}: {_message(answer)}")
        parsed: Object = answer.json()
        return parsed


def _message(answer: requests.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text


class Mirror:
    """A collection of the API server, kept current in memory by LIST and watch in a thread of its own."""

    def __init__(self, api: Api, path: str, *, on_change: Callable[[], None] | None = None) -> None:
        """Mirror the list at `path`; `on_change` is called in the mirror's thread after each change."""
        self._api = api
        self._path = path
        self._on_change = on_change or (lambda: None)
        self._objects: dict[str, Object] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._filled = threading.Event()
        self._response: requests.Response | None = None
        self._thread = threading.Thread(target=self._run, name=f"mirror {path}", daemon=True)

    def start(self) -> "Mirror":
        """Begin, and return at once."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the watch and the thread."""
        self._stopping.set()
        if (response := self._response) is not None:
            response.raw.shutdown()  # wakes the thread out of its read
        self._thread.join()

    @property
    def filled(self) -> bool:
        """Whether the first LIST has been taken in."""
        return self._filled.is_set()

    def objects(self) -> list[Object]:
        """Return the objects as last seen."""
        with self._lock:
            return list(self._objects.values())

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                version = self._list()
                self._watch(version)
            except (ApiError, requests.RequestException, HTTPError, OSError, ValueError):
                # The API server is away, has closed the watch or forgotten the version: list again.
                self._stopping.wait(_RETRY_SECONDS)

    def _list(self) -> str:
        answer = self._api.get(self._path)
        with self._lock:
            self._objects = {item["metadata"]["uid"]: item for item in answer["items"]}
        self._filled.set()
        self._on_change()
        return str(answer["metadata"]["resourceVersion"])

    def _watch(self, version: str) -> None:
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(_WATCH_SECONDS)}
        with (
            self._api.session() as session,
            session.get(
                self._api.url + self._path,
                params=query,
                stream=True,
                timeout=(_TIMEOUT_SECONDS, _WATCH_SECONDS + _TIMEOUT_SECONDS),
            ) as response,
        ):
            response.raise_for_status()
            self._response = response
            try:
                for event in self._events(response):
                    self._apply(event)
                    self._on_change()
            finally:
                self._response = None

    def _events(self, response: requests.Response) -> Iterator[Object]:
        for line in response.iter_lines(chunk_size=None):
            if self._stopping.is_set():
                return
            if line:
                yield json.loads(line)

    def _apply(self, event: Object) -> None:
        if event["type"] == "ERROR":
            raise ApiError(int(event["object"].get("code", 0)), str(event["object"].get("message", "watch failed")))
        item = event["object"]
        with self._lock:
            if event["type"] == "DELETED":
                self._objects.pop(item["metadata"]["uid"], None)
            else:
                self._objects[item["metadata"]["uid"]] = item
