"""The history of releases: what was healthy, what was taken away, what a name means, and when the live one began."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from jsonpointer import resolve_pointer, set_pointer

from salus.core.actions.patch import template_of
from salus.core.objects.workloads import release_hash, same_release, short, template_hash
from salus.core.records.names import TARGET_LABEL, target_id
from salus.core.records.releases import (
    REVISION,
    history_from,
    is_noted,
    nothing_to_note,
    proof_begins,
    proven,
    release_body,
    release_from,
    release_started_at,
    releases_from,
    rollout_has_settled,
    size_to_note,
    trusted,
)
from salus.model.release import KeptReleaseSpec
from salus.model.scalars import format_time
from salus.model.values.objects import Release
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
WITHDRAWN = {"by": "ada", "reason": "CVE-2026-1", "at": "2026-11-22T11:00:00Z"}


def kept(template: Mapping[str, Any] = V1, **status: str) -> dict[str, Any]:
    """A KeptRelease as Salus makes it, and how it fared."""
    body = release_body(TARGET, a_deployment_body(template=template)["spec"], NOW, uid="uid-1")
    body["status"] = {"observedGeneration": 1 if status else -1, **status}
    return body


def test_a_kept_release_reads_back() -> None:
    body = kept(V1, healthyAt="2026-11-22T11:00:00Z", provenBy="Acting", quarantinedBy="checkout-0a1b2c3d-1")
    body["spec"]["withdrawal"] = WITHDRAWN
    release = release_from(body, TARGET)

    assert release == Release(
        name=f"salus-checkout-f7524989-{short(release_hash(V1))}",
        hash=release_hash(V1),
        template_hash=template_hash(V1),
        template=V1,
        healthy_at=ago(3600),
        quarantined_by="checkout-0a1b2c3d-1",
        withdrawn_by="ada",
        kept_at=NOW,
    )


def redeployed(at: str) -> dict[str, Any]:
    return {**V1, "metadata": {**V1["metadata"], "annotations": {"cattle.io/timestamp": at}}}


def test_what_is_kept_twice_under_other_stamps_is_one_release() -> None:
    """The newest healthy one of them, with all that was said against any."""
    first, second = kept(redeployed("10:00"), healthyAt="2026-11-22T10:00:00Z"), kept(redeployed("11:00"))
    second["status"] = {"observedGeneration": 1, "quarantinedBy": "checkout-0a1b2c3d-1"}
    first["spec"]["withdrawal"] = WITHDRAWN
    (release,) = releases_from([second, first], TARGET)

    assert (release.template, release.healthy_at) == (redeployed("10:00"), ago(7200))
    assert (release.quarantined_by, release.withdrawn_by) == ("checkout-0a1b2c3d-1", "ada")
    assert [double.template for double in release.doubles] == [redeployed("11:00")]
    assert release.hash == release_hash(V1)


@pytest.mark.parametrize(
    ("named", "template"),
    [
        pytest.param(template_hash(redeployed("10:00")), redeployed("10:00"), id="the very template"),
        pytest.param(template_hash(redeployed("11:00")), redeployed("11:00"), id="the very template, kept beside it"),
        pytest.param(template_hash(redeployed("11:00"))[:10], redeployed("10:00"), id="a record of long ago"),
        pytest.param(template_hash(V1), redeployed("10:00"), id="the release, as it is without stamps"),
    ],
)
def test_a_release_is_found_by_any_of_its_names(named: str, template: Mapping[str, Any]) -> None:
    found = releases_from(
        [kept(redeployed("10:00"), healthyAt="2026-11-22T10:00:00Z"), kept(redeployed("11:00"))], TARGET
    )

    assert template_of(found, named) == template


@pytest.mark.parametrize("at", ["", "1970-01-01T00:00:00Z", "2999-12-31T23:59:59Z", "yesterday"])
def test_nothing_goes_by_when_a_person_says_that_they_withdrew(at: str) -> None:
    body, odd = kept(V1), kept(V1)
    body["spec"]["withdrawal"], odd["spec"]["withdrawal"] = WITHDRAWN, {**WITHDRAWN, "at": at}

    assert release_from(odd, TARGET) == release_from(body, TARGET)


def test_a_kept_release_is_what_its_schema_says() -> None:
    assert KeptReleaseSpec.parse(kept()["spec"]).target_ref.name == TARGET.name


def test_a_kept_release_has_no_owner_and_names_its_target() -> None:
    """With an owner it would die with the Deployment. A label is an id that two workloads may share; a name is not."""
    body = kept()

    assert set(body["metadata"]) == {"name", "namespace", "labels"}
    assert body["metadata"]["labels"] == {TARGET_LABEL: target_id(TARGET)}
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "uid": "uid-1"}
    assert (body["spec"]["targetRef"], body["spec"]["format"]) == (ref, 1)


GONE = object()
IMAGE = "/spec/workload/spec/template/spec/containers/0/image"
TAMPERED = {
    "another image": (IMAGE, "evil:latest"),
    "another release": ("/spec/release", release_hash(V2)),
    "ten characters of its release": ("/spec/release", short(release_hash(V1))),
    "another target": ("/spec/targetRef/name", "payments"),
    "another kind of target": ("/spec/targetRef/kind", "StatefulSet"),
    "a newer format": ("/spec/format", 2),
    "no format": ("/spec/format", GONE),
    "no workload": ("/spec/workload", GONE),
    "no spec": ("/spec/workload/spec", None),
    "a list for a template": ("/spec/workload/spec/template", ["shop:v1"]),
    "no time": ("/status/healthyAt", "yesterday"),
    "a local time": ("/status/healthyAt", "2026-11-22T11:00:00"),
}


def tampered(pointer: str = IMAGE, value: object = "shop:v1") -> dict[str, Any]:
    body = kept(V1, healthyAt="2026-11-22T11:00:00Z")
    if value is GONE:
        parent, _, name = pointer.rpartition("/")
        del resolve_pointer(body, parent)[name]
    else:
        set_pointer(body, pointer, value)
    return body


@pytest.mark.parametrize(("pointer", "value"), TAMPERED.values(), ids=TAMPERED)
def test_a_record_that_is_not_what_it_says_is_ignored(pointer: str, value: object) -> None:
    spoiled = tampered(pointer, value)

    assert release_from(spoiled, TARGET) is None
    assert [one.hash for one in releases_from([spoiled, kept(V2)], TARGET)] == [release_hash(V2)]


def test_a_tampered_record_differs_from_a_whole_one_by_that_part_only() -> None:
    assert release_from(tampered(), TARGET) is not None


@pytest.mark.parametrize("status", [pytest.param(None, id="no status"), pytest.param({}, id="empty")])
def test_a_record_without_status_was_never_healthy(status: Mapping[str, str] | None) -> None:
    release = release_from({**kept(), "status": status}, TARGET)

    assert release is not None
    assert (release.healthy_at, release.quarantined_by, release.seen) == (None, "", False)


def test_releases_are_read_newest_known_healthy_first() -> None:
    bodies = [
        kept(V1, healthyAt="2026-11-22T10:00:00Z"),
        kept(V2, quarantinedBy="checkout-0a1b2c3d-1"),
        kept(V3, healthyAt="2026-11-22T11:00:00Z"),
    ]

    assert [release.template for release in releases_from(bodies, TARGET)] == [V3, V1, V2]


def rehearsed(template: Mapping[str, Any], **fields: Any) -> Release:  # noqa: ANN401 — handed on
    return replace(a_release(template, **fields), rehearsed=True)


def withdrawn(template: Mapping[str, Any], **fields: Any) -> Release:  # noqa: ANN401 — handed on
    return replace(a_release(template, **fields), withdrawn_by="ada")


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
        pytest.param([rehearsed(V1)], False, id="so far it was only rehearsed"),
        pytest.param([rehearsed(V2), a_release(V1)], True, id="what was only rehearsed since does not count"),
        pytest.param([withdrawn(V2), a_release(V1)], True, id="what was withdrawn since does not count"),
        pytest.param([withdrawn(V1)], True, id="a person has withdrawn it: a proof does not bring it back"),
        pytest.param([replace(a_release(V1), orphaned_at=NOW)], False, id="it was thought to have lost its workload"),
    ],
)
def test_whether_a_proof_of_the_live_release_is_news(releases: list[Release], expected: bool) -> None:
    assert nothing_to_note(releases, release_hash(V1), rehearsed=False) is expected


@pytest.mark.parametrize(
    ("releases", "expected"),
    [
        pytest.param([], False, id="nothing is on record yet"),
        pytest.param([a_release(V1, healthy_at=None)], False, id="never healthy so far"),
        pytest.param([rehearsed(V2), rehearsed(V1)], False, id="another one was rehearsed since"),
        pytest.param([rehearsed(V1), a_release(V2)], True, id="it is the newest that was rehearsed"),
        pytest.param([a_release(V2), a_release(V1)], True, id="a better proof stays as it is, with its date"),
        pytest.param([a_release(V1, quarantined_by="x")], True, id="it lifts no quarantine"),
        pytest.param([rehearsed(V1, quarantined_by="x")], True, id="nor that of a rehearsed one"),
    ],
)
def test_whether_a_rehearsed_proof_is_news(releases: list[Release], expected: bool) -> None:
    assert nothing_to_note(releases, release_hash(V1), rehearsed=True) is expected


def test_a_proof_lifts_a_quarantine_and_a_rehearsed_one_does_not_speak_of_it() -> None:
    assert proven(NOW, rehearsed=False)["quarantinedBy"] is None
    assert "quarantinedBy" not in proven(NOW, rehearsed=True)


def test_a_policy_that_acts_does_not_trust_what_was_only_rehearsed() -> None:
    releases = [rehearsed(V2, healthy_at=NOW), a_release(V1)]

    assert [r.template for r in trusted(releases, rehearsal=False) if r.good] == [V1]
    assert [r.template for r in trusted(releases, rehearsal=True) if r.good] == [V2, V1]


# --- names


def twin(brief: str, template: Mapping[str, Any]) -> Release:
    """A release whose hash begins with the same ten characters as that of another template."""
    return replace(
        a_release(template), hash=brief + release_hash(template)[10:], name=f"salus-{brief}-{template['spec']}"
    )


def test_a_patch_means_one_release_by_its_whole_hash() -> None:
    honest, evil = a_release(V1), twin(short(release_hash(V1)), a_template("evil/miner:1"))

    assert template_of([evil, honest], honest.hash) == V1
    assert template_of([evil, honest], evil.hash) == evil.template


@pytest.mark.parametrize(
    ("releases", "told"),
    [
        pytest.param([a_release(V2)], "is not kept any more", id="it is not there"),
        pytest.param([withdrawn(V1)], "was withdrawn by ada", id="a person has withdrawn it"),
        pytest.param(
            [a_release(V1), twin(short(release_hash(V1)), a_template("evil:1"))],
            "is not clear",
            id="two have the ten characters that an old record names",
        ),
    ],
)
def test_a_release_that_cannot_be_put_there_is_told_why(releases: list[Release], told: str) -> None:
    with pytest.raises(KeyError, match=f"release {short(release_hash(V1))} {told}"):
        template_of(releases, short(release_hash(V1)))


def test_an_old_record_names_a_release_by_its_first_ten_characters() -> None:
    assert template_of([a_release(V1), a_release(V2)], short(release_hash(V1))) == V1


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param("a" * 64, "a" * 64, True, id="equal"),
        pytest.param("a" * 10, "a" * 64, True, id="the first is of an older Salus"),
        pytest.param("a" * 64, "a" * 10, True, id="the second is"),
        pytest.param("a" * 10, "a" * 10, True, id="both are"),
        pytest.param("a" * 64, "a" * 63 + "b", False, id="they differ in the last character"),
        pytest.param("b" * 10, "a" * 64, False, id="of another release"),
        pytest.param("a" * 9, "a" * 64, False, id="nine characters name nothing"),
        pytest.param("a" * 11, "a" * 64, False, id="nor do eleven"),
        pytest.param("", "", True, id="both unknown"),
        pytest.param("", "a" * 64, False, id="one unknown"),
    ],
)
def test_whether_two_names_mean_one_release(one: str, other: str, expected: bool) -> None:
    assert same_release(one, other) is expected


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


GOOD = a_workload().proves


@pytest.mark.parametrize(
    ("release", "size", "notes_size", "noted"),
    [
        pytest.param(GOOD, 0, False, True, id="the release is on record, and nobody asks for its size"),
        pytest.param(GOOD, 3, True, True, id="so is its size"),
        pytest.param(GOOD, 5, True, False, id="another size is"),
        pytest.param("another", 3, True, False, id="another release is"),
        pytest.param("", 0, False, False, id="none is"),
    ],
)
def test_what_is_on_record_needs_no_proof(release: str, size: int, notes_size: bool, noted: bool) -> None:
    assert is_noted(a_workload(replicas=3), release, size, notes_size=notes_size) is noted


@pytest.mark.parametrize(
    ("release", "begins"),
    [
        pytest.param(GOOD, ago(5), id="of a release on record only the size is new"),
        pytest.param("another", ago(60), id="a new release proves itself, whatever its size did meanwhile"),
    ],
)
def test_since_when_there_is_something_to_prove(release: str, begins: datetime) -> None:
    assert proof_begins(a_workload(), release, ago(60), ago(5)) == begins


@pytest.mark.parametrize(
    ("sized", "notes_size", "size"),
    [
        pytest.param(600, True, 3, id="it had this size for the whole bake"),
        pytest.param(300, True, 0, id="it had it for half of it"),
        pytest.param(600, False, 0, id="nobody asks"),
    ],
)
def test_the_size_that_a_proof_speaks_for(sized: float, notes_size: bool, size: int) -> None:
    found = size_to_note(a_workload(replicas=3), ago(sized), timedelta(minutes=10), NOW, notes_size=notes_size)

    assert found == size
