"""A cluster in memory behind the port `Cluster`; the contract tests hold it to what the real API server does.

It remembers every write. Nothing lives in it: no controller reacts, so a test that wants a rollout to finish says so
with `edit`. Of Salus' own kinds it checks the spec with the models, since the server has their schemas.
"""

import pickle
import uuid
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import pydantic

from salus.adapters.json_patch import patched
from salus.adapters.paths import collection_path, label_selector, object_path
from salus.core.objects.selectors import selects
from salus.core.objects.stamps import KNOWN
from salus.core.objects.workloads import watched, workload_from
from salus.model.change import ChangeEventSpec
from salus.model.incident import IncidentSpec
from salus.model.meta import WorkloadKind
from salus.model.policy import HealthPolicySpec
from salus.model.release import KeptReleaseSpec
from salus.model.scalars import FIELD_MANAGER, GROUP, Body, format_time
from salus.model.values.configuration import Stamps
from salus.model.values.keys import TargetKey
from salus.model.values.objects import Selector, Workload
from salus.model.values.permissions import Permission
from salus.ports import (
    AUTOSCALERS,
    CHANGE_EVENTS,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    EVENTS,
    HEALTH_POLICIES,
    INCIDENTS,
    KEPT_RELEASES,
    LONGEST_LIST,
    NAMESPACES,
    NODES,
    PRIORITY_CLASSES,
    RECORD_KEEPING,
    REMEDIATION,
    SCALERS,
    SERVICE_ACCOUNTS,
    WORKLOADS,
    ClusterError,
    Conflict,
    Forbidden,
    Invalid,
    Labels,
    NotFound,
    Ref,
    Resource,
    TooMany,
    Unavailable,
    right,
)

_Json = TypeVar("_Json")
SPECS: Mapping[str, type[pydantic.BaseModel]] = {
    HEALTH_POLICIES.kind: HealthPolicySpec,
    INCIDENTS.kind: IncidentSpec,
    CHANGE_EVENTS.kind: ChangeEventSpec,
    KEPT_RELEASES.kind: KeptReleaseSpec,
}
SPECIMENS = RECORD_KEEPING | {
    right(verb, kind, subresource)
    for verb in ("create", "patch", "delete")
    for kind in (*WORKLOADS.values(), *SCALERS.values(), CHANGE_EVENTS, CONTROLLER_REVISIONS, CONFIG_MAPS, NODES)
    for subresource in ("", "status")
}
"""Wider rights, for tests of what a Cluster does with any kind of object."""

LOOKED_AT = frozenset({right("list", CONFIG_MAPS), right("get", SERVICE_ACCOUNTS)})
"""Of that to which templates refer, what the operator's role lets it read."""

_PATCHED = {resource.kind for resource in (*WORKLOADS.values(), *SCALERS.values())}
_WITH_GENERATION = {*(resource.kind for resource in (*WORKLOADS.values(), *SCALERS.values())), *SPECS}


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
class _Fault:
    error: ClusterError
    after_effect: bool


@dataclass(slots=True)
class FakeCluster:
    """Objects by address. `writes` had an effect, in this order; `refused` had none."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    rights: Set[Permission] = RECORD_KEEPING
    """What the operator may write as itself."""
    writes: list[Write] = field(default_factory=list)
    refused: list[Write] = field(default_factory=list)
    readable: set[Permission] = field(default_factory=lambda: set(LOOKED_AT))
    """What of that to which templates refer Salus may read."""
    unreadable: set[Resource] = field(default_factory=set)
    """Kinds that Salus has no right to read."""
    closed: set[str] = field(default_factory=set)
    """Namespaces that are gone or have taken their Roles back: nothing may be listed there."""
    metadata_only: set[Resource] = field(default_factory=set)
    """Kinds whose content it is a defect to ask for."""
    watchers: list[weakref.ref["Watcher"]] = field(default_factory=list)
    """Who is shown each change of an object at once; a process that is gone watches no more."""
    _objects: dict[Ref, dict[str, Any]] = field(default_factory=dict)
    _faults: list[_Fault] = field(default_factory=list)
    _version: int = 0

    async def get(self, ref: Ref) -> Body:
        """The object."""
        object_path(ref)
        self._check_right(ref.resource)
        return copied(self._found(ref))

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

    def _read(self, resource: Resource, namespace: str | None, labels: Labels | None) -> Sequence[Body]:
        collection_path(resource, namespace)
        label_selector(labels or {})
        if not self._is_served(resource):
            raise NotFound("the server could not find the requested resource")
        self._check_right(resource)
        if namespace in self.closed:
            raise Forbidden(f"{resource.plural} in {namespace} are forbidden")
        assert resource not in self.metadata_only, f"{resource.plural} were listed with what is in them"
        return self.peek(resource, namespace, labels)

    async def list_metadata(self, resource: Resource, namespace: str | None) -> Sequence[Body]:
        """All objects of a kind in a namespace, `metadata` only."""
        self._check_right(resource)
        return [
            {key: body[key] for key in ("apiVersion", "kind", "metadata")} for body in self.objects(resource, namespace)
        ]

    async def may(self, right: Permission, namespace: str) -> bool:  # noqa: ARG002 - rights are on all of a kind here
        """What the roles of today give, and what a test adds."""
        kinds = {kind.plural for kind in self.unreadable}
        return right in self.readable and right.resource not in kinds

    async def create(self, resource: Resource, body: Body) -> Body:
        """Create the object."""
        metadata = body.get("metadata") or {}
        ref = Ref(resource, metadata.get("namespace", ""), metadata.get("name", ""))
        return self.perform(Write("create", ref, copied(body)), lambda: self._create(ref, body))

    async def patch(self, ref: Ref, operations: Sequence[Mapping[str, Any]], *, subresource: str = "") -> Body:
        """Apply a JSON Patch to the object, or to its status subresource."""
        return self.patch_as("", ref, operations, subresource)

    def patch_as(self, user: str, ref: Ref, operations: Sequence[Mapping[str, Any]], subresource: str = "") -> Body:
        """The same, impersonating a user; "" is the operator itself."""
        write = Write("patch", ref, copied(list(operations)), user, subresource)
        return self.perform(write, lambda: self._patch(ref, operations, subresource))

    async def update_status(self, ref: Ref, status: Mapping[str, Any]) -> Body:
        """Merge `status` into the status."""
        return self.perform(Write("update_status", ref, copied(dict(status))), lambda: self._update_status(ref, status))

    async def delete(self, ref: Ref, *, uid: str = "") -> None:
        """Delete the object."""
        self.delete_as("", ref, uid)

    def delete_as(self, user: str, ref: Ref, uid: str) -> None:
        """The same, impersonating a user."""
        self.perform(Write("delete", ref, uid, user), lambda: self._delete(ref, uid))

    def fail_next(self, error: ClusterError | None = None, *, after_effect: bool = False) -> None:
        """Let the next write raise `error` (default Unavailable); `after_effect`: it happened, its reply was lost."""
        self._faults.append(_Fault(error or Unavailable("the fake was told to fail"), after_effect))

    def put(self, body: Body) -> Body:
        """Have an object that was there all along: not a write of Salus. A given status is kept."""
        resource = _resource_of(body)
        ref = Ref(resource, body["metadata"].get("namespace", ""), body["metadata"]["name"])
        new = self._made(ref, body)
        if "status" in body:
            new["status"] = copied(body["status"])
        self._tell("ADDED", new)
        return copied(self._objects[ref])

    def edit(self, ref: Ref, change: Callable[[dict[str, Any]], object]) -> Body:
        """Have someone else change an object, status included: not a write of Salus. `change` alters it in place."""
        old = self._found(ref)
        new = copied(old)
        change(new)
        self.keep(ref, old, new)
        return copied(self._objects[ref])

    def forget_generation(self, ref: Ref) -> None:
        """Be a server that counts no generations of this object, as old ones do of an HPA."""
        del self._found(ref)["metadata"]["generation"]

    def remove(self, ref: Ref) -> None:
        """Have someone else delete an object."""
        self._tell("DELETED", self._objects.pop(ref))

    def objects(self, resource: Resource, namespace: str | None = None, labels: Labels | None = None) -> Sequence[Body]:
        """All objects of a kind with these labels, of one namespace or of all, by namespace and name."""
        return [copied(body) for body in self.peek(resource, namespace, labels)]

    def peek(self, resource: Resource, namespace: str | None = None, labels: Labels | None = None) -> Sequence[Body]:
        """The same without copies, for who only looks."""
        wanted = labels or {}
        found = {
            (ref.namespace, ref.name): body
            for ref, body in self._objects.items()
            if ref.resource.kind == resource.kind  # first, since comparing all of it is slow
            and ref.resource == resource
            and namespace in (None, ref.namespace)
            and (not wanted or is_chosen(body, wanted))
        }
        return [found[key] for key in sorted(found)]

    def _is_served(self, resource: Resource) -> bool:
        """Kinds that come with somebody else's CRD are there once there is an object of them."""
        group, _, _ = resource.api_version.rpartition("/")
        built_in = "." not in group or group.endswith(".k8s.io") or group == GROUP
        return built_in or any(ref.resource == resource for ref in self._objects)

    def perform(self, write: Write, effect: Callable[[], Body]) -> Body:
        """Do one write, unless it is refused: the place where other fakes die, count or let people meddle."""
        fault = self._faults.pop(0) if self._faults else None
        try:
            object_path(write.ref, write.subresource)
            _check(write, REMEDIATION if write.act_as else self.rights)
            if fault and not fault.after_effect:
                raise fault.error
            result = effect()
        except ClusterError:
            self.refused.append(write)
            raise
        self.writes.append(write)
        if fault:
            raise fault.error
        return copied(result)

    def _check_right(self, resource: Resource) -> None:
        if resource in self.unreadable:
            raise Forbidden(f"{resource.plural} is forbidden")

    def _found(self, ref: Ref) -> dict[str, Any]:
        if ref not in self._objects:
            raise NotFound(f"{ref.resource.plural} {ref.name!r} not found in {ref.namespace}")
        return self._objects[ref]

    def _create(self, ref: Ref, body: Body) -> Body:
        new = self._made(ref, body)
        self._tell("ADDED", new)
        return new

    def _made(self, ref: Ref, body: Body) -> dict[str, Any]:
        if ref in self._objects:
            raise Conflict(f"{ref.resource.plural} {ref.name!r} exists already in {ref.namespace}")
        new = copied({**body, "apiVersion": ref.resource.api_version, "kind": ref.resource.kind})
        new.pop("status", None)
        if ref.resource.api_version.startswith(f"{GROUP}/"):
            new["status"] = {"observedGeneration": -1}
        _fill_in(new)
        _validate(new)
        new["metadata"] = {
            **new["metadata"],
            "uid": str(uuid.uuid4()),
            "resourceVersion": self._next_version(),
            "creationTimestamp": format_time(self.now()),
            **({"generation": 1} if ref.resource.kind in _WITH_GENERATION else {}),
        }
        self._objects[ref] = new
        return new

    def _patch(self, ref: Ref, operations: Sequence[Mapping[str, Any]], subresource: str) -> Body:
        old = self._found(ref)
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
        _fill_in(new)
        _validate(new, old)
        return self.keep(ref, old, new, FIELD_MANAGER)

    def _update_status(self, ref: Ref, status: Mapping[str, Any]) -> Body:
        old = self._found(ref)
        return self.keep(ref, old, {**old, "status": _merged(old.get("status", {}), status)})

    def _delete(self, ref: Ref, uid: str) -> Body:
        found = self._found(ref)
        if uid and found["metadata"]["uid"] != uid:
            raise Conflict(f"{ref.resource.plural} {ref.name!r} has uid {found['metadata']['uid']}, not {uid}")
        gone = self._objects.pop(ref)
        self._tell("DELETED", gone)
        return gone

    def _tell(self, kind: str, body: Body) -> None:
        for watcher in [found for reference in self.watchers if (found := reference()) is not None]:
            watcher.saw(kind, body)

    def keep(self, ref: Ref, old: dict[str, Any], new: dict[str, Any], manager: str = "") -> dict[str, Any]:
        """As the server updates: nothing for no change, else a new version, and a new generation for a new spec."""
        metadata = {**new["metadata"], **{key: old["metadata"][key] for key in _SERVERS_OWN if key in old["metadata"]}}
        new = copied({**new, "metadata": metadata})
        if new != old:
            _keep_book(old, new, manager, self.now())
            if "generation" in metadata and _counts_as_new(old, new):
                new["metadata"]["generation"] += 1
            new["metadata"]["resourceVersion"] = self._next_version()
            self._objects[ref] = new
            self._tell("MODIFIED", new)
        return self._objects[ref]

    def _next_version(self) -> str:
        self._version += 1
        return self.version

    @property
    def version(self) -> str:
        """The resourceVersion of the newest change."""
        return str(self._version)


@dataclass(slots=True)
class FakeAccounts:
    """The port `Accounts` over a fake cluster: every account is there and may do everything, until it is told."""

    cluster: FakeCluster
    user: str = "salus"
    missing: set[tuple[str, str]] = field(default_factory=set)
    """(namespace, name) of accounts that do not exist."""
    kept: set[tuple[str, str]] = field(default_factory=set)
    """… that the operator may not act as."""
    denied: set[tuple[str, str, Permission]] = field(default_factory=set)
    """(namespace, name, right): what they may not do."""
    unreachable: bool = False
    """Whether nobody answers what accounts may do."""
    reviews: int = 0
    """How often anything of this was asked."""

    def of(self, namespace: str, name: str) -> "FakeAccount":
        """This account of this namespace."""
        object_path(Ref(SERVICE_ACCOUNTS, namespace, name))
        return FakeAccount(self, namespace, name)

    async def me(self) -> str:
        """Our name."""
        if self.unreachable:
            raise Unavailable("the fake was told to be unreachable")
        return self.user

    def ask(self) -> None:
        """Count a question; raise if nobody answers."""
        self.reviews += 1
        if self.unreachable:
            raise Unavailable("the fake was told to be unreachable")


@dataclass(frozen=True, slots=True)
class FakeAccount:
    """One account."""

    accounts: FakeAccounts
    namespace: str
    name: str

    async def get(self, ref: Ref) -> Body:
        """As the account sees it."""
        self._check("get", ref)
        return await self.accounts.cluster.get(ref)

    async def patch(self, ref: Ref, operations: Sequence[Mapping[str, Any]]) -> Body:
        """Patch as the account."""
        self._check("patch", ref)
        return self.accounts.cluster.patch_as(self._user, ref, operations)

    async def delete(self, ref: Ref, *, uid: str = "") -> None:
        """Delete as the account."""
        self._check("delete", ref)
        self.accounts.cluster.delete_as(self._user, ref, uid)

    async def exists(self) -> bool:
        """Whether it was not told to be missing."""
        self.accounts.ask()
        return (self.namespace, self.name) not in self.accounts.missing

    async def may_impersonate(self) -> bool:
        """Whether it was not told to be kept."""
        self.accounts.ask()
        return (self.namespace, self.name) not in self.accounts.kept

    async def may(self, right: Permission, name: str = "") -> bool:  # noqa: ARG002 - rights are on all of a kind here
        """Whether it was not denied; asking takes a loan, as on the server."""
        self.accounts.ask()
        if (self.namespace, self.name) in self.accounts.kept:
            raise Forbidden(f"salus cannot impersonate {self._user}")
        return (self.namespace, self.name, right) not in self.accounts.denied

    @property
    def _user(self) -> str:
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    def _check(self, verb: str, ref: Ref) -> None:
        object_path(ref)
        wanted = right(verb, ref.resource)
        if wanted not in REMEDIATION or ref.namespace != self.namespace:
            raise Forbidden(f"{self._user} is not asked to {wanted} in {ref.namespace}")
        if (self.namespace, self.name) in self.accounts.kept or (
            self.namespace,
            self.name,
            wanted,
        ) in self.accounts.denied:
            raise Forbidden(f"{self._user} may not {wanted}")


@dataclass(frozen=True, slots=True)
class FakeWorkloads:
    """The port `Workloads`, never behind the fake cluster."""

    cluster: FakeCluster
    stamps: Stamps = KNOWN
    _read: dict[str, Workload] = field(default_factory=dict)
    """What each version of each object says."""

    def get(self, key: TargetKey) -> Workload | None:
        """The workload, or None."""
        return next((found for found in self._all(key.kind, key.namespace) if found.key == key), None)

    def select(self, namespace: str, kind: WorkloadKind, labels: Mapping[str, str]) -> Sequence[Workload]:
        """Workloads with these labels, by name."""
        return [found for found in self._all(kind, namespace) if labels.items() <= found.labels.items()]

    def _all(self, kind: WorkloadKind, namespace: str) -> list[Workload]:
        return [self._workload(body) for body in self.cluster.peek(WORKLOADS[kind], namespace)]

    def _workload(self, body: Body) -> Workload:
        version = body["metadata"]["resourceVersion"]
        if version not in self._read:
            self._read[version] = watched(workload_from(copied(body), self.stamps))
        return self._read[version]


_VERBS = {"create": "create", "patch": "patch", "update_status": "patch", "delete": "delete"}


def copied(value: _Json) -> _Json:
    """A deep copy, in a third of the time that `copy.deepcopy` takes: most of what a test does."""
    copied: _Json = pickle.loads(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))  # noqa: S301 - our own
    return copied


def _check(write: Write, rights: Set[Permission]) -> None:
    subresource = "status" if write.verb == "update_status" else write.subresource
    wanted = right(_VERBS[write.verb], write.ref.resource, subresource)
    if wanted not in rights:
        raise Forbidden(f"{write.act_as or 'the operator itself'} does not {wanted}")


_SERVERS_OWN = ("uid", "resourceVersion", "generation", "creationTimestamp")
_SALUS = (HEALTH_POLICIES, INCIDENTS, CHANGE_EVENTS, KEPT_RELEASES)
_RESOURCES = (*WORKLOADS.values(), CONTROLLER_REVISIONS, *_SALUS, EVENTS, NAMESPACES, NODES, PRIORITY_CLASSES)


def _resource_of(body: Body) -> Resource:
    api_version, kind = body["apiVersion"], body["kind"]
    known = {(resource.api_version, resource.kind): resource for resource in _RESOURCES}
    return known.get((api_version, kind), Resource(api_version, f"{kind.lower()}s", kind))


def _counts_as_new(old: Body, new: Body) -> bool:
    """A Deployment's generation counts its annotations too; so does the server's."""
    if old["kind"] == DEPLOYMENTS.kind and old["metadata"].get("annotations") != new["metadata"].get("annotations"):
        return True
    return bool(old.get("spec") != new.get("spec"))


def _keep_book(old: Body, new: dict[str, Any], manager: str, now: datetime) -> None:
    """ManagedFields of what Salus patches, as far as Salus' own entry goes: whoever changes a value takes it over."""
    entries, known = (body["metadata"].get("managedFields") or [] for body in (new, old))
    if new["kind"] not in _PATCHED or not (manager or entries) or entries != known:
        return  # who edits the entries themselves, as a test may, means it
    before, after = dict(_leaves(old)), dict(_leaves(new))
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    mine = next((entry for entry in entries if entry["manager"] == FIELD_MANAGER), None)
    held = (set(_paths(mine["fieldsV1"])) if mine else set()) - changed
    if manager:
        held |= changed & after.keys()
    kept = [entry for entry in entries if entry is not mine]
    time = format_time(now) if manager else (mine or {}).get("time")
    own = {"manager": FIELD_MANAGER, "operation": "Update", "time": time, "fieldsV1": _tree(held)}
    new["metadata"]["managedFields"] = [*kept, own] if held else kept


def _leaves(body: Body) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Path → value of what people and Salus write; a list is one value."""
    yield from _below(("f:metadata", "f:annotations"), body["metadata"].get("annotations") or {})
    yield from _below(("f:spec",), body.get("spec") or {})


def _below(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401 — JSON
    if not isinstance(value, Mapping):
        yield path, value
        return
    for key, member in value.items():
        yield from _below((*path, f"f:{key}"), member)


def _tree(paths: Iterable[tuple[str, ...]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path in paths:
        node = tree
        for step in path:
            node = node.setdefault(step, {})
    return tree


def _paths(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not tree:
        yield path
    for step, below in tree.items():
        yield from _paths(below, (*path, step))


def is_chosen(body: Body, wanted: Labels) -> bool:
    """Whether an object has these labels, or those that a selector asks for."""
    labels = body["metadata"].get("labels") or {}
    return selects(wanted, labels) if isinstance(wanted, Selector) else wanted.items() <= labels.items()


def _merged(old: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON Merge Patch (RFC 7386)."""
    result = dict(old)
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            kept = result.get(key)
            result[key] = _merged(kept if isinstance(kept, Mapping) else {}, value)
        else:
            result[key] = copied(value)
    return result


def _fill_in(new: dict[str, Any]) -> None:
    """The server's own defaults, as far as decisions rest on them."""
    if new["kind"] == AUTOSCALERS.kind:
        new["spec"] = {"minReplicas": 1, **new["spec"]}


def _validate(new: Body, old: Body | None = None) -> None:
    """A few of the server's rules: the models of our kinds, what never changes, and replicas."""
    if model := SPECS.get(new["kind"]):
        _validate_spec(model, new)
        _validate_record(new, old)
    if old and new["kind"] == CONTROLLER_REVISIONS.kind and new.get("data") != old.get("data"):
        _refuse(new, "data", "field is immutable")
    replicas = (new.get("spec") or {}).get("replicas")
    if new["kind"] in _WITH_GENERATION and isinstance(replicas, int) and replicas < 0:
        _refuse(new, "spec.replicas", "must be greater than or equal to 0")
    if new["kind"] == AUTOSCALERS.kind and new["spec"]["maxReplicas"] < new["spec"]["minReplicas"]:
        _refuse(new, "spec.maxReplicas", "must be greater than or equal to `minReplicas`")


def _validate_spec(model: type[pydantic.BaseModel], body: Body) -> None:
    try:
        model.model_validate(body.get("spec") or {})
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        _refuse(body, ".".join(("spec", *map(str, first["loc"]))), first["msg"])


def _validate_record(new: Body, old: Body | None) -> None:
    """Nothing of a record's spec changes, but one approval and one withdrawal, once."""
    if old is None or new["kind"] == HEALTH_POLICIES.kind:
        return
    free = {"approval", "withdrawal"} - set(old["spec"])
    for key in sorted({*old["spec"], *new["spec"]} - free):
        if old["spec"].get(key) != new["spec"].get(key):
            _refuse(new, "spec", f"{key} never changes")


def _refuse(body: Body, path: str, message: str) -> None:
    raise Invalid(f"{body['kind']} {body['metadata'].get('name')!r} is invalid: {path}: {message}", ((path, message),))
