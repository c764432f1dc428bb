"""The cluster as a person sees it: by their kubeconfig, with their rights, and no others.

What cannot be read is left out and named at the end, with the right that it takes; a command fails only where that is
the very thing that was asked for.
"""

import sys
from collections.abc import AsyncIterator, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from salus.adapters.api import Connection, Login, NoCredentials, Request, place
from salus.adapters.cluster import ApiCluster
from salus.adapters.open_api import schemas
from salus.adapters.reviews import account_may, may, whoami
from salus.adapters.service_proxy import Service, ServiceProxy
from salus.cli.contract import CannotBeAsked
from salus.cli.logs import only_warnings
from salus.cli.names import Named, resembling, short_of
from salus.cli.reports.document import NotLookedAt
from salus.cli.version.objects import not_known
from salus.model.scalars import GROUP, VERSION, Body, first_few
from salus.model.values.permissions import Permission
from salus.ports import (
    ACCESS_REVIEWS,
    HEALTH_POLICIES,
    Cluster,
    ClusterError,
    Forbidden,
    NotFound,
    Ref,
    Resource,
    Throttled,
    Unavailable,
    right,
)

FIELD_MANAGER = "salus-cli"
INSTALL = "helm install salus charts/salus -n salus-system --create-namespace"


@dataclass(frozen=True, slots=True)
class Where:
    """What a person typed of where to look."""

    namespace: str | None = None
    """None: the kubeconfig's."""
    all_namespaces: bool = False
    kubeconfig: Path | None = None
    context: str | None = None
    as_user: str = ""
    request_timeout: timedelta = timedelta(seconds=10)
    verbose: bool = False

    def login(self) -> Login:
        """The way in."""
        return Login(self.kubeconfig, self.context, {"Impersonate-User": self.as_user} if self.as_user else {})


@dataclass(slots=True)
class Person:
    """Somebody in front of one cluster."""

    cluster: Cluster
    context: str
    """Of the kubeconfig; empty in a pod."""
    namespace: str | None
    """None: all of them."""
    _connection: Connection
    not_looked_at: list[NotLookedAt] = field(default_factory=list)
    not_known: set[str] = field(default_factory=set)
    """Fields of what was read that this program does not know."""

    async def name(self) -> str:
        """As the API server knows them. Raises CannotBeAsked."""
        with told(self):
            return await whoami(self._connection)

    async def may(self, wanted: Permission, namespace: str, name: str = "") -> bool:
        """Whether they have this right. Raises CannotBeAsked."""
        with told(self):
            return await may(self._connection, wanted, namespace, name)

    async def account_may(self, account: str, wanted: Permission, namespace: str, name: str = "") -> bool | None:
        """Whether a service account has it; None: that is not theirs to ask. Raises CannotBeAsked."""
        with told(self):
            try:
                return await account_may(self._connection, account, wanted, namespace, name)
            except (Forbidden, NotFound):
                return None

    def may_not_ask_of_accounts(self, namespace: str) -> None:
        """What accounts may do was not looked at."""
        self._leave_out("create", ACCESS_REVIEWS, namespace)

    async def schemas(self) -> Mapping[str, Body] | None:
        """The schema of each of our kinds, by its name; None if that is not theirs to see. Raises CannotBeAsked."""
        with told(self):
            try:
                return await schemas(self._connection, GROUP, VERSION)
            except NotFound as error:
                raise self._not_installed(HEALTH_POLICIES) from error
            except Forbidden:
                path = f"/openapi/v3/apis/{GROUP}/{VERSION}"
                self.not_looked_at.append(NotLookedAt(what="the CRDs", lacks=f"get {path} (role system:discovery)"))
                return None

    def through_proxy(self, service: Service) -> ServiceProxy:
        """The way to a Service through the API server, as this person."""
        return ServiceProxy(self._connection, service)

    async def get(self, ref: Ref) -> Body:
        """An object that was asked for. Raises CannotBeAsked, with names that resemble it."""
        with told(self):
            try:
                return self._read(await self.cluster.get(ref))
            except NotFound as error:
                raise await self._missing(ref) from error
            except Forbidden as error:
                raise self.lacking("get", ref.resource, ref.namespace, str(error)) from error

    async def find(self, ref: Ref) -> Body | None:
        """An object that would be nice to have; None if it is not there, or not theirs to see."""
        with told(self):
            try:
                return self._read(await self.cluster.get(ref))
            except NotFound:
                return None
            except Forbidden:
                self._leave_out("get", ref.resource, ref.namespace)
                return None

    async def objects(
        self, resource: Resource, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Body]:
        """All objects of a kind that were asked for. `namespace`: instead of the person's. Raises CannotBeAsked."""
        within = namespace or self.namespace
        with told(self):
            try:
                return [self._read(body) for body in await self.cluster.list(resource, within, labels)]
            except NotFound as error:
                raise self._not_installed(resource) from error
            except Forbidden as error:
                raise self.lacking("list", resource, within or "", str(error)) from error

    async def around(
        self, resource: Resource, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Body]:
        """Objects that would be nice to have; none if they are not theirs to see, or the cluster does not know them."""
        within = namespace or self.namespace
        with told(self):
            try:
                return [self._read(body) for body in await self.cluster.list(resource, within, labels)]
            except NotFound:
                return []
            except Forbidden:
                self._leave_out("list", resource, within or "")
                return []

    async def metadata_around(self, resource: Resource, namespace: str) -> list[Body]:
        """The same of one namespace, `metadata` only: what is in the objects is nobody's business here."""
        with told(self):
            try:
                return list(await self.cluster.list_metadata(resource, namespace))
            except NotFound:
                return []
            except Forbidden:
                self._leave_out("list", resource, namespace)
                return []

    def _read(self, body: Body) -> Body:
        self.not_known.update(not_known(body))
        return body

    def one_namespace(self) -> str:
        """Where to look for an object by its name alone. Raises CannotBeAsked."""
        if self.namespace is None:
            raise CannotBeAsked("what is named lies in one namespace", tries=["-n NAMESPACE instead of -A"])
        return self.namespace

    async def no_such(self, one: Named, near: Sequence[str] = ()) -> CannotBeAsked:
        """There is no such object, or no policy of such a workload; with names that resemble it."""
        where = f"in namespace {self.namespace}" if self.namespace else "in any namespace"
        if one.workload is not None:
            return CannotBeAsked(f"no policy has {one} as its target {where}", tries=["salus status -A"])
        facts = [("like it", ", ".join(near))] if near else []
        tries = await self._elsewhere(Ref(one.resource, self.namespace or "", one.name)) if self.namespace else []
        return CannotBeAsked(f"there is no {one.resource.kind} {one.name} {where}", facts, tries)

    def lacking(self, verb: str, resource: Resource, namespace: str, said: str = "") -> CannotBeAsked:
        """They may not, and it was the very thing that was asked for."""
        where = f"in namespace {namespace}" if namespace else "in all namespaces"
        facts = [("right", f"{right(verb, resource)}, {where}"), *([("said", said)] if said else [])]
        tries = [] if namespace else ["one namespace that is yours: -n NAMESPACE"]
        return CannotBeAsked(f"you may not {verb} {resource.plural} {where}", facts, tries)

    def _leave_out(self, verb: str, resource: Resource, namespace: str) -> None:
        where = f"in {namespace}" if namespace and resource.namespaced else "in all namespaces"
        found = NotLookedAt(what=resource.plural, lacks=f"{right(verb, resource)} {where}")
        if found not in self.not_looked_at:
            self.not_looked_at.append(found)

    async def _missing(self, ref: Ref) -> CannotBeAsked:
        what = f"there is no {ref.resource.kind} {ref.name} in namespace {ref.namespace}"
        try:
            there = await self.cluster.list_metadata(ref.resource, ref.namespace)
        except NotFound:
            return self._not_installed(ref.resource)
        except ClusterError:
            return CannotBeAsked(what)
        near = resembling(ref.name, (body["metadata"]["name"] for body in there))
        return CannotBeAsked(what, [("like it", ", ".join(near))] if near else (), [*await self._elsewhere(ref)])

    async def _elsewhere(self, ref: Ref) -> Sequence[str]:
        """The other namespaces that have one of this name, if they may look."""
        try:
            everywhere = await self.cluster.list_metadata(ref.resource, None)
        except ClusterError:
            return ()
        found = sorted(body["metadata"]["namespace"] for body in everywhere if body["metadata"]["name"] == ref.name)
        return [f"-n {namespace}, which has one" for namespace in found[:3]]

    def _not_installed(self, resource: Resource) -> CannotBeAsked:
        if GROUP not in resource.api_version:
            return CannotBeAsked(f"{self.context or 'this cluster'} does not know {resource.plural}")
        return CannotBeAsked(
            f"Salus is not installed in {self.context or 'this cluster'}",
            [("lacks", f"the kind {resource.kind} ({resource.api_version})")],
            [INSTALL, "another context: --context NAME"],
        )


class told:  # noqa: N801 — reads as what it does: `with told(person):`
    """What the API server does not do becomes what a person can read. Raises CannotBeAsked."""

    def __init__(self, person: Person) -> None:
        self._context = person.context

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, ClusterError):
            raise cannot_reach(error, self._context) from error


def cannot_reach(error: ClusterError, context: str) -> CannotBeAsked:
    """The API server did not do what was asked, for no reason of its own that a command knows better."""
    where = context or "the cluster"
    if isinstance(error, Throttled):
        return CannotBeAsked(f"{where} asks for a pause", [("said", str(error))], ["again in a minute"])
    if isinstance(error, Unavailable):
        return CannotBeAsked(
            f"{where} does not answer", [("said", str(error))], ["kubectl cluster-info", "another --context"]
        )
    if isinstance(error, Forbidden):
        return CannotBeAsked(f"{where} refuses", [("said", str(error))], ["kubectl auth whoami"])
    return CannotBeAsked(f"{where} did not do what was asked", [("said", str(error))])


@asynccontextmanager
async def person_at(where: Where, writes: Set[Permission] = frozenset()) -> AsyncIterator[Person]:
    """Somebody in front of their cluster; `writes`: all that the command may change there. Raises CannotBeAsked."""
    only_warnings()
    login = where.login()
    try:
        here = place(login)
        connection = await Connection.open(
            login, patience=where.request_timeout, observe=_say_request if where.verbose else None
        )
    except NoCredentials as error:
        raise _no_way_in(error, where) from error
    async with connection:
        namespace = None if where.all_namespaces else where.namespace or here.namespace
        cluster = ApiCluster(connection, rights=writes, manager=FIELD_MANAGER)
        person = Person(cluster, here.context, namespace, connection)
        yield person
        _warn_of(person)


def _warn_of(person: Person) -> None:
    """Objects of a newer Salus are read all the same."""
    if person.not_known:
        fields, where = first_few(sorted(person.not_known), 3), person.context or "the cluster"
        sys.stderr.write(f"salus: warning: {where} has fields that this program does not know: {fields}\n")
        sys.stderr.write(f"  {'try':<10}salus version, which says which program goes with it\n")


def _no_way_in(error: NoCredentials, where: Where) -> CannotBeAsked:
    context = f", context {where.context}" if where.context else ""
    file = where.kubeconfig or "$KUBECONFIG, else ~/.kube/config"
    facts = [("looked in", f"{file}{context}"), ("said", str(error))]
    return CannotBeAsked("no way to the cluster", facts, ["kubectl config get-contexts", "kubectl auth whoami"])


def _say_request(request: Request, seconds: float) -> None:
    sys.stderr.write(f"{request} {seconds * 1000:.0f} ms\n")


def typed(ref: Ref) -> str:
    """As commands take it: `deploy/checkout -n shop`."""
    return f"{short_of(ref.resource)}/{ref.name} -n {ref.namespace}"
