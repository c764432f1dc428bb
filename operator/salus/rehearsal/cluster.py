"""An API server of values behind the port `Cluster`; the contract tests hold it to what the real one does.

It remembers every write. Nothing lives in it: no controller reacts, so who wants a rollout to finish says so with
`edit`.
"""

import uuid
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from salus.adapters.json_patch import patched
from salus.adapters.paths import collection_path, label_selector, object_path
from salus.model.scalars import FIELD_MANAGER, GROUP, Body, format_time
from salus.model.values.permissions import Permission
from salus.ports import (
    CONFIG_MAPS,
    LONGEST_LIST,
    RECORD_KEEPING,
    REMEDIATION,
    SERVICE_ACCOUNTS,
    Conflict,
    Forbidden,
    Labels,
    NotFound,
    Ref,
    Resource,
    TooMany,
    right,
)
from salus.rehearsal.server import (
    SERVERS_OWN,
    WITH_GENERATION,
    copied,
    counts_as_new,
    fill_in,
    is_chosen,
    keep_book,
    merged,
    ref_of,
    validate,
)

LOOKED_AT = frozenset({right("list", CONFIG_MAPS), right("get", SERVICE_ACCOUNTS)})
"""Of that to which templates refer, what the operator's role lets it read."""
_VERBS = {"create": "create", "patch": "patch", "update_status": "patch", "delete": "delete"}
_UIDS = uuid.UUID("4b0b6a3e-6f0d-4d5c-9d0c-0d6f6b8f5a11")
"""Uids follow from this and from the address: the same run gives the same records."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write, as the audit log would have it: what was sent, and as whom."""

    verb: str
    """create, patch, update_status or delete."""
    ref: Ref
    body: Any
    """The object, the operations, the status, or the uid that was asked for."""
    act_as: str = ""
    subresource: str = ""


class Watcher(Protocol):
    """Sees what becomes of objects."""

    def saw(self, kind: str, body: Body) -> None:
        """An object was ADDED, MODIFIED or DELETED; `body` is as it is now, or was at last."""
        ...


@dataclass(slots=True)
class RehearsalCluster:
    """Objects by address. `writes` had an effect, in this order."""

    now: Callable[[], datetime]
    rights: Set[Permission] = RECORD_KEEPING
    """What the operator may write as itself."""
    unreadable: set[Resource] = field(default_factory=set)
    """Kinds that nobody here has a right to read."""
    writes: list[Write] = field(default_factory=list)
    watchers: list[weakref.ref[Watcher]] = field(default_factory=list)
    """Who is shown each change of an object at once; a process that is gone watches no more."""
    _objects: dict[Resource, dict[str, dict[str, dict[str, Any]]]] = field(default_factory=dict)
    """By kind, namespace and name."""
    _made_before: Counter[Ref] = field(default_factory=Counter)
    _version: int = 0

    # --- the port

    async def get(self, ref: Ref) -> Body:
        """The object."""
        object_path(ref)
        self._check_readable(ref.resource)
        return copied(self.now_at(ref))

    async def list(self, resource: Resource, namespace: str | None, labels: Labels | None = None) -> list[Body]:
        """All objects of a kind with these labels, by namespace and name, as the server orders them."""
        found = self._read(resource, namespace, labels)
        if len(found) > LONGEST_LIST:
            raise TooMany(f"there are too many {resource.plural} to be read: {len(found)}")
        return list(copied(found))

    async def each(
        self, resource: Resource, namespace: str | None, labels: Labels | None = None
    ) -> AsyncIterator[Body]:
        """The same objects, one after another."""
        for body in self._read(resource, namespace, labels):
            yield copied(body)

    async def list_metadata(self, resource: Resource, namespace: str | None) -> Sequence[Body]:
        """All objects of a kind in a namespace, `metadata` only."""
        self._check_readable(resource)
        return [
            {key: body[key] for key in ("apiVersion", "kind", "metadata")} for body in self.objects(resource, namespace)
        ]

    async def may(self, right: Permission, namespace: str) -> bool:  # noqa: ARG002 - rights are on all of a kind here
        """What the roles of today give."""
        return right in LOOKED_AT and right.resource not in {kind.plural for kind in self.unreadable}

    async def create(self, resource: Resource, body: Body) -> Body:
        """Create the object."""
        metadata = body.get("metadata") or {}
        ref = Ref(resource, metadata.get("namespace", ""), metadata.get("name", ""))
        return self.perform(Write("create", ref, copied(body)), lambda: self._create(ref, body))

    async def patch(self, ref: Ref, operations: Sequence[Mapping[str, Any]], *, subresource: str = "") -> Body:
        """Apply a JSON Patch to the object, or to its status subresource."""
        return self.patch_as("", ref, operations, subresource)

    async def update_status(self, ref: Ref, status: Mapping[str, Any]) -> Body:
        """Merge `status` into the status."""
        return self.perform(Write("update_status", ref, copied(dict(status))), lambda: self._update_status(ref, status))

    async def delete(self, ref: Ref, *, uid: str = "") -> None:
        """Delete the object."""
        self.delete_as("", ref, uid)

    # --- the same, impersonating a user

    def patch_as(self, user: str, ref: Ref, operations: Sequence[Mapping[str, Any]], subresource: str = "") -> Body:
        """Apply a JSON Patch as this user; "" is the operator itself."""
        write = Write("patch", ref, copied(list(operations)), user, subresource)
        return self.perform(write, lambda: self._patch(ref, operations, subresource))

    def delete_as(self, user: str, ref: Ref, uid: str) -> None:
        """Delete as this user."""
        self.perform(Write("delete", ref, uid, user), lambda: self._delete(ref, uid))

    def perform(self, write: Write, effect: Callable[[], Body]) -> Body:
        """Do one write, unless it is refused: the place where a test's cluster fails, dies, or lets people meddle."""
        object_path(write.ref, write.subresource)
        _check(write, REMEDIATION if write.act_as else self.rights)
        result = effect()
        self.writes.append(write)
        return copied(result)

    # --- what others do

    def put(self, body: Body) -> Body:
        """Have an object that was there all along: not a write of Salus. A given status is kept."""
        ref = ref_of(body)
        new = self._made(ref, body)
        if "status" in body:
            new["status"] = copied(body["status"])
        self._tell("ADDED", new)
        return copied(self.now_at(ref))

    def adopt(self, body: Body) -> Body:
        """Have an object as another API server has it, with its uid, its generation and its age."""
        ref = ref_of(body)
        new = {**copied(dict(body)), "metadata": {**body["metadata"], "resourceVersion": self._next_version()}}
        self._beside(ref)[ref.name] = new
        self._tell("ADDED", new)
        return copied(new)

    def edit(self, ref: Ref, change: Callable[[dict[str, Any]], object]) -> Body:
        """Have someone else change an object, status included: not a write of Salus. `change` alters it in place."""
        old = self.now_at(ref)
        new = copied(old)
        change(new)
        self.keep(ref, old, new)
        return copied(self.now_at(ref))

    def remove(self, ref: Ref) -> None:
        """Have someone else delete an object."""
        self._tell("DELETED", self._beside(ref).pop(ref.name))

    def watch(self, watcher: Watcher) -> None:
        """Show it each change from now on, for as long as somebody else keeps it."""
        self.watchers.append(weakref.ref(watcher))

    # --- what there is

    def objects(self, resource: Resource, namespace: str | None = None, labels: Labels | None = None) -> Sequence[Body]:
        """All objects of a kind with these labels, of one namespace or of all, by namespace and name."""
        return [copied(body) for body in self.peek(resource, namespace, labels)]

    def peek(self, resource: Resource, namespace: str | None = None, labels: Labels | None = None) -> Sequence[Body]:
        """The same without copies, for who only looks."""
        of_kind = self._objects.get(resource, {})
        spaces = sorted(of_kind) if namespace is None else [namespace]
        found = [there[name] for space in spaces for there in [of_kind.get(space, {})] for name in sorted(there)]
        return [body for body in found if is_chosen(body, labels)] if labels else found

    @property
    def version(self) -> str:
        """The resourceVersion of the newest change."""
        return str(self._version)

    def keep(self, ref: Ref, old: dict[str, Any], new: dict[str, Any], manager: str = "") -> dict[str, Any]:
        """As the server updates: nothing for no change, else a new version, and a new generation for a new spec."""
        metadata = {**new["metadata"], **{key: old["metadata"][key] for key in SERVERS_OWN if key in old["metadata"]}}
        new = copied({**new, "metadata": metadata})
        if new == old:
            return old
        keep_book(old, new, manager, self.now())
        if "generation" in metadata and counts_as_new(old, new):
            new["metadata"]["generation"] += 1
        new["metadata"]["resourceVersion"] = self._next_version()
        self._beside(ref)[ref.name] = new
        self._tell("MODIFIED", new)
        return new

    def _read(self, resource: Resource, namespace: str | None, labels: Labels | None) -> Sequence[Body]:
        collection_path(resource, namespace)
        label_selector(labels or {})
        if not self._is_served(resource):
            raise NotFound("the server could not find the requested resource")
        self._check_readable(resource)
        return self.peek(resource, namespace, labels)

    def _check_readable(self, resource: Resource) -> None:
        if resource in self.unreadable:
            raise Forbidden(f"{resource.plural} is forbidden")

    def _is_served(self, resource: Resource) -> bool:
        """Kinds that come with somebody else's CRD are there once there is an object of them."""
        group, _, _ = resource.api_version.rpartition("/")
        built_in = "." not in group or group.endswith(".k8s.io") or group == GROUP
        return built_in or any(self._objects.get(resource, {}).values())

    def now_at(self, ref: Ref) -> dict[str, Any]:
        """The object itself, for who only looks. NotFound if there is none."""
        found = self._objects.get(ref.resource, {}).get(ref.namespace, {}).get(ref.name)
        if found is None:
            raise NotFound(f"{ref.resource.plural} {ref.name!r} not found in {ref.namespace}")
        return found

    def _beside(self, ref: Ref) -> dict[str, dict[str, Any]]:
        """All objects of a kind in a namespace, by name."""
        return self._objects.setdefault(ref.resource, {}).setdefault(ref.namespace, {})

    def _create(self, ref: Ref, body: Body) -> Body:
        new = self._made(ref, body)
        self._tell("ADDED", new)
        return new

    def _made(self, ref: Ref, body: Body) -> dict[str, Any]:
        beside = self._beside(ref)
        if ref.name in beside:
            raise Conflict(f"{ref.resource.plural} {ref.name!r} exists already in {ref.namespace}")
        new = copied({**body, "apiVersion": ref.resource.api_version, "kind": ref.resource.kind})
        new.pop("status", None)
        if ref.resource.api_version.startswith(f"{GROUP}/"):
            new["status"] = {"observedGeneration": -1}
        fill_in(new)
        validate(new)
        new["metadata"] = {
            **new["metadata"],
            "uid": self._uid_for(ref),
            "resourceVersion": self._next_version(),
            "creationTimestamp": format_time(self.now()),
            **({"generation": 1} if ref.resource.kind in WITH_GENERATION else {}),
        }
        beside[ref.name] = new
        return new

    def _uid_for(self, ref: Ref) -> str:
        """What is made again under the same name is another object."""
        self._made_before[ref] += 1
        return str(uuid.uuid5(_UIDS, f"{ref} {self._made_before[ref]}"))

    def _patch(self, ref: Ref, operations: Sequence[Mapping[str, Any]], subresource: str) -> Body:
        old = self.now_at(ref)
        asked = patched(old, operations)
        version = asked["metadata"].get("resourceVersion")
        if version not in (None, old["metadata"]["resourceVersion"]):
            raise Conflict(f"{ref.resource.plural} {ref.name!r} has been modified")
        if subresource == "status":
            new = {**old, "status": asked.get("status", {})}
        elif "status" in old:
            new = {**asked, "status": old["status"]}
        else:
            new = {key: value for key, value in asked.items() if key != "status"}
        fill_in(new)
        validate(new, old)
        return self.keep(ref, old, new, FIELD_MANAGER)

    def _update_status(self, ref: Ref, status: Mapping[str, Any]) -> Body:
        old = self.now_at(ref)
        return self.keep(ref, old, {**old, "status": merged(old.get("status", {}), status)})

    def _delete(self, ref: Ref, uid: str) -> Body:
        found = self.now_at(ref)
        if uid and found["metadata"]["uid"] != uid:
            raise Conflict(f"{ref.resource.plural} {ref.name!r} has uid {found['metadata']['uid']}, not {uid}")
        gone = self._beside(ref).pop(ref.name)
        self._tell("DELETED", gone)
        return gone

    def _next_version(self) -> str:
        self._version += 1
        return self.version

    def _tell(self, kind: str, body: Body) -> None:
        for watcher in [found for reference in self.watchers if (found := reference()) is not None]:
            watcher.saw(kind, body)


def _check(write: Write, rights: Set[Permission]) -> None:
    subresource = "status" if write.verb == "update_status" else write.subresource
    wanted = right(_VERBS[write.verb], write.ref.resource, subresource)
    if wanted not in rights:
        raise Forbidden(f"{write.act_as or 'the operator itself'} does not {wanted}")
