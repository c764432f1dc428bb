"""What Kubernetes computes, computed the same: what a pod takes, what quotas leave, what may be evicted.

The cases are those of which the contract tests ask the real API server.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from salus.core.objects.capacity import headroom_from, no_way_back, shortfall
from salus.core.objects.disruptions import disruptions_from
from salus.core.objects.pod_resources import quantity, refused_by, resources_of
from salus.core.objects.pod_security import forbidden_by
from salus.core.objects.pods import of_template
from salus.core.objects.turnover import NOTHING_GOES, Turnover, goes_first, turnover
from salus.model.scalars import Body
from salus.model.values.objects import Disruption, Revision
from tests.builders import NOW
from tests.contract.pod_cases import CASES, EVICTIONS, GIVEN, HALF, PLAIN, Case, Eviction, container, pod, requests
from tests.contract.pod_security_cases import SECURITY, Security


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("100m", "0.1"),
        ("2", "2"),
        ("1.5Gi", "1610612736"),
        ("1k", "1000"),
        ("2e3", "2000"),
        ("5n", "5E-9"),
        ("1E", "1E18"),
    ],
)
def test_quantities(text: str, value: str) -> None:
    assert quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "m", "1 Gi", "1GiB", "one", None, "1e999999999", "9" * 400])
def test_what_is_no_quantity(text: object) -> None:
    with pytest.raises(ValueError, match="expected a quantity"):
        quantity(text)


def counted(quota: Mapping[str, Any], **used: str) -> dict[str, Any]:
    """A quota of which its controller has counted what is used."""
    hard = quota["spec"]["hard"]
    return {**quota, "status": {"hard": hard, "used": {**dict.fromkeys(hard, "0"), **used}}}


def quota(hard: Mapping[str, str], used: Mapping[str, str], *scopes: str) -> dict[str, Any]:
    return counted({"metadata": {"name": "team"}, "spec": {"hard": hard, "scopes": list(scopes)}}, **used)


def template(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"metadata": {"labels": {"app": "checkout"}}, "spec": spec}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.case)
def test_whether_a_pod_is_let_in(case: Case) -> None:
    headroom = headroom_from(map(counted, case.quotas()), case.ranges(), template(case.spec))
    said = refused_by(case.ranges(), template(case.spec)) or shortfall(headroom, 1) or ""

    assert case.says in said
    assert bool(said) == bool(case.says)


LIMITS = {"metadata": {"name": "defaults"}, "spec": {"limits": [GIVEN]}}


@pytest.mark.parametrize(
    ("quotas", "ranges", "spec", "message"),
    [
        pytest.param(
            [quota({"pods": "10"}, {"pods": "9"})],
            [],
            pod(HALF),
            "ResourceQuota/team leaves room for 1 pods, 2 more are wanted",
            id="too many pods",
        ),
        pytest.param([quota({"pods": "10"}, {"pods": "8"})], [], pod(HALF), None, id="just enough pods"),
        pytest.param(
            [quota({"requests.cpu": "2"}, {"requests.cpu": "1100m"})],
            [],
            pod(HALF),
            "ResourceQuota/team leaves 0.9 of requests.cpu, 2 more pods want 1",
            id="not enough cpu",
        ),
        pytest.param([quota({"cpu": "2"}, {"cpu": "1"})], [], pod(HALF), None, id="just enough cpu, by its short name"),
        pytest.param(
            [quota({"requests.memory": "100Mi"}, {})],
            [],
            pod(HALF),
            "ResourceQuota/team leaves 104857600 of requests.memory, 2 more pods want 134217728",
            id="not enough memory",
        ),
        pytest.param(
            [quota({"requests.cpu": "10"}, {})],
            [],
            pod(HALF, PLAIN),
            "ResourceQuota/team counts requests.cpu, and the pods do not say theirs",
            id="a container without request cannot be made under a quota",
        ),
        pytest.param(
            [quota({"requests.cpu": "1"}, {})],
            [LIMITS],
            pod(HALF, PLAIN),
            "ResourceQuota/team leaves 1 of requests.cpu, 2 more pods want 1.4",
            id="a LimitRange says it for the container",
        ),
        pytest.param(
            [quota({"requests.cpu": "1"}, {})],
            [],
            pod(container(limits={"cpu": "400m"})),
            None,
            id="a limit stands for the request that is not written",
        ),
        pytest.param(
            [quota({"requests.cpu": "3"}, {})],
            [],
            pod(HALF, init=[requests("init", cpu="2")]),
            "ResourceQuota/team leaves 3 of requests.cpu, 2 more pods want 4",
            id="a large init container counts",
        ),
        pytest.param(
            [quota({"requests.cpu": "1"}, {})],
            [],
            pod(HALF, init=[requests("side", always=True, cpu="500m")]),
            "ResourceQuota/team leaves 1 of requests.cpu, 2 more pods want 2",
            id="a sidecar is added",
        ),
        pytest.param([quota({"pods": "1"}, {}, "Terminating")], [], pod(HALF), None, id="a quota for other pods"),
        pytest.param([quota({"secrets": "1"}, {"secrets": "1"})], [], pod(HALF), None, id="a quota of other things"),
        pytest.param(
            [quota({"pods": "4"}, {"pods": "6"})],
            [],
            pod(HALF),
            "ResourceQuota/team leaves room for 0 pods, 2 more are wanted",
            id="a quota that is overdrawn",
        ),
        pytest.param(
            [quota({"requests.cpu": "1"}, {"requests.cpu": "2"})],
            [],
            pod(requests(cpu="0")),
            None,
            id="of which the pods take nothing",
        ),
        pytest.param([], [], pod(PLAIN), None, id="no quota"),
    ],
)
def test_room_for_two_more_pods(
    quotas: Sequence[Body], ranges: Sequence[Body], spec: Body, message: str | None
) -> None:
    assert shortfall(headroom_from(quotas, ranges, template(spec)), 2) == message


@pytest.mark.parametrize(
    "status",
    [
        pytest.param(None, id="not at all"),
        pytest.param({"hard": {"pods": "4"}, "used": {}}, id="not what is used"),
    ],
)
def test_a_quota_that_is_not_counted_yet_cannot_be_judged_by(status: Body | None) -> None:
    new = {"metadata": {"name": "new"}, "spec": {"hard": {"pods": "4"}}, "status": status}

    with pytest.raises(ValueError, match="ResourceQuota/new is not counted yet"):
        headroom_from([new], [], template(pod(HALF)))


def test_what_the_cluster_gives_each_pod_is_seen_on_one_that_is_there() -> None:
    """A default priority class, and the overhead of a runtime class, which Salus may not read."""
    there = {"metadata": {"name": "web-1"}, "spec": {"priorityClassName": "usual", "overhead": {"cpu": "250m"}}}
    usual = {"scopeName": "PriorityClass", "operator": "In", "values": ["usual"]}
    written = {
        "metadata": {"name": "q"},
        "spec": {"hard": {"cpu": "1"}, "scopeSelector": {"matchExpressions": [usual]}},
    }

    headroom = headroom_from([counted(written)], [], template(pod(HALF)), [there])

    assert headroom.pod["requests.cpu"] == Decimal("0.75")
    assert [quota.name for quota in headroom.quotas] == ["q"]
    assert headroom_from([counted(written)], [], template(pod(HALF))).quotas == ()


def test_an_overhead_limits_nothing_that_was_not_limited() -> None:
    asked = resources_of(pod(container(limits={"cpu": "1"}), overhead={"cpu": "250m", "memory": "1Mi"}), [])

    assert (asked.requests["cpu"], asked.requests["memory"]) == (Decimal("1.25"), Decimal(2**20))
    assert asked.limits == {"cpu": Decimal("1.25")}


def test_of_several_limit_ranges_the_larger_default_counts() -> None:
    """Kubernetes takes any of them first."""
    others = {"metadata": {"name": "b"}, "spec": {"limits": [{"type": "Container", "defaultRequest": {"cpu": "300m"}}]}}

    for ranges in ([LIMITS, others], [others, LIMITS]):
        assert resources_of(pod(PLAIN), ranges).requests["cpu"] == Decimal("0.3")


# --- whether what a restart takes away comes back


def deployment(**strategy: Any) -> dict[str, Any]:  # noqa: ANN401 — as YAML has it
    return {"kind": "Deployment", "spec": {"strategy": strategy}}


def rolling(**rolling: Any) -> dict[str, Any]:  # noqa: ANN401 — as YAML has it
    return deployment(type="RollingUpdate", rollingUpdate=rolling)


def daemon_set(**rolling: Any) -> dict[str, Any]:  # noqa: ANN401 — as YAML has it
    return {"kind": "DaemonSet", "spec": {"updateStrategy": {"rollingUpdate": rolling}}}


@pytest.mark.parametrize(
    ("body", "replicas", "first"),
    [
        pytest.param(deployment(type="Recreate"), 5, 5, id="all of them"),
        pytest.param(deployment(), 3, 0, id="a quarter of three, rounded down"),
        pytest.param(deployment(), 4, 1, id="a quarter of four"),
        pytest.param(rolling(maxSurge=1, maxUnavailable=0), 4, 0, id="none"),
        pytest.param(rolling(maxSurge=0, maxUnavailable="10%"), 4, 1, id="one, since one has to move"),
        pytest.param(rolling(maxSurge="0%", maxUnavailable=2), 4, 2, id="as many as it says"),
        pytest.param({"kind": "StatefulSet", "spec": {}}, 4, 1, id="a StatefulSet, one by one"),
        pytest.param(daemon_set(), 4, 1, id="a DaemonSet too"),
        pytest.param(daemon_set(maxSurge=1, maxUnavailable=0), 4, 0, id="unless it starts the new one first"),
        pytest.param(daemon_set(maxUnavailable="30%"), 4, 2, id="of a DaemonSet a part is rounded up"),
    ],
)
def test_how_many_pods_go_first(body: Body, replicas: int, first: int) -> None:
    assert goes_first(body, replicas) == first


@pytest.mark.parametrize(
    ("hard", "used", "first", "message"),
    [
        pytest.param("5", "4", 0, None, id="room for the next one"),
        pytest.param("4", "4", 1, None, id="no room, but one goes first"),
        pytest.param(
            "4",
            "4",
            0,
            "ResourceQuota/team leaves room for 0 pods, 1 more are wanted, and none goes before it is there",
            id="no room, and none goes first",
        ),
        pytest.param(
            "0",
            "4",
            1,
            "ResourceQuota/team is overdrawn by 4 of pods: what goes does not come back",
            id="a quota of nothing",
        ),
        pytest.param(
            "3",
            "4",
            2,
            "ResourceQuota/team is overdrawn by 1 of pods: what goes does not come back",
            id="two go, and one comes",
        ),
    ],
)
def test_whether_what_goes_comes_back(hard: str, used: str, first: int, message: str | None) -> None:
    swap = Turnover(4, [there(HALF)] * 4, first)

    assert way_back(quota({"pods": hard}, {"pods": used}), HALF, swap) == message


def there(*containers: Mapping[str, Any], **about: Any) -> dict[str, Any]:  # noqa: ANN401 — as YAML has it
    """A pod that runs; `about`: its metadata, and `phase`."""
    status = {"phase": about.pop("phase", "Running")}
    return {"metadata": {"name": "web", **about}, "spec": pod(*containers), "status": status}


def way_back(counts: Body, comes: Mapping[str, Any], swap: Turnover) -> str | None:
    return no_way_back(headroom_from([counts], [], template(pod(comes)), swap.goes, swap))


def test_what_a_quota_wants_said_is_wanted_of_what_comes_back() -> None:
    said = way_back(quota({"limits.cpu": "9"}, {}), HALF, Turnover(1, (), 1))

    assert said == "ResourceQuota/team counts limits.cpu, and the pods do not say theirs"
    assert way_back(quota({"limits.cpu": "9"}, {}), HALF, NOTHING_GOES) is None


ONE, TWO, THREE = (container(requests={"cpu": cpu}) for cpu in ("1", "2", "3"))


@pytest.mark.parametrize(
    ("free", "comes", "goes", "first", "message"),
    [
        pytest.param("4", TWO, [ONE] * 4, 1, None, id="each takes one more, and that is left"),
        pytest.param(
            "3",
            TWO,
            [ONE] * 4,
            1,
            "ResourceQuota/team leaves 3 of requests.cpu, 4 more pods want 8, and what goes before gives back 4",
            id="the last one finds nothing left",
        ),
        pytest.param("0", ONE, [TWO] * 4, 1, None, id="those that go take more"),
        pytest.param(
            "0",
            ONE,
            [TWO] * 4,
            0,
            "ResourceQuota/team leaves 0 of requests.cpu, 1 more pods want 1, and none goes before it is there",
            id="but none of them goes first",
        ),
        pytest.param("1", ONE, [TWO] * 4, 0, None, id="room for the first is room for all"),
        pytest.param("0", THREE, [ONE, TWO, TWO, ONE], 4, "ResourceQuota/team leaves", id="all go, too little for all"),
        pytest.param("6", THREE, [ONE, TWO, TWO, ONE], 4, None, id="all go, enough for all"),
        pytest.param("-1", ONE, [TWO] * 4, 1, None, id="overdrawn, and what goes makes up for it"),
        pytest.param("-2", ONE, [TWO] * 4, 1, "is overdrawn by 2 of requests.cpu", id="overdrawn by too much"),
        pytest.param("0", container(), [TWO] * 4, 1, "counts requests.cpu", id="what does not say is not let in"),
    ],
)
def test_whether_another_release_finds_room(
    free: str, comes: Mapping[str, Any], goes: Sequence[Mapping[str, Any]], first: int, message: str | None
) -> None:
    """Four pods that want so much come for those that take as much, one after the other."""
    left = Decimal(free)
    counts = quota({"requests.cpu": "10"}, {"requests.cpu": str(10 - left)})
    said = way_back(counts, comes, Turnover(4, [there(one) for one in goes], first))

    assert (message or "nothing") in (said or "nothing")
    assert (said is None) == (message is None)


def test_what_a_quota_does_not_count_gives_it_nothing_back() -> None:
    """Pods of no priority go, for one that is counted by its class."""
    usual = {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}
    spec = {"hard": {"pods": "1"}, "scopeSelector": {"matchExpressions": [usual]}}
    counts = counted({"metadata": {"name": "high"}, "spec": spec})
    high = template({**pod(HALF), "priorityClassName": "high"})

    one, two = (no_way_back(headroom_from([counts], [], high, (), Turnover(n, [there(HALF)] * 2, 1))) for n in (1, 2))

    assert one is None
    assert two == "ResourceQuota/high leaves room for 1 pods, 2 more are wanted, and none goes before it is there"


HASH, OTHER = "pod-template-hash", "controller-revision-hash"
GOOD = Revision(1, "v1", NOW, name="web-aaa", template_hash="t1")
HISTORY = (GOOD, replace(GOOD, number=2, name="web-bbb", template_hash="t2"))
OLD, NEW = {"labels": {HASH: "aaa"}}, {"labels": {HASH: "bbb"}}
GOING = {**NEW, "deletionTimestamp": "2026-11-22T12:00:00Z"}


@pytest.mark.parametrize(
    ("body", "pods", "comes", "goes", "first"),
    [
        pytest.param(deployment(), [NEW] * 4, 4, 4, 1, id="all are replaced"),
        pytest.param(deployment(), [OLD] * 3 + [NEW] * 2, 1, 2, 2, id="stuck halfway: one is missing, two are there"),
        pytest.param(rolling(maxSurge=1, maxUnavailable=0), [OLD] * 4 + [NEW], 0, 1, 1, id="stuck at its first pod"),
        pytest.param(rolling(maxSurge=1, maxUnavailable=0), [NEW] * 4, 4, 4, 0, id="none may be missing"),
        pytest.param(deployment(), [NEW] * 3, 4, 3, 0, id="one is missing already"),
        pytest.param(deployment(type="Recreate"), [NEW] * 4, 4, 4, 4, id="all at once"),
        pytest.param(deployment(), [], 4, 0, 0, id="there are none"),
        pytest.param(deployment(), [NEW] * 3 + [GOING], 4, 4, 1, id="one goes already"),
        pytest.param(deployment(), [NEW] * 4 + [{**NEW, "phase": "Failed"}], 4, 4, 1, id="one has run to its end"),
        pytest.param(
            {"kind": "StatefulSet", "spec": {}},
            [{"labels": {OTHER: "web-aaa"}}] * 3 + [{"labels": {OTHER: "web-bbb"}}],
            1,
            1,
            1,
            id="a StatefulSet that is stuck at its last pod",
        ),
    ],
)
def test_which_pods_a_rollback_replaces(
    body: Body, pods: Sequence[Mapping[str, Any]], comes: int, goes: int, first: int
) -> None:
    """Four are wanted of the template that `web-aaa` has."""
    swap = turnover(body, 4, [there(HALF, **about) for about in pods], of_template("web", HISTORY, "t1"))

    assert (swap.comes, len(swap.goes), swap.first) == (comes, goes, first)


# --- Pod Security


@pytest.mark.parametrize("case", SECURITY, ids=lambda case: case.case)
@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_what_the_namespace_forbids(case: Security, level: str) -> None:
    said = forbidden_by({"pod-security.kubernetes.io/enforce": level}, case.template())

    assert bool(said) == (not (case.baseline if level == "baseline" else case.restricted))
    assert f"(pod-security.kubernetes.io/enforce: {level}) forbids it" in said or not said


def test_a_level_that_nobody_knows_is_the_strictest() -> None:
    """Kubernetes takes it for that; and no label is none of them."""
    root = SECURITY[3].template()

    assert "runAsNonRoot" in forbidden_by({"pod-security.kubernetes.io/enforce": "resticted"}, root)
    assert forbidden_by({}, root) == forbidden_by({"pod-security.kubernetes.io/enforce": "privileged"}, root) == ""


# --- disruption budgets


def pods(letters: str) -> list[dict[str, Any]]:
    """As the letters of an `Eviction` say."""
    phases = {"P": "Pending", "S": "Succeeded"}
    return [
        {
            "metadata": {
                "name": f"web-{index}",
                "labels": {"app": "checkout"},
                **({"deletionTimestamp": "2026-11-22T12:00:00Z"} if letter == "D" else {}),
            },
            "status": {
                "phase": phases.get(letter, "Running"),
                "conditions": [{"type": "Ready", "status": str(letter in "RD")}],
            },
        }
        for index, letter in enumerate(letters)
    ]


def pdb(selector: Mapping[str, Any] | None, *, seen: int = 1, name: str = "keep", policy: str = "") -> dict[str, Any]:
    status = {"observedGeneration": seen, "disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 1}
    return {
        "metadata": {"name": name, "generation": 1},
        "spec": {"selector": selector, **({"unhealthyPodEvictionPolicy": policy} if policy else {})},
        "status": status,
    }


@pytest.mark.parametrize("case", EVICTIONS, ids=lambda case: case.case)
def test_which_pods_may_go(case: Eviction) -> None:
    ready = case.pods.count("R")
    budgets = [pdb({}, name=f"keep-{number}", policy=case.policy) for number in range(case.budgets)]
    for budget in budgets:
        allowed = max(ready - case.at_least, 0)
        budget["status"] |= {"disruptionsAllowed": allowed, "currentHealthy": ready, "desiredHealthy": case.at_least}

    found = [disruptions_from(budgets, [one]) for one in pods(case.pods)]

    assert "".join("n" if any(not one.allowed for one in said) else "y" for said in found) == case.goes


def expression(operator: str, *values: str, key: str = "app") -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "selects"),
    [
        pytest.param({"matchLabels": {"app": "checkout"}}, True, id="its label"),
        pytest.param({"matchLabels": {"app": "cart"}}, False, id="another label"),
        pytest.param({}, True, id="an empty selector is for all"),
        pytest.param(None, False, id="no selector is for none"),
        pytest.param(expression("In", "cart", "checkout"), True, id="in"),
        pytest.param(expression("In", "cart"), False, id="not in"),
        pytest.param(expression("NotIn", "cart"), True, id="excluded is another"),
        pytest.param(expression("Exists"), True, id="exists"),
        pytest.param(expression("DoesNotExist"), False, id="should not be there"),
        pytest.param(expression("DoesNotExist", key="canary"), True, id="is not there"),
    ],
)
def test_the_disruption_budgets_of_a_target(selector: Mapping[str, Any] | None, selects: bool) -> None:
    found = disruptions_from([pdb(selector)], pods("RR"))

    assert found == ((Disruption("keep", 0),) if selects else ())


def test_a_disruption_budget_that_its_controller_has_not_seen_says_nothing() -> None:
    assert disruptions_from([pdb({}, seen=0)], pods("R")) == (Disruption("keep", None),)


def test_two_disruption_budgets_are_told_of_together() -> None:
    assert disruptions_from([pdb({}), pdb({}, name="too")], pods("RR")) == (Disruption("keep", 0, "too"),)


def test_an_operator_that_no_selector_knows() -> None:
    with pytest.raises(ValueError, match="operator of label selectors"):
        disruptions_from([pdb(expression("Matches", "a"))], pods("R"))
