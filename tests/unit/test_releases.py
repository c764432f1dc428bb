"""The history of releases: what was healthy, what was taken away, what is kept, and when the live release began."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from salus.core.records import TARGET_LABEL, target_id
from salus.core.releases import (
    HEALTHY_AT,
    QUARANTINED_BY,
    REVISION,
    good_annotations,
    history_from,
    is_newest_good,
    release_body,
    release_from,
    release_started_at,
    releases_from,
    rollout_has_settled,
    superfluous,
)
from salus.core.workload import release_hash
from salus.model.types import format_time
from salus.model.values import Release
from tests.builders import (
    NOW,
    TARGET,
    a_deployment_body,
    a_release,
    a_replica_set,
    a_template,
    a_workload,
    ago,
    later,
    seconds,
)

V1, V2, V3 = a_template("shop:v1"), a_template("shop:v2"), a_template("shop:v3")
RESTARTED_V1 = a_template("shop:v1", restarted_at="2026-11-22T11:00:00Z")
RESTARTED_V2 = a_template("shop:v2", restarted_at="2026-11-22T11:30:00Z")


def kept(template: Mapping[str, Any] = V1, **annotations: str) -> dict[str, Any]:
    """A ControllerRevision as Salus makes it; `annotations` by the end of their names."""
    body = release_body(TARGET, a_deployment_body(template=template), release_hash(template), 1)
    body["metadata"]["annotations"] = {
        f"salus.dev/{name.replace('_', '-')}": value for name, value in annotations.items()
    }
    return body


def test_a_kept_release_reads_back() -> None:
    body = kept(V1, healthy_at="2026-11-22T11:00:00Z", quarantined_by="checkout-0a1b2c3d-1")
    release = release_from(body)

    assert release == Release(
        name=body["metadata"]["name"],
        hash=release_hash(V1),
        template=V1,
        healthy_at=ago(3600),
        quarantined_by="checkout-0a1b2c3d-1",
    )


def test_a_kept_release_has_only_labels_of_salus_and_no_owner() -> None:
    """With the workload's labels a StatefulSet would adopt it; with an owner it would die with the Deployment."""
    metadata = kept()["metadata"]

    assert set(metadata) == {"name", "namespace", "labels", "annotations"}
    assert metadata["labels"] == {TARGET_LABEL: target_id(TARGET), "salus.dev/release": release_hash(V1)}


def tampered(part: str) -> dict[str, Any]:
    body = kept(V1, healthy_at="2026-11-22T11:00:00Z")
    metadata, template = body["metadata"], body["data"]["spec"]["template"]
    match part:
        case "image":
            template["spec"]["containers"][0]["image"] = "evil:latest"
        case "label":
            metadata["labels"]["salus.dev/release"] = release_hash(V2)
        case "no label":
            del metadata["labels"]["salus.dev/release"]
        case "no labels":
            metadata["labels"] = None
        case "no data":
            del body["data"]
        case "no spec":
            body["data"] = {"spec": None}
        case "time":
            metadata["annotations"][HEALTHY_AT] = "yesterday"
        case "local time":
            metadata["annotations"][HEALTHY_AT] = "2026-11-22T11:00:00"
    return body


TAMPERED = ["image", "label", "no label", "no labels", "no data", "no spec", "time", "local time"]


@pytest.mark.parametrize("part", TAMPERED)
def test_a_tampered_record_is_ignored(part: str) -> None:
    assert release_from(tampered(part)) is None
    assert [release.hash for release in releases_from([tampered(part), kept(V2)])] == [release_hash(V2)]


def test_a_tampered_record_differs_from_a_whole_one_by_that_part_only() -> None:
    assert release_from(tampered("nothing")) is not None


@pytest.mark.parametrize(
    "annotations",
    [pytest.param(None, id="no annotations"), pytest.param({}, id="empty"), pytest.param({HEALTHY_AT: ""}, id="blank")],
)
def test_a_record_without_marks_was_never_healthy(annotations: Mapping[str, str] | None) -> None:
    body = kept()
    body["metadata"]["annotations"] = annotations
    release = release_from(body)

    assert release is not None
    assert (release.healthy_at, release.quarantined_by) == (None, "")


def test_releases_are_read_newest_known_healthy_first() -> None:
    bodies = [
        kept(V1, healthy_at="2026-11-22T10:00:00Z"),
        kept(V2, quarantined_by="checkout-0a1b2c3d-1"),
        kept(V3, healthy_at="2026-11-22T11:00:00Z"),
    ]

    assert [release.template for release in releases_from(bodies)] == [V3, V1, V2]


@pytest.mark.parametrize(
    ("releases", "expected"),
    [
        pytest.param([a_release(V1)], True, id="the only good one"),
        pytest.param([], False, id="nothing is on record yet"),
        pytest.param([a_release(V2), a_release(V1)], False, id="another one was good since"),
        pytest.param([a_release(V1), a_release(V2)], True, id="good since another one was"),
        pytest.param([a_release(V1, quarantined_by="x")], False, id="its quarantine is to be lifted"),
        pytest.param([a_release(V1, healthy_at=None)], False, id="kept, but never as good"),
        pytest.param(
            [a_release(V2, healthy_at=None), a_release(V1)], True, id="one that was never good does not count"
        ),
    ],
)
def test_whether_the_live_release_is_on_record_as_the_newest_good_one(
    releases: list[Release],
    expected: bool,
) -> None:
    assert is_newest_good(releases, release_hash(V1)) is expected


def many(count: int, **fields: Any) -> list[Release]:  # noqa: ANN401 — handed on
    return [a_release(a_template(f"shop:{n}-{fields}"), **fields) for n in range(count)]


@pytest.mark.parametrize(
    ("good", "bad", "dropped"),
    [
        pytest.param(many(5), [], 0, id="five good ones are kept"),
        pytest.param(many(6), [], 1, id="the sixth good one goes"),
        pytest.param(many(9), [], 4, id="all beyond the fifth go"),
        pytest.param(many(5), many(5, quarantined_by="x"), 0, id="bad ones take no good one's place"),
        pytest.param([], many(7, quarantined_by="x"), 2, id="of the bad ones, too, the newest five are kept"),
        pytest.param([], many(3, healthy_at=None) + many(3, quarantined_by="x"), 1, id="never healthy or taken away"),
        pytest.param([], [], 0, id="nothing to drop"),
    ],
)
def test_what_is_superfluous(good: list[Release], bad: list[Release], dropped: int) -> None:
    gone = superfluous([*good, *bad])

    assert len(gone) == dropped
    assert not {release.hash for release in good[:5]} & {release.hash for release in gone}


def test_the_newest_five_good_ones_stay() -> None:
    releases = releases_from(kept(a_template(f"shop:{n}"), healthy_at=f"2026-11-22T{n:02}:00:00Z") for n in range(9))

    assert [release.template for release in superfluous(releases)] == [a_template(f"shop:{n}") for n in (3, 2, 1, 0)]


@pytest.mark.parametrize(
    ("fields", "finished", "expected"),
    [
        pytest.param({}, 600, True, id="rolled out for as long as it bakes"),
        pytest.param({}, 599, False, id="a second short"),
        pytest.param({"status": {"updatedReplicas": 2}}, 900, False, id="a replica is still of the old release"),
        pytest.param({"status": {"availableReplicas": 2}}, 900, False, id="a replica is not available"),
        pytest.param({"status": {"replicas": 4}}, 900, False, id="an old pod is still there"),
        pytest.param({"status": {"observedGeneration": 6}}, 900, False, id="its controller has not seen the spec"),
        pytest.param(
            {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 3}}}, "status": {"updatedReplicas": 0}},
            900,
            False,
            id="a partition keeps the pods of the old release",
        ),
        pytest.param({"spec": {"paused": True}}, 900, False, id="a paused rollout proves nothing"),
        pytest.param({"replicas": 0}, 900, False, id="no replicas prove nothing"),
    ],
)
def test_when_a_rollout_has_settled(fields: Mapping[str, Any], finished: float, expected: bool) -> None:
    assert rollout_has_settled(a_workload(**fields), ago(finished), timedelta(minutes=10), NOW) is expected


def test_a_good_release_is_no_longer_quarantined() -> None:
    assert good_annotations(NOW) == {HEALTHY_AT: "2026-11-22T12:00:00Z", QUARANTINED_BY: None}


# --- when the live release began


def history(*templates: Mapping[str, Any], reused: Mapping[int, float] | None = None) -> list[dict[str, Any]]:
    """ReplicaSets by revision, made a minute apart from NOW on; `reused` ones are as old as they say (in seconds)."""
    made = {number: later(60 * number) for number in range(1, len(templates) + 1)}
    made |= {number: later(at) for number, at in (reused or {}).items()}
    return [a_replica_set(number, template, made[number]) for number, template in enumerate(templates, start=1)]


@pytest.mark.parametrize(
    ("templates", "good", "expected"),
    [
        pytest.param([V1, V2], V1, later(120), id="the release after the good one"),
        pytest.param([V1, V2, RESTARTED_V2], V1, later(120), id="a restart of the bad release is not its beginning"),
        pytest.param([V1, RESTARTED_V1, V2], V1, later(180), id="a restart of the good release is still the good one"),
        pytest.param([V1, V2, V3], V1, later(120), id="two bad releases: the first of them"),
        pytest.param([V1, V2, V3], V2, later(180), id="the newest good one counts"),
        pytest.param([V1, V2, V1, V3], V1, later(240), id="the good one came back in between"),
        pytest.param([V2, V3], V1, later(60), id="a Deployment made again: the oldest there is"),
        pytest.param([V3], V1, later(60), id="made again with the bad release"),
        pytest.param([V1, V2], None, later(60), id="nothing is known good: the oldest there is"),
        pytest.param([V1], V1, None, id="the good one is live: nothing is suspected"),
        pytest.param([], V1, None, id="no ReplicaSets at all"),
    ],
)
def test_when_the_suspected_releases_began(
    templates: list[Mapping[str, Any]], good: Mapping[str, Any] | None, expected: datetime | None
) -> None:
    assert release_started_at(history_from(history(*templates)), release_hash(good) if good else None) == expected


def test_revisions_are_numbers_and_not_words() -> None:
    """Revision 10 comes after revision 9."""
    sets = history(*[a_template(f"shop:{n}") for n in range(1, 9)], V1, V2)

    assert release_started_at(history_from(reversed(sets)), release_hash(V1)) == later(600)


def test_a_replica_set_that_is_used_again_keeps_its_old_age() -> None:
    """Kubernetes renumbers it and keeps its birthday, so the release seems older than it is: the safer side."""
    assert release_started_at(history_from(history(V1, V2, reused={2: -3600})), release_hash(V1)) == ago(3600)


@pytest.mark.parametrize(
    "annotations",
    [
        pytest.param(None, id="no annotations"),
        pytest.param({}, id="none of them"),
        pytest.param({REVISION: "newest"}, id="a word"),
        pytest.param({REVISION: "²"}, id="a raised digit, which Python calls a digit and does not read"),
        pytest.param({REVISION: "٣"}, id="a digit of another script"),
        pytest.param({REVISION: "9" * 5000}, id="more digits than any number has"),
        pytest.param({REVISION: "-1"}, id="a negative number"),
    ],
)
def test_a_replica_set_without_a_number_is_left_out(annotations: Mapping[str, str] | None) -> None:
    odd = a_replica_set(3, V3, NOW - seconds(1))
    odd["metadata"]["annotations"] = annotations

    assert release_started_at(history_from([*history(V1, V2), odd]), release_hash(V1)) == later(120)


def controller_revision(number: int, template: Mapping[str, Any]) -> dict[str, Any]:
    """What a StatefulSet or DaemonSet keeps: the patch that brings the template back."""
    return {
        "metadata": {"name": f"checkout-{number}", "creationTimestamp": format_time(later(60 * number))},
        "revision": number,
        "data": {"spec": {"template": {**template, "$patch": "replace"}}},
    }


def test_the_history_of_a_stateful_set_tells_the_same_as_that_of_a_deployment() -> None:
    templates = [V1, V2, RESTARTED_V2]
    kept_by_it = [controller_revision(number, template) for number, template in enumerate(templates, start=1)]

    assert history_from(reversed(kept_by_it)) == history_from(history(*templates))
    assert release_started_at(history_from(kept_by_it), release_hash(V1)) == later(120)
