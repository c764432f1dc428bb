"""A cluster of values behind HTTP, for whole commands: a kubeconfig leads to it, and it knows what its user may.

As much of an API server as people's commands ask for: get, list (also of metadata), JSON patches, the two reviews, and
the schemas of Salus' kinds.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from salus import ports
from salus.model.scalars import GROUP, VERSION, Body
from salus.model.values.permissions import Permission
from salus.ports import ClusterError, Conflict, Forbidden, Invalid, NotFound, Ref, Resource, right
from salus.rehearsal.cluster import RehearsalCluster
from tests.fakes.serving import answering
from tools.crds import KINDS, object_schema

_RESOURCES: Mapping[tuple[str, str], Resource] = {
    (one.api_version, one.plural): one for one in vars(ports).values() if isinstance(one, Resource)
}
_LABEL = re.compile(r"(?P<key>[\w./-]+)(?:=| in \()(?P<value>[\w.-]*)")
_STATUS: Mapping[type[ClusterError], int] = {NotFound: 404, Conflict: 409, Invalid: 422, Forbidden: 403}


def published() -> dict[str, Any]:
    """The schema of each kind, as the CRDs of this commit have it."""
    return {kind.name: object_schema(kind) for kind in KINDS}


@dataclass(slots=True)
class Api:
    """Who asks, what they may not, and what follows from what they write."""

    cluster: RehearsalCluster
    user: str = "ada"
    allowed: Set[Permission] | None = None
    """What they may; None: everything."""
    after: Callable[[Ref], object] = lambda _: None
    """Called after each patch: what controllers make of it."""
    schemas: Body | None = field(default_factory=published)
    """Of Salus' kinds, by their names; None: nobody may see them."""
    denied: Set[Permission] = frozenset()
    """What service accounts may not."""
    reviews: list[Body] = field(default_factory=list)
    """What was asked about them."""
    answers: bool = True
    """False: everything is answered with 503."""

    def answer(self, method: str, url: str, accept: str, body: bytes) -> tuple[int, Body]:
        """Status and body of one request."""
        if not self.answers:
            return 503, _failure(503, "the fake was told to fail")
        try:
            return (201 if method == "POST" else 200), self._answer(method, url, accept, body)
        except ClusterError as error:
            code = _STATUS.get(type(error), 500)
            return code, _failure(code, str(error))

    def _answer(self, method: str, url: str, accept: str, body: bytes) -> Body:
        parts = urlsplit(url)
        if method == "POST":
            return self._review(parts.path, json.loads(body))
        if parts.path == f"/openapi/v3/apis/{GROUP}/{VERSION}":
            return self._open_api()
        resource, namespace, name = _named(parts.path)
        if name:
            return self._object(method, Ref(resource, namespace or "", name), body)
        self._check("list", resource)
        labels = _labels(parse_qs(parts.query).get("labelSelector", ()))
        found = self.cluster.objects(resource, namespace, labels or None)
        if "PartialObjectMetadata" in accept:
            found = [{key: one[key] for key in ("apiVersion", "kind", "metadata")} for one in found]
        metadata = {"resourceVersion": self.cluster.version}
        return {
            "apiVersion": resource.api_version,
            "kind": f"{resource.kind}List",
            "metadata": metadata,
            "items": found,
        }

    def _open_api(self) -> Body:
        if self.schemas is None:
            raise Forbidden(f'User "{self.user}" cannot get path')
        if not self.schemas:
            raise NotFound("the server could not find the requested resource")
        whose = {kind: [{"group": GROUP, "version": VERSION, "kind": kind}] for kind in self.schemas}
        named = {
            f"dev.salus.{VERSION}.{kind}": {**schema, "x-kubernetes-group-version-kind": whose[kind]}
            for kind, schema in self.schemas.items()
        }
        for kind in self.schemas:  # the real one has them, too
            listed = [{"group": GROUP, "version": VERSION, "kind": f"{kind}List"}]
            schema = {"properties": {"items": {}, "metadata": {}}, "x-kubernetes-group-version-kind": listed}
            named[f"dev.salus.{VERSION}.{kind}List"] = schema
        return {"openapi": "3.0.0", "components": {"schemas": named}}

    def _object(self, method: str, ref: Ref, body: bytes) -> Body:
        self._check("get" if method == "GET" else "patch", ref.resource)
        if method == "PATCH":
            patched = self.cluster.patch_as("", ref, json.loads(body))
            self.after(ref)
            return patched
        there = self.cluster.peek(ref.resource, ref.namespace or None)
        found = next((one for one in there if one["metadata"]["name"] == ref.name), None)
        if found is None:
            raise NotFound(f"{ref.resource.plural} {ref.name!r} not found")
        return found

    def _review(self, path: str, body: Body) -> Body:
        if path.endswith("selfsubjectreviews"):
            return {**body, "status": {"userInfo": {"username": self.user}}}
        asked = body["spec"]["resourceAttributes"]
        wanted = Permission(asked["verb"], asked.get("group", ""), asked["resource"], asked.get("subresource", ""))
        if path.endswith(ports.ACCESS_REVIEWS.plural) and "self" not in path:
            self._check("create", ports.ACCESS_REVIEWS)
            self.reviews.append(body)
            return {**body, "status": {"allowed": wanted not in self.denied}}
        return {**body, "status": {"allowed": self._may(wanted)}}

    def _may(self, wanted: Permission) -> bool:
        return self.allowed is None or wanted in self.allowed

    def _check(self, verb: str, resource: Resource) -> None:
        if not self._may(right(verb, resource)):
            raise Forbidden(f'{resource.plural} is forbidden: User "{self.user}" cannot {verb} resource')


def _labels(selectors: Iterable[str]) -> dict[str, str]:
    """`a=1,b in (2)`: what people's commands ask for."""
    return {found["key"]: found["value"] for text in selectors for found in _LABEL.finditer(text)}


def _named(path: str) -> tuple[Resource, str | None, str]:
    """The kind, the namespace and the name that a path leads to. Raises NotFound."""
    words = path.strip("/").split("/")
    version, rest = ("/".join(words[1:3]), words[3:]) if words[0] == "apis" else (words[1], words[2:])
    namespace = None
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource = _RESOURCES.get((version, rest[0]))
    if resource is None:
        raise NotFound("the server could not find the requested resource")
    return resource, namespace, rest[1] if len(rest) > 1 else ""


def _failure(code: int, message: str) -> Body:
    reasons = {403: "Forbidden", 404: "NotFound", 409: "Conflict", 422: "Invalid"}
    status = {"apiVersion": "v1", "kind": "Status", "status": "Failure", "message": message, "code": code}
    return {**status, "reason": reasons.get(code, "InternalError")}


@contextmanager
def served(api: Api, folder: Path) -> Iterator[Path]:
    """The path of a kubeconfig that leads there, context `prod-eu`, namespace `shop`."""
    with answering(lambda one: api.answer(one.method, one.path, one.accept, one.body)) as url:
        yield _kubeconfig(folder, url)


def _kubeconfig(folder: Path, url: str) -> Path:
    path = folder / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": url}}
    context = {"name": "prod-eu", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}
    whole = {"apiVersion": "v1", "kind": "Config", "clusters": [cluster], "users": [{"name": "u", "user": {}}]}
    path.write_text(yaml.safe_dump({**whole, "contexts": [context], "current-context": "prod-eu"}))
    return path
