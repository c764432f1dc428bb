"""What Kubernetes lets in: a pod, and what its namespace says. The core is asked in the unit tests, the server here.

A case says what the core answers; whether that is right, the real API server tells, which creates the pod (dry run).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Spec = Mapping[str, Any]


def container(name: str = "app", *, always: bool = False, **resources: Mapping[str, str]) -> dict[str, Any]:
    """A container that asks for this; `always`: it restarts always, which makes an init container a sidecar."""
    sidecar = {"restartPolicy": "Always"} if always else {}
    return {"name": name, "image": "app:v1", "resources": resources, **sidecar}


def requests(name: str = "app", *, always: bool = False, disk: str = "", **amounts: str) -> dict[str, Any]:
    """A container with these requests; `disk`: of ephemeral storage."""
    return container(name, always=always, requests={**amounts, **({"ephemeral-storage": disk} if disk else {})})


def pod(*containers: Spec, init: Sequence[Spec] = (), **fields: Any) -> dict[str, Any]:  # noqa: ANN401 — as YAML has it
    """The spec of a pod."""
    return {"containers": list(containers), **({"initContainers": list(init)} if init else {}), **fields}


@dataclass(frozen=True, slots=True)
class Case:
    """A pod before a quota and LimitRanges."""

    case: str
    """A sentence: what is special about it."""
    spec: Spec
    hard: Mapping[str, str] = field(default_factory=dict)
    """Of a ResourceQuota of which nothing is used."""
    says: str = ""
    """What the core objects with, in part; nothing: the pod is let in."""
    scopes: Sequence[str] = ()
    selector: Mapping[str, Any] | None = None
    """One of the scopeSelector's expressions."""
    limits: Sequence[Mapping[str, Any]] = ()
    """Of a LimitRange."""

    def quotas(self) -> list[dict[str, Any]]:
        """The quota as it is written, if there is one."""
        chosen = {"scopeSelector": {"matchExpressions": [self.selector]}} if self.selector else {}
        scopes = {"scopes": list(self.scopes)} if self.scopes else {}
        spec = {"hard": dict(self.hard), **scopes, **chosen}
        return [{"metadata": {"name": "team"}, "spec": spec}] if self.hard else []

    def ranges(self) -> list[dict[str, Any]]:
        """The LimitRange as it is written, if there is one."""
        return [{"metadata": {"name": "team"}, "spec": {"limits": list(self.limits)}}] if self.limits else []


HALF = requests(cpu="500m", memory="64Mi")
PLAIN = container()
GIVEN = {"type": "Container", "defaultRequest": {"cpu": "200m"}, "default": {"cpu": "1"}}
PRIORITY = {"scopeName": "PriorityClass"}
CRITICAL = "system-node-critical"
NEAR = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "x"}}}
REQUIRED, PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)


def near(sort: str, **more: object) -> dict[str, Any]:
    """A pod that wants to be near others, or far from them."""
    return pod(HALF, affinity={sort: {REQUIRED: [{**NEAR, **more}]}})


COUNTS = [
    Case("just enough pods", pod(HALF), {"pods": "1"}),
    Case("no pods at all", pod(HALF), {"pods": "0"}, "leaves room for 0 pods"),
    Case("counted as objects", pod(HALF), {"count/pods": "0"}, "leaves room for 0 pods"),
    Case("just enough", pod(HALF), {"requests.cpu": "500m"}),
    Case("a little too much", pod(HALF), {"requests.cpu": "499m"}, "leaves 0.499 of requests.cpu"),
    Case("by its short name", pod(HALF), {"cpu": "499m"}, "leaves 0.499 of cpu"),
    Case("memory", pod(HALF), {"requests.memory": "63Mi"}, "1 more pods want 67108864"),
    Case("a limit is its own request", pod(container(limits={"cpu": "1"})), {"requests.cpu": "999m"}, "want 1"),
    Case("limits are counted apart", pod(container(limits={"cpu": "1"})), {"limits.cpu": "1"}),
    Case("two containers", pod(HALF, requests("b", cpu="100m")), {"requests.cpu": "599m"}, "want 0.6"),
    Case("one that does not say", pod(HALF, container("b")), {"requests.cpu": "9"}, "counts requests.cpu"),
    Case("an init container that does not say", pod(HALF, init=[container("b")]), {"cpu": "9"}, "counts cpu"),
    Case("a limit that is not said", pod(HALF), {"limits.cpu": "9"}, "counts limits.cpu"),
    Case("what is not said is nothing, of disks", pod(HALF), {"requests.ephemeral-storage": "1Gi"}),
    Case("disks", pod(requests(disk="2Gi")), {"requests.ephemeral-storage": "1Gi"}, "2147483648"),
    Case(
        "what an extended resource asks for",
        pod(container(requests={"example.com/gpu": "2"}, limits={"example.com/gpu": "2"})),
        {"requests.example.com/gpu": "1"},
        "leaves 1 of requests.example.com/gpu",
    ),
    Case("other things", pod(HALF), {"secrets": "0"}),
    Case("zero fits where nothing is left", pod(requests(cpu="0")), {"requests.cpu": "0"}),
]
STARTING = [
    Case("a small init container is in the shadow", pod(HALF, init=[requests("a", cpu="400m")]), {"cpu": "500m"}),
    Case("a large one counts alone", pod(HALF, init=[requests("a", cpu="2")]), {"cpu": "1999m"}, "want 2"),
    Case(
        "init containers run one by one", pod(HALF, init=[requests("a", cpu="1"), requests("b", cpu="1")]), {"cpu": "1"}
    ),
    Case("a sidecar is added", pod(HALF, init=[requests("a", always=True, cpu="500m")]), {"cpu": "999m"}, "want 1"),
    Case(
        "a sidecar runs beside a later init container",
        pod(HALF, init=[requests("a", always=True, cpu="500m"), requests("b", cpu="1")]),
        {"cpu": "1499m"},
        "want 1.5",
    ),
    Case(
        "and not beside an earlier one",
        pod(HALF, init=[requests("b", cpu="1"), requests("a", always=True, cpu="500m")]),
        {"cpu": "1"},
    ),
]
AS_A_POD = [
    Case("a pod that says it for all", pod(PLAIN, resources={"requests": {"cpu": "2"}}), {"cpu": "1999m"}, "want 2"),
    Case(
        "it may be less than the limits together", pod(HALF, resources={"requests": {"cpu": "600m"}}), {"cpu": "600m"}
    ),
    Case("then the containers need not say", pod(PLAIN, resources={"limits": {"memory": "1Gi"}}), {"cpu": "1"}),
    Case("its limit stands for a request", pod(PLAIN, resources={"limits": {"cpu": "2"}}), {"cpu": "1999m"}, "want 2"),
    Case("unless the containers say theirs", pod(HALF, resources={"limits": {"cpu": "2"}}), {"cpu": "500m"}),
    Case("it is not BestEffort", pod(PLAIN, resources={"limits": {"cpu": "2"}}), {"pods": "0"}, scopes=["BestEffort"]),
]
SCOPES = [
    Case("BestEffort, and so is the pod", pod(PLAIN), {"pods": "0"}, "0 pods", scopes=["BestEffort"]),
    Case("BestEffort, and the pod asks for something", pod(HALF), {"pods": "0"}, scopes=["BestEffort"]),
    Case(
        "an init container that asks is enough",
        pod(PLAIN, init=[HALF | {"name": "a"}]),
        {"pods": "0"},
        scopes=["BestEffort"],
    ),
    Case("a disk is not", pod(requests(disk="1")), {"pods": "0"}, "0 pods", scopes=["BestEffort"]),
    Case("zero is nothing", pod(requests(cpu="0")), {"pods": "0"}, "0 pods", scopes=["BestEffort"]),
    Case("NotBestEffort", pod(HALF), {"pods": "0"}, "0 pods", scopes=["NotBestEffort"]),
    Case("NotBestEffort, and the pod is", pod(PLAIN), {"pods": "0"}, scopes=["NotBestEffort"]),
    Case(
        "what a LimitRange gives is asked for",
        pod(PLAIN),
        {"pods": "0"},
        "0 pods",
        scopes=["NotBestEffort"],
        limits=[GIVEN],
    ),
    Case("Terminating", pod(HALF, activeDeadlineSeconds=9), {"pods": "0"}, "0 pods", scopes=["Terminating"]),
    Case("Terminating, and the pod runs for ever", pod(HALF), {"pods": "0"}, scopes=["Terminating"]),
    Case("NotTerminating", pod(HALF), {"pods": "0"}, "0 pods", scopes=["NotTerminating"]),
    Case(
        "NotTerminating, and the pod is", pod(HALF, activeDeadlineSeconds=9), {"pods": "0"}, scopes=["NotTerminating"]
    ),
    Case("both of two scopes", pod(HALF), {"pods": "0"}, "0 pods", scopes=["NotTerminating", "NotBestEffort"]),
    Case("one of two scopes", pod(PLAIN), {"pods": "0"}, scopes=["NotTerminating", "NotBestEffort"]),
]
PRIORITIES = [
    Case("any priority class, and none", pod(HALF), {"pods": "0"}, scopes=["PriorityClass"]),
    Case("any", pod(HALF, priorityClassName=CRITICAL), {"pods": "0"}, "0 pods", scopes=["PriorityClass"]),
    *(
        Case(
            f"{operator} {' '.join(values)}, and the pod has {name or 'none'}",
            pod(HALF) | ({"priorityClassName": name} if name else {}),
            {"pods": "0"},
            "0 pods" if counts else "",
            selector={**PRIORITY, "operator": operator, **({"values": values} if values else {})},
        )
        for operator, values, name, counts in (
            ("In", [CRITICAL], CRITICAL, True),
            ("In", ["other"], CRITICAL, False),
            ("In", [CRITICAL], "", False),
            ("NotIn", [CRITICAL], CRITICAL, False),
            ("NotIn", ["other"], CRITICAL, True),
            ("NotIn", [CRITICAL], "", True),
            ("Exists", [], "", False),
            ("Exists", [], CRITICAL, True),
            ("DoesNotExist", [], "", True),
            ("DoesNotExist", [], CRITICAL, False),
        )
    ),
]
ACROSS: Sequence[Mapping[str, object]] = ({"namespaces": ["other"]}, {"namespaceSelector": {}})
AFFINITIES = [
    Case("near pods of its own namespace", near("podAffinity"), {"pods": "0"}, scopes=["CrossNamespacePodAffinity"]),
    *(
        Case(
            f"{sort} across namespaces, by {next(iter(more))}",
            near(sort, **more),
            {"pods": "0"},
            "0 pods",
            scopes=["CrossNamespacePodAffinity"],
        )
        for sort in ("podAffinity", "podAntiAffinity")
        for more in ACROSS
    ),
    Case(
        "preferred",
        pod(
            HALF,
            affinity={
                "podAffinity": {PREFERRED: [{"weight": 1, "podAffinityTerm": {**NEAR, "namespaces": ["other"]}}]}
            },
        ),
        {"pods": "0"},
        "0 pods",
        scopes=["CrossNamespacePodAffinity"],
    ),
]
RANGES = [
    Case("a LimitRange says it for the container", pod(PLAIN), {"cpu": "199m"}, "want 0.2", limits=[GIVEN]),
    Case("and for one that starts the pod", pod(HALF, init=[container("a")]), {"cpu": "500m"}, limits=[GIVEN]),
    Case(
        "a default of the limit alone is the request's too",
        pod(PLAIN),
        {"cpu": "999m"},
        "want 1",
        limits=[{"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "1"}}],
    ),
    Case(
        "a default that is smaller than the request",
        pod(requests(cpu="2")),
        says="more than its limit of 1",
        limits=[GIVEN],
    ),
    *(
        Case(case, pod(one), says=says, limits=[{"type": sort, **bound}])
        for case, one, says, sort, bound in (
            (
                "below the least",
                requests(cpu="1m"),
                "at least 0.1 of cpu, not 0.001",
                "Container",
                {"min": {"cpu": "100m"}, "defaultRequest": {"cpu": "100m"}},
            ),
            (
                "not said is below the least",
                PLAIN,
                "at least 0.1 of cpu, and does not say",
                "Pod",
                {"min": {"cpu": "100m"}},
            ),
            ("just the least", requests(cpu="100m"), "", "Pod", {"min": {"cpu": "100m"}}),
            ("above the most", container(limits={"cpu": "2"}), "at most 1 of cpu, not 2", "Pod", {"max": {"cpu": "1"}}),
            ("without a limit", HALF, "limited to 1 of cpu, and has no limit", "Pod", {"max": {"cpu": "1"}}),
            ("just the most", container(limits={"cpu": "1"}), "", "Container", {"max": {"cpu": "1"}}),
            (
                "too far apart",
                container(requests={"cpu": "100m"}, limits={"cpu": "1"}),
                "more than 2 times its request",
                "Container",
                {"maxLimitRequestRatio": {"cpu": "2"}},
            ),
            (
                "just so far apart",
                container(requests={"cpu": "500m"}, limits={"cpu": "1"}),
                "",
                "Container",
                {"maxLimitRequestRatio": {"cpu": "2"}},
            ),
            ("nothing to compare", HALF, "request and a limit of cpu", "Pod", {"maxLimitRequestRatio": {"cpu": "2"}}),
        )
    ),
    Case(
        "all containers of a pod together",
        pod(container(limits={"cpu": "600m"}), container("b", limits={"cpu": "600m"})),
        says="a pod may have at most 1 of cpu, not 1.2",
        limits=[{"type": "Pod", "max": {"cpu": "1"}}],
    ),
]
CASES = [*COUNTS, *STARTING, *AS_A_POD, *SCOPES, *PRIORITIES, *AFFINITIES, *RANGES]


@dataclass(frozen=True, slots=True)
class Eviction:
    """Pods, and budgets over them: which may go."""

    case: str
    pods: str
    """A letter each: R running and ready, N running and not ready, P pending, S succeeded, D being deleted."""
    goes: str
    """y or n for each, as the core says."""
    at_least: int = 1
    policy: str = ""
    budgets: int = 1


EVICTIONS = [
    Eviction("one more than enough", "RR", "yy"),
    Eviction("just enough", "R", "n"),
    Eviction("what is not ready does not count, and may go while enough are", "RN", "ny"),
    Eviction("none is ready, and what is left might be about to be", "NN", "nn"),
    Eviction("none is ready, and that keeps nobody", "NN", "yy", policy="AlwaysAllow"),
    Eviction("fewer than enough are ready", "RN", "nn", at_least=2, policy="IfHealthyBudget"),
    Eviction("of fewer than enough those may go that are not ready", "RN", "ny", at_least=2, policy="AlwaysAllow"),
    Eviction("what is pending or at its end may always go", "RPS", "nyy"),
    Eviction("what is going is going", "RD", "ny"),
    Eviction("two budgets over a pod keep it for ever", "RRR", "nnn", budgets=2),
    Eviction("but for one that has not begun", "P", "y", budgets=2),
    Eviction("a budget of nothing keeps nobody", "RN", "yy", at_least=0),
]
