"""What the loop needs from the world, as small as it can be; adapters and fakes pass the same contract tests.

Errors of every port are one of the tree below, so that the loop can tell "try again" from "never".
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from salus.model.change import ActionKind
from salus.model.meta import AutoscalerKind, WorkloadKind
from salus.model.scalars import API_VERSION, Body
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Answer, Error, Query, Rule, Sample
from salus.model.values.objects import Selector, Workload
from salus.model.values.permissions import Permission


class ClusterError(Exception):
    """The API server did not do what was asked.

    ClusterError
    ├── Unavailable      no answer, 5xx, timeout: the effect is unknown, settle before trying again
    ├── Throttled        429: try again after `retry_after`
    └── Rejected         the server said no; the same request will be refused again
        ├── NotFound     404
        ├── Conflict     409: exists already, or a stale resourceVersion
        ├── Invalid      422: a failed `test` operation, or validation (`causes` names fields)
        ├── TooMany      there is more of it than is ever read
        └── Forbidden    403 or 401
    """


class Unavailable(ClusterError):
    """No answer that tells whether the request took effect."""


class Throttled(ClusterError):
    """429; nothing happened."""

    def __init__(self, message: str, retry_after: timedelta) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Rejected(ClusterError):
    """The server refused; nothing happened."""


class NotFound(Rejected):
    """404."""


class Conflict(Rejected):
    """409."""


class Invalid(Rejected):
    """422 or 400; `causes` holds (field, message) where the server names them, and is empty for a failed `test`."""

    def __init__(self, message: str, causes: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.causes = causes


class Forbidden(Rejected):
    """403 or 401."""


class TooMany(Rejected):
    """A list has more objects, or more bytes, than are held at once."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object as the API server serves it."""

    api_version: str
    plural: str
    kind: str
    namespaced: bool = True
    """Objects of a kind that is not have an empty namespace."""


DEPLOYMENTS = Resource("apps/v1", "deployments", "Deployment")
STATEFUL_SETS = Resource("apps/v1", "statefulsets", "StatefulSet")
DAEMON_SETS = Resource("apps/v1", "daemonsets", "DaemonSet")
REPLICA_SETS = Resource("apps/v1", "replicasets", "ReplicaSet")
CONTROLLER_REVISIONS = Resource("apps/v1", "controllerrevisions", "ControllerRevision")
PODS = Resource("v1", "pods", "Pod")
AUTOSCALERS = Resource("autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
SCALED_OBJECTS = Resource("keda.sh/v1alpha1", "scaledobjects", "ScaledObject")
DISRUPTION_BUDGETS = Resource("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget")
RESOURCE_QUOTAS = Resource("v1", "resourcequotas", "ResourceQuota")
SERVICES = Resource("v1", "services", "Service")
CONFIG_MAPS = Resource("v1", "configmaps", "ConfigMap")
NAMESPACES = Resource("v1", "namespaces", "Namespace", namespaced=False)
NODES = Resource("v1", "nodes", "Node", namespaced=False)
LIMIT_RANGES = Resource("v1", "limitranges", "LimitRange")
SECRETS = Resource("v1", "secrets", "Secret")
VOLUME_CLAIMS = Resource("v1", "persistentvolumeclaims", "PersistentVolumeClaim")
PRIORITY_CLASSES = Resource("scheduling.k8s.io/v1", "priorityclasses", "PriorityClass", namespaced=False)
_RBAC = "rbac.authorization.k8s.io/v1"
ROLES = Resource(_RBAC, "roles", "Role")
CLUSTER_ROLES = Resource(_RBAC, "clusterroles", "ClusterRole", namespaced=False)
ROLE_BINDINGS = Resource(_RBAC, "rolebindings", "RoleBinding")
CLUSTER_ROLE_BINDINGS = Resource(_RBAC, "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
ACCESS_REVIEWS = Resource("authorization.k8s.io/v1", "localsubjectaccessreviews", "LocalSubjectAccessReview")
SERVICE_ACCOUNTS = Resource("v1", "serviceaccounts", "ServiceAccount")
EVENTS = Resource("events.k8s.io/v1", "events", "Event")
CORE_EVENTS = Resource("v1", "events", "Event")
"""The same objects, as the role `view` lets people read them."""
LEASES = Resource("coordination.k8s.io/v1", "leases", "Lease")
HEALTH_POLICIES = Resource(API_VERSION, "healthpolicies", "HealthPolicy")
INCIDENTS = Resource(API_VERSION, "incidents", "Incident")
CHANGE_EVENTS = Resource(API_VERSION, "changeevents", "ChangeEvent")
KEPT_RELEASES = Resource(API_VERSION, "keptreleases", "KeptRelease")
WORKLOADS: Mapping[WorkloadKind, Resource] = {
    WorkloadKind.DEPLOYMENT: DEPLOYMENTS,
    WorkloadKind.STATEFUL_SET: STATEFUL_SETS,
    WorkloadKind.DAEMON_SET: DAEMON_SETS,
}
SCALERS: Mapping[AutoscalerKind, Resource] = {
    AutoscalerKind.HPA: AUTOSCALERS,
    AutoscalerKind.SCALED_OBJECT: SCALED_OBJECTS,
}


def right(verb: str, resource: Resource, subresource: str = "") -> Permission:
    """The right to do this with objects of this kind."""
    group, slash, _ = resource.api_version.rpartition("/")
    return Permission(verb, group if slash else "", resource.plural, subresource)


RECORD_KEEPING = frozenset(
    {
        *(right("create", kind) for kind in (INCIDENTS, CHANGE_EVENTS, KEPT_RELEASES, EVENTS, LEASES)),
        *(right("patch", kind, "status") for kind in (HEALTH_POLICIES, INCIDENTS, CHANGE_EVENTS, KEPT_RELEASES)),
        right("patch", LEASES),
        *(right("delete", kind) for kind in (INCIDENTS, CHANGE_EVENTS, KEPT_RELEASES)),
    }
)
"""All that the operator writes as itself: its records, which it also deletes when their time is over, the releases it
keeps, its Lease."""

REMEDIATION = frozenset(
    {
        *(right(verb, kind) for kind in (*WORKLOADS.values(), *SCALERS.values()) for verb in ("get", "patch")),
        right("delete", PODS),
    }
)
"""All that it does as an account of a policy's namespace; what of this it may do there, the namespace decides."""

ROLLING_BACK = frozenset(right("rollback", kind) for kind in WORKLOADS.values())
"""Never a request: whether an account may put another pod template there, which RBAC cannot tell from a restart. The
admission policy loans.salus.dev asks for it, and so does Salus before it plans."""


@dataclass(frozen=True, slots=True)
class Ref:
    """One object by address."""

    resource: Resource
    namespace: str
    name: str


LONGEST_LIST = 10_000
"""Objects that are read into one list. What needs more of them takes them one after another."""


Labels = Mapping[str, str] | Selector
"""What objects are chosen by: labels that they have, or whatever a label selector may ask for."""


class Cluster(Protocol):
    """Kubernetes as the operator itself sees it; always fresh, never a cache.

    It reads what decisions need and writes Salus' own records; what is another's is written through `Account` alone.
    Every method raises ClusterError, nothing else.
    """

    async def get(self, ref: Ref) -> Body:
        """The object. NotFound if there is none."""
        ...

    async def list(self, resource: Resource, namespace: str | None, labels: Labels | None = None) -> list[Body]:
        """All objects of a kind in a namespace (None: in all), with these labels. TooMany beyond LONGEST_LIST."""
        ...

    def each(self, resource: Resource, namespace: str | None, labels: Labels | None = None) -> AsyncIterator[Body]:
        """The same objects, one after another: those of a namespace together, and never many of them in memory.

        What is written meanwhile may be seen or not. Raises ClusterError on the way.
        """
        ...

    async def list_metadata(self, resource: Resource, namespace: str | None) -> Sequence[Body]:
        """All objects of a kind in a namespace (None: in all), without what is in them: `metadata` only."""
        ...

    async def may(self, right: Permission, namespace: str) -> bool:
        """Whether the operator itself has this right on all objects of a kind in a namespace (empty: in none)."""
        ...

    async def create(self, resource: Resource, body: Body) -> Body:
        """Create `body` (metadata.namespace says where). Conflict if the name is taken."""
        ...

    async def patch(self, ref: Ref, operations: Sequence[Mapping[str, Any]], *, subresource: str = "") -> Body:
        """Apply a JSON Patch, all or nothing. Invalid if a `test` fails."""
        ...

    async def update_status(self, ref: Ref, status: Mapping[str, Any]) -> Body:
        """Replace the fields of the status subresource that `status` holds (a merge patch; None removes)."""
        ...

    async def delete(self, ref: Ref, *, uid: str = "") -> None:
        """Delete the object; with `uid` only that very one (Conflict otherwise). NotFound if there is none."""
        ...


class Account(Protocol):
    """One service account of one namespace, by impersonation: the only hand that writes to what is not Salus' own.

    It reaches nothing outside its namespace, and does only what is in `REMEDIATION`. Every method raises ClusterError.
    """

    async def get(self, ref: Ref) -> Body:
        """The object, as this account sees it. Forbidden if it may not."""
        ...

    async def patch(self, ref: Ref, operations: Sequence[Mapping[str, Any]]) -> Body:
        """Apply a JSON Patch as this account, all or nothing. Invalid if a `test` fails."""
        ...

    async def delete(self, ref: Ref, *, uid: str = "") -> None:
        """Delete the object as this account; with `uid` only that very one (Conflict otherwise)."""
        ...

    async def exists(self) -> bool:
        """Whether there is such a service account."""
        ...

    async def may_impersonate(self) -> bool:
        """Whether the operator may act as this account."""
        ...

    async def may(self, right: Permission, name: str = "") -> bool:
        """Whether this account has a right, on the object of this name (or on all of the namespace)."""
        ...


class Accounts(Protocol):
    """Hands out accounts; the one factory of everything that writes to a workload."""

    def of(self, namespace: str, name: str) -> Account:
        """This account of this namespace. Invalid for what is not a name."""
        ...

    async def me(self) -> str:
        """The user name that the API server knows the operator by. Raises ClusterError."""
        ...


class Workloads(Protocol):
    """A watched view of all workloads, good enough to choose and to judge with; an action reads afresh."""

    def get(self, key: TargetKey) -> Workload | None:
        """The workload, or None if it is not there."""
        ...

    def select(self, namespace: str, kind: WorkloadKind, labels: Mapping[str, str]) -> Sequence[Workload]:
        """All workloads of the namespace with these labels, by name."""
        ...


class MirrorList(Protocol):
    """A list of what a mirror keeps, while it is read."""

    def add(self, body: Body) -> None:
        """One of its objects."""
        ...

    def complete(self, version: str) -> None:
        """It is whole, and shows how all was at this resourceVersion: what it did not have is gone."""
        ...

    def give_up(self) -> None:
        """Nothing more comes of it; also said after `complete`."""
        ...


class Mirror(Protocol):
    """Who keeps what a watch sees of one kind, in one namespace or in all; it raises for nothing that it is shown."""

    def begin(self) -> MirrorList:
        """A list is about to be asked for."""
        ...

    def changed(self, body: Body) -> None:
        """An object was added or modified."""
        ...

    def deleted(self, body: Body) -> None:
        """An object was deleted; `body` is what it was at last."""
        ...

    def heard(self) -> None:
        """The API server said something, if only that there is nothing new."""
        ...

    def forbidden(self) -> None:
        """The API server said that this may not be read."""
        ...


class MetricSource(Protocol):
    """Answers all questions of a tick at once, in their order; never raises for what a server or a network does."""

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        """One answer per question, in order."""
        ...


class RuleBook(Protocol):
    """Tells what the recorded series and the alerts of a source are made from; never raises for what it does."""

    async def rules(self, source: str) -> Sequence[Rule] | Error:
        """All rules of a source, in an order of their own."""
        ...


class MetricHistory(Protocol):
    """Looks back: one range query."""

    async def samples(
        self, question: Query, start: datetime, end: datetime, step: timedelta
    ) -> Sequence[Sample] | Error:
        """Samples from start to end, oldest first; gaps are left out, as are NaN and infinite values."""
        ...


@dataclass(frozen=True, slots=True)
class Notice:
    """A Kubernetes Event to be: courtesy, not record."""

    regarding: Mapping[str, str]
    """apiVersion, kind, namespace, name, uid of the object it is shown at."""
    reason: str
    action: str
    note: str
    warning: bool = False
    related: Mapping[str, str] | None = None


class Recorder(Protocol):
    """Posts Kubernetes Events; a failure is logged and forgotten."""

    async def post(self, notice: Notice) -> None:
        """Post one Event."""
        ...


@dataclass(frozen=True, slots=True)
class NotTaken:
    """A sink did not take what was sent; it may be sent again."""

    reason: str
    """In one CamelCase word."""
    message: str
    of_this_event: bool = False
    """The sink refuses this very event; it may well take others."""
    retry_after: timedelta | None = None
    """Not before, if the sink said so."""


class Sinks(Protocol):
    """Sends what Salus records to places that the administrator configured by name; never raises for what they do."""

    async def send(self, sink: str, event: Body) -> NotTaken | None:
        """Send one CloudEvent; None: the sink has taken it."""
        ...


class Telemetry(Protocol):
    """Counts what Salus does, for its own /metrics."""

    def evaluated(self, verdict: str) -> None:
        """A check gave a verdict."""
        ...

    def decided(self, decision: str, action: ActionKind, reason: str) -> None:
        """A change event was written."""
        ...

    def finished(self, action: ActionKind, outcome: str) -> None:
        """A change has its outcome."""
        ...

    def ticked(self, lag: float, duration: float, targets: int) -> None:
        """One tick of the loop: seconds late, seconds long, targets judged."""
        ...

    def sent(self, sink: str, outcome: str) -> None:
        """A sink was sent an event: `Taken`, or the reason why it was not."""
        ...

    def waiting(self, sink: str, events: int) -> None:
        """So many events wait for a sink."""
        ...

    def collected(self, kind: str) -> None:
        """A record whose time was over was deleted."""
        ...

    def withheld(self, namespace: str) -> None:
        """A record was counted and not written: its namespace has had as many as it may in an hour."""
        ...

    def failed(self, stage: str) -> None:
        """A stage of the loop met an error that it recovered from."""
        ...


class Clock(Protocol):
    """The only way to learn the time; decisions get it as a value."""

    def now(self) -> datetime:
        """The present, aware, UTC."""
        ...
