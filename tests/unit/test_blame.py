"""What changed just before a breach, with confidence and evidence; a fault that predates a change is not its doing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.core.cause.blame import NODE_NOTICED, blame
from salus.core.cause.ruled_out import CLOCK_SKEW
from salus.core.objects.workloads import release_hash, short
from salus.model.change import ActionKind
from salus.model.incident import Blame, BlameKind, Confidence
from salus.model.meta import WorkloadKind
from salus.model.scalars import format_time
from salus.model.values.objects import Release, Revision
from salus.model.values.surroundings import Edit, NodeTrouble, Pod, Surroundings, UnhealthyBefore
from tests.builders import (
    NOW,
    a_deployment_body,
    a_finished_change,
    a_release,
    a_template,
    a_workload,
    ago,
    an_observation,
)

V1, V2, V3 = a_template("shop:v1"), a_template("shop:v2"), a_template("shop:v3")
ONE, TWO, THREE = map(release_hash, (V1, V2, V3))
GOOD = (a_release(V1, healthy_at=ago(7200)),)


def line(number: int, release: str, began: float) -> Revision:
    """A revision that was made `began` seconds before NOW, which is when the breach begins."""
    return Revision(number, release, ago(began))


def blamed(
    *history: Revision,
    releases: Sequence[Release] = GOOD,
    managers: Sequence[Mapping[str, Any]] = (),
    **around: Any,  # noqa: ANN401 — handed on
) -> Blame:
    body = a_deployment_body()
    body["metadata"]["managedFields"] = list(managers)
    seen = an_observation(history=history, releases=tuple(releases), **around)
    return blame(seen, body, NOW)


@pytest.mark.parametrize(
    ("history", "kind", "confidence", "revision"),
    [
        pytest.param(
            [line(1, ONE, 9000), line(2, TWO, 60)], "Release", "High", "2", id="a release a minute before the breach"
        ),
        pytest.param(
            [line(1, ONE, 9000), line(2, TWO, -5)], "Release", "High", "2", id="seconds after it, by another clock"
        ),
        pytest.param(
            [line(1, ONE, 9000), line(2, TWO, 1200)], "Release", "Medium", "2", id="twenty minutes before: less sure"
        ),
        pytest.param([line(1, ONE, 9000), line(2, TWO, 3601)], "Unknown", "Low", "", id="longer ago than an hour"),
        pytest.param(
            [line(1, ONE, 9000), line(2, TWO, -6)],
            "Unknown",
            "Low",
            "",
            id="a fault that predates the release is not blamed on it",
        ),
        pytest.param(
            [line(1, ONE, 9000), line(2, TWO, 300), line(3, THREE, 60)],
            "Release",
            "Medium",
            "3",
            id="the newest of two; the one before it was not known healthy",
        ),
        pytest.param(
            [line(1, ONE, 9000), line(2, TWO, 300), line(3, THREE, -60)],
            "Release",
            "High",
            "2",
            id="a release after the breach does not hide the one before it",
        ),
        pytest.param(
            [line(1, ONE, 9000), line(2, ONE, 60)], "Unknown", "Low", "", id="a restart of a release is not a release"
        ),
        pytest.param(
            [line(1, ONE, 9000), line(2, TWO, 1200), line(3, TWO, 60)],
            "Release",
            "Medium",
            "2",
            id="undo after restart: the release began before the restart",
        ),
        pytest.param(
            [line(2, TWO, 300), line(3, ONE, 9000)],
            "Unknown",
            "Low",
            "",
            id="undo twice: when a release came back is not known",
        ),
        pytest.param([line(1, TWO, 60)], "Release", "Medium", "1", id="a workload that is new: nothing was before it"),
        pytest.param([], "Unknown", "Low", "", id="no history at all"),
    ],
)
def test_which_release_is_blamed(history: list[Revision], kind: str, confidence: str, revision: str) -> None:
    found = blamed(*history)

    assert (found.kind, found.confidence, found.revision) == (kind, confidence, revision)


def test_what_was_scaled_to_0_owes_it_to_that_before_any_release() -> None:
    """`kubectl scale` leaves no name in managedFields: the API server forgets who had owned the replicas."""
    found = blamed(line(1, ONE, 9000), line(2, TWO, 60), workload=replace(a_workload(), replicas=0))

    assert (found.kind, found.confidence) == ("Scale", "Medium")
    assert found.message.startswith(
        "Deployment/checkout was scaled to 0; by whom and when, the API server does not tell; release "
    )


def test_whoever_scaled_to_0_and_left_a_name_is_told() -> None:
    entry = {"manager": "k9s", "time": format_time(ago(60)), "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    found = blamed(line(1, ONE, 9000), managers=[entry], workload=replace(a_workload(), replicas=0))

    assert (found.kind, found.message) == ("Scale", "k9s set the replicas 1m before the breach")


def test_a_daemon_set_without_nodes_was_not_scaled() -> None:
    workload = replace(a_workload(), replicas=0, key=replace(a_workload().key, kind=WorkloadKind.DAEMON_SET))

    assert blamed(line(1, ONE, 9000), line(2, TWO, 60), workload=workload).kind == "Release"


def test_the_evidence_is_a_sentence() -> None:
    found = blamed(line(1, ONE, 9000), line(2, TWO, 60))

    assert found.started_at == ago(60)
    assert found.message == (
        f"release {short(TWO)} (revision 2) began 1m before the breach; release {short(ONE)} before it was healthy"
    )


def test_what_began_after_the_breach_is_named_and_acquitted() -> None:
    found = blamed(line(1, ONE, 9000), line(2, TWO, -90))

    assert found.started_at is None
    assert found.message == (
        "nothing is known to have changed in the 1h before the breach; "
        f"release {short(TWO)} began 1m30s after it, so it is not its cause"
    )


def test_a_release_that_was_healthy_for_its_bake_is_hardly_to_blame() -> None:
    found = blamed(line(1, ONE, 9000), line(2, TWO, 900), releases=[a_release(V2, healthy_at=ago(60)), *GOOD])

    assert (found.kind, found.confidence) == (BlameKind.RELEASE, Confidence.LOW)
    assert "but was healthy since" in found.message


def a_manager(name: str, at: float, *fields: str) -> dict[str, Any]:
    return {
        "manager": name,
        "time": format_time(ago(at)),
        "fieldsV1": {"f:spec": {f"f:{field}": {} for field in fields}},
    }


@pytest.mark.parametrize(
    ("manager", "kind", "confidence"),
    [
        pytest.param(a_manager("kubectl", 60, "replicas"), "Scale", "Medium", id="someone scaled just before"),
        pytest.param(a_manager("kubectl", 1200, "replicas"), "Scale", "Low", id="someone scaled a while before"),
        pytest.param(a_manager("kubectl", 3700, "replicas"), "Unknown", "Low", id="too long ago"),
        pytest.param(a_manager("kubectl", -60, "replicas"), "Unknown", "Low", id="after the breach"),
        pytest.param(a_manager("helm", 60, "replicas", "template"), "Unknown", "Low", id="who writes all has released"),
        pytest.param(a_manager("kubectl", 60, "paused"), "Unknown", "Low", id="another field"),
        pytest.param(a_manager("salus", 60, "replicas"), "Unknown", "Low", id="Salus is told by its records"),
        pytest.param({"manager": "x", "time": "soon", "fieldsV1": None}, "Unknown", "Low", id="an entry that is none"),
    ],
)
def test_who_scaled_is_blamed(manager: Mapping[str, Any], kind: str, confidence: str) -> None:
    found = blamed(managers=[manager])

    assert (found.kind, found.confidence) == (kind, confidence)


def test_a_scaling_of_salus_is_blamed_too() -> None:
    before, after = a_workload(replicas=6).facts(), a_workload(replicas=3).facts()
    scaled = a_finished_change(1, action=ActionKind.SCALE, done=ago(60), before=before, intended=after)

    assert blamed(changes=(scaled, a_finished_change(2, done=ago(30)))).message == (
        "Salus scaled from 6 to 3 replicas (checkout-0a1b2c3d-1) 1m before the breach"
    )


def test_where_more_changed_it_is_less_sure_and_all_is_told() -> None:
    found = blamed(line(1, ONE, 9000), line(2, TWO, 60), managers=[a_manager("kubectl", 120, "replicas")])

    assert (found.kind, found.confidence) == (BlameKind.RELEASE, Confidence.MEDIUM)
    assert found.message.endswith("; kubectl set the replicas 2m before the breach")


@pytest.mark.parametrize("count", [1, 300])
def test_the_status_takes_it(count: int) -> None:
    found = blamed(line(1, ONE, 9000), line(2, TWO, 60), managers=[a_manager("x" * count * 9, 120, "replicas")])

    assert Blame.parse(found.to_dict()) == found


# --- what lies beside the workload


def an_edit(kind: str = "ConfigMap", before: float = 60, *, used: bool = True) -> Surroundings:
    return Surroundings(edits=(Edit(kind, "settings", "kubectl-edit", ago(before), used),))


@pytest.mark.parametrize(
    ("around", "kind", "confidence"),
    [
        pytest.param(an_edit(), "ConfigMap", "Medium", id="a ConfigMap that the pods use, a minute before"),
        pytest.param(an_edit(before=1200), "ConfigMap", "Low", id="twenty minutes before"),
        pytest.param(an_edit(before=3601), "Unknown", "Low", id="longer ago than an hour"),
        pytest.param(an_edit(before=-6), "Unknown", "Low", id="after the breach"),
        pytest.param(an_edit(used=False), "ConfigMap", "Low", id="one that the template does not name"),
        pytest.param(an_edit("HorizontalPodAutoscaler"), "Autoscaler", "Medium", id="an HPA, a minute before"),
        pytest.param(an_edit("HorizontalPodAutoscaler", 3601), "Unknown", "Low", id="an HPA, long ago"),
    ],
)
def test_an_edit_is_blamed(around: Surroundings, kind: str, confidence: str) -> None:
    found = blamed(surroundings=around)

    assert (found.kind, found.confidence) == (kind, confidence)


def test_an_edit_says_who_and_when() -> None:
    assert blamed(surroundings=an_edit()).message == "kubectl-edit changed ConfigMap/settings 1m before the breach"


def test_what_the_template_does_not_name_is_told_only_where_nothing_else_is() -> None:
    around = an_edit(before=10, used=False)

    assert "not name" in blamed(surroundings=around).message
    assert "settings" not in blamed(line(1, ONE, 9000), line(2, TWO, 60), surroundings=around).message


def on_nodes(what: str, before: float | None, *, here: int = 2, elsewhere: int = 1) -> Surroundings:
    nodes = ["node1"] * here + ["node2"] * elsewhere
    return Surroundings(
        pods=tuple(Pod(f"web-{n}", ONE, node, ago(9000)) for n, node in enumerate(nodes)),
        troubles=(NodeTrouble("node1", what, None if before is None else ago(before)),),
    )


@pytest.mark.parametrize(
    ("around", "kind", "confidence"),
    [
        pytest.param(on_nodes("NotReady", 60), "Node", "High", id="it hosts most pods and has just gone"),
        pytest.param(on_nodes("NotReady", 60, here=1, elsewhere=3), "Node", "Medium", id="it hosts one of four"),
        pytest.param(on_nodes("NotReady", -60), "Node", "High", id="a node is noticed a minute after it is gone"),
        pytest.param(on_nodes("NotReady", -61), "Unknown", "Low", id="gone after the breach"),
        pytest.param(on_nodes("NotReady", 7200), "Node", "Low", id="gone for hours, and pods are still bound to it"),
        pytest.param(on_nodes("NotReady", None), "Node", "Low", id="gone, nobody knows since when"),
        pytest.param(on_nodes("MemoryPressure", 60), "Node", "Medium", id="pressure just before"),
        pytest.param(on_nodes("DiskPressure", 7200), "Unknown", "Low", id="pressure for hours"),
        pytest.param(on_nodes("Cordoned", 60), "Node", "Low", id="a cordon alone does no pod any harm"),
    ],
)
def test_a_node_in_trouble_is_blamed(around: Surroundings, kind: str, confidence: str) -> None:
    found = blamed(surroundings=around)

    assert (found.kind, found.confidence) == (kind, confidence)


def test_a_node_says_how_many_pods_it_hosts() -> None:
    assert blamed(surroundings=on_nodes("NotReady", 60)).message == (
        "Node/node1, which hosts 2 of 3 pods, is NotReady since 1m before the breach"
    )


def test_the_surest_comes_first_and_the_newest_among_equals() -> None:
    """A ConfigMap was touched after the release, but the release came after one that was healthy."""
    found = blamed(line(1, ONE, 9000), line(2, TWO, 60), surroundings=an_edit(before=10))
    equals = blamed(managers=[a_manager("kubectl", 120, "replicas")], surroundings=an_edit(before=10))

    assert (found.kind, found.confidence) == (BlameKind.RELEASE, Confidence.MEDIUM)
    assert found.message.endswith("; kubectl-edit changed ConfigMap/settings 10s before the breach")
    assert (equals.kind, equals.confidence) == (BlameKind.CONFIG_MAP, Confidence.LOW)


@pytest.mark.parametrize(
    "around",
    [
        pytest.param(
            Surroundings(unhealthy_before=(UnhealthyBefore("error-ratio", ago(900)),)),
            id="the check was unhealthy before",
        ),
        pytest.param(
            Surroundings(
                pods=(
                    Pod("web-1", ONE, "node1", ago(9000), "CrashLoopBackOff"),
                    Pod("web-2", TWO, "node1", ago(50), "CrashLoopBackOff"),
                )
            ),
            id="a pod of the good release fails as well",
        ),
    ],
)
def test_a_release_with_an_alibi_is_named_and_not_blamed(around: Surroundings) -> None:
    history = (line(1, ONE, 9000), line(2, TWO, 60))
    found = blamed(*history, workload=a_workload(template=V2), surroundings=around)

    assert found.kind == BlameKind.UNKNOWN
    assert f"release {short(TWO)} (revision 2) began 1m before the breach, but is not blamed: " in found.message


def test_what_could_not_be_read_is_said_and_never_cut_off() -> None:
    unknown = ("ConfigMaps (Forbidden)", "nodes (Forbidden)")
    managers = [a_manager("x" * 2000, 120, "replicas")]
    found = blamed(managers=managers, surroundings=Surroundings(unknown=unknown))

    assert found.message.endswith("; not known: ConfigMaps (Forbidden), nodes (Forbidden)")
    assert Blame.parse(found.to_dict()) == found


SECONDS = st.integers(-7200, 7200)
TROUBLES = st.lists(st.tuples(st.sampled_from(["NotReady", "MemoryPressure", "Cordoned"]), SECONDS), max_size=4)
EDITS = st.lists(
    st.tuples(st.sampled_from(["ConfigMap", "HorizontalPodAutoscaler"]), SECONDS, st.booleans()), max_size=4
)


@settings(derandomize=True)
@given(releases=st.lists(SECONDS, max_size=3), edits=EDITS, troubles=TROUBLES)
def test_nothing_that_began_after_the_breach_is_ever_blamed(
    releases: list[int], edits: list[tuple[str, int, bool]], troubles: list[tuple[str, int]]
) -> None:
    """Whatever else changed; a node alone may be noticed a minute late. The status takes it in any case."""
    history = [line(number, f"release-{number}", began) for number, began in enumerate(releases, 1)]
    around = Surroundings(
        edits=tuple(Edit(kind, "x", "someone", ago(before), used) for kind, before, used in edits),
        troubles=tuple(NodeTrouble("node1", what, ago(before)) for what, before in troubles),
    )
    found = blamed(*history, surroundings=around)

    late = NODE_NOTICED if found.kind == BlameKind.NODE else CLOCK_SKEW
    assert (found.kind == BlameKind.UNKNOWN) == (found.started_at is None)
    assert found.started_at is None or found.started_at <= NOW + late
    assert Blame.parse(found.to_dict()) == found
