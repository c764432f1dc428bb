"""The CRDs on a real API server: taken, and refusing what the models refuse, in the same place and words.

The table is `crd_cases.py`; the models' half of it is in tests/unit/test_model.py.
"""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.crd_cases import (
    ACCEPTED,
    BOUNDS,
    BY_NAME,
    CHANGE,
    INCIDENT,
    POLICY,
    RULES,
    UPDATES,
    Edits,
    Object,
    Refused,
    RefusedUpdate,
    valid,
)
from tests.contract.crd_server import Cause, Server
from tools.crds import KINDS, Kind
from tools.devcluster.cluster import DevCluster

EXAMPLES = Path(__file__).parents[2] / "examples"

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


pytestmark = pytest.mark.usefixtures("our_kinds")


@pytest.fixture
def server(devcluster: DevCluster, namespace: str) -> Server:
    return Server(devcluster.api(), namespace)


@pytest.fixture
def dry(devcluster: DevCluster) -> Server:
    """For requests that leave nothing behind."""
    return Server(devcluster.api(), "default")


@each_kind
def test_the_api_server_takes_the_crd_without_complaint(devcluster: DevCluster, kind: Kind) -> None:
    """Taking it means, too, that it deems no rule too costly."""
    crd = devcluster.api().get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{kind.crd}")
    conditions = {condition["type"]: condition["status"] for condition in crd["status"]["conditions"]}

    assert conditions == {"NamesAccepted": "True", "Established": "True"}


@pytest.mark.parametrize("row", RULES)
def test_a_broken_rule_is_refused_in_the_models_words(dry: Server, row: Refused) -> None:
    assert dry.create(row.body(), dry_run=True).causes == [Cause(row.path, row.message)]


@pytest.mark.parametrize("row", BOUNDS)
def test_what_the_schema_forbids_is_refused_at_the_models_path(dry: Server, row: Refused) -> None:
    """The words are the API server's own here. Where a value cannot be read, the rules around it complain as well."""
    causes = dry.create(row.body(), dry_run=True).causes

    assert causes[0].field == row.path
    assert all(cause.field == row.path or "evaluating rule" in cause.message for cause in causes), causes


@pytest.mark.parametrize(("kind", "edits"), ACCEPTED)
def test_what_the_models_accept_is_accepted(dry: Server, kind: str, edits: Edits) -> None:
    assert dry.create(valid(kind, edits), dry_run=True).causes == []


@pytest.mark.parametrize("row", UPDATES)
def test_a_record_is_not_rewritten(server: Server, row: RefusedUpdate) -> None:
    stored = server.create(valid(row.kind, row.before)).body
    changed = copy.deepcopy(stored) | {"spec": valid(row.kind, {**row.before, **row.edits})["spec"]}

    assert server.replace(changed).causes == [Cause(row.path, row.message)]


def test_an_approval_is_given_once(server: Server) -> None:
    stored = server.create(valid(CHANGE)).body
    approved = copy.deepcopy(stored)
    approved["spec"]["approval"] = {"decision": "Approved", "by": "ada", "digest": "a5e1"}

    answer = server.replace(approved)

    assert answer.causes == []
    unsaid = {"ticket": "", "reason": ""}
    assert answer.body["spec"]["approval"] == {"decision": "Approved", "by": "ada", "digest": "a5e1", **unsaid}


@pytest.mark.parametrize("kind", [INCIDENT, CHANGE])
def test_a_record_takes_labels_and_a_status(server: Server, kind: str) -> None:
    stored = server.create(valid(kind)).body
    stored["metadata"]["labels"] = {"team": "shop"}
    labelled = server.replace(stored).body
    labelled["status"] = {"observedGeneration": 1, "message": "seen"}

    answer = server.replace(labelled, subresource="/status")

    assert answer.causes == []
    assert answer.body["status"]["message"] == "seen"
    assert answer.body["spec"] == stored["spec"]


ASKED_BY_TARGET = {"name": "errors", "query": 'errors{app="$target"}', "unhealthy": {"above": 5}}
SHORT_POLICY = """
apiVersion: salus.dev/v1alpha1
kind: HealthPolicy
metadata:
  name: checkout
spec:
  target: {kind: Deployment, name: checkout}
  checks:
    - name: crash-looping
      preset: PodsCrashLooping
  remedies:
    - name: grow
      scale: {by: "50%", max: 6}
    - name: undo-release
      rollback: {}
"""


def test_a_short_policy_gets_the_models_defaults_from_the_server(server: Server) -> None:
    body = yaml.safe_load(SHORT_POLICY)

    stored = server.create(body).body

    assert len(SHORT_POLICY.strip().splitlines()) < 15
    assert stored["spec"] == BY_NAME[POLICY].spec.parse(body["spec"]).to_dict()
    assert stored["spec"]["mode"] == "Observe"
    assert stored["spec"]["limits"] == {"cooldown": "5m", "maxActions": 3, "per": "1h"}
    assert stored["spec"]["verify"] == {"settle": "30s", "stable": "1m", "timeout": "5m", "onFailure": "Undo"}


@each_kind
def test_what_the_server_stores_is_what_the_models_read(dry: Server, kind: Kind) -> None:
    body = valid(kind.name)

    stored = dry.create(body, dry_run=True).body

    assert stored["spec"] == kind.spec.parse(body["spec"]).to_dict()
    assert kind.spec.parse(stored["spec"]) == kind.spec.parse(body["spec"])


@each_kind
def test_an_object_that_salus_has_not_seen_says_so(server: Server, kind: Kind) -> None:
    """Tools that wait for readiness (kstatus) then wait, instead of taking a new policy for a working one."""
    stored = server.create(valid(kind.name)).body

    assert stored["status"]["observedGeneration"] == -1
    assert stored["status"] == kind.status().to_dict()


@each_kind
def test_a_status_cannot_be_smuggled_in_on_creation(dry: Server, kind: Kind) -> None:
    body = valid(kind.name) | {"status": {"observedGeneration": 1}}

    assert dry.create(body, dry_run=True).body["status"]["observedGeneration"] == -1


def _examples() -> Iterator[Any]:
    for path in sorted(EXAMPLES.rglob("*.yaml")):
        for body in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if body and body.get("kind") in BY_NAME:
                yield pytest.param(body, id=f"{path.relative_to(EXAMPLES)}: {body['metadata']['name']}")


def test_there_are_examples() -> None:
    assert list(_examples())


@pytest.mark.parametrize("body", list(_examples()))
def test_an_example_applies(dry: Server, body: Object) -> None:
    spec = BY_NAME[body["kind"]].spec

    answer = dry.create(body, dry_run=True)

    assert answer.causes == []
    assert answer.status == 201
    assert spec.parse(answer.body["spec"]) == spec.parse(body["spec"])


def test_kubectl_explains_the_remedies(devcluster: DevCluster) -> None:
    devcluster.kubectl("api-resources", "--api-group=salus.dev")  # explain, unlike get, trusts an old list of kinds

    text = devcluster.kubectl("explain", "hp.spec.remedies")

    for line in (
        "What may be done, in this order. Empty: open incidents, change nothing.",
        "Only when one of these checks is unhealthy. Default: any check.",
        "Go back to the newest release that was known healthy.",
        "enum: Observe, Approve, Enforce",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("short", "kind", "header"),
    [
        ("hp", POLICY, "NAME READY HEALTHY KIND TARGET TARGETS MODE HELD BY LAST CHANGE AGE"),
        ("inc", INCIDENT, "NAME POLICY TARGET PHASE ATTEMPTS BLAME OPENED AGE"),
        ("chev", CHANGE, "NAME DECISION ACTION KIND TARGET REASON OUTCOME AGE"),
    ],
)
def test_kubectl_shows_what_matters(devcluster: DevCluster, server: Server, short: str, kind: str, header: str) -> None:
    server.create(valid(kind))

    [first, row] = devcluster.kubectl("get", short, "-n", server.namespace).splitlines()

    assert " ".join(first.split()) == header
    assert "checkout" in row


def test_a_policy_of_many_targets_shows_how_many_there_are_and_what_holds_it(
    devcluster: DevCluster, server: Server
) -> None:
    chosen = {"/target": {"kind": "StatefulSet", "selector": {"matchLabels": {"tier": "db"}}}}
    stored = server.create(valid(POLICY, {**chosen, "/checks": [ASKED_BY_TARGET], "/remedies": None})).body
    status = {
        "observedGeneration": 1,
        "targets": {"total": 12, "unhealthy": 1, "summary": "12/1"},
        "heldBy": "CooldownActive",
        "openIncident": "cart-3d5f39f9-1",
    }
    server.replace(stored | {"status": status}, subresource="/status")

    [header, row] = devcluster.kubectl("get", "hp", "-n", server.namespace, "-o", "wide").splitlines()

    shown = {name: row[header.index(name) :].split("  ")[0] for name in ("KIND", "TARGETS", "HELD BY", "OPEN")}
    assert shown == {"KIND": "StatefulSet", "TARGETS": "12/1", "HELD BY": "CooldownActive", "OPEN": "cart-3d5f39f9-1"}


def test_an_incident_shows_how_often_something_was_tried_and_what_it_blames(
    devcluster: DevCluster, server: Server
) -> None:
    stored = server.create(valid(INCIDENT)).body
    blame = {"kind": "Release", "confidence": "High", "message": "it began 38s before"}
    server.replace(stored | {"status": {"attemptCount": 3, "blame": blame}}, subresource="/status")

    [header, row] = devcluster.kubectl("get", "inc", "-n", server.namespace).splitlines()

    shown = {name: row[header.index(name) :].split("  ")[0].strip() for name in ("ATTEMPTS", "BLAME")}
    assert shown == {"ATTEMPTS": "3", "BLAME": "Release"}


def test_unfinished_changes_of_a_target_can_be_selected(devcluster: DevCluster, server: Server) -> None:
    """Settling after a restart asks for them, so that the API server need not send the whole history."""
    server.create(valid(CHANGE))
    finished = valid(CHANGE)
    finished["metadata"]["name"] = "checkout-5f3a91c2-6"
    stored = server.create(finished).body
    server.replace(stored | {"status": {"outcome": "Recovered"}}, subresource="/status")

    selector = "status.outcome=,spec.decision=AwaitApproval,spec.targetRef.name=checkout"
    names = devcluster.kubectl("get", "chev", "-n", server.namespace, "--field-selector", selector, "-o", "name")

    assert names.split() == ["changeevent.salus.dev/checkout-5f3a91c2-7"]


def test_everything_of_salus_is_one_category(devcluster: DevCluster, server: Server) -> None:
    for kind in KINDS:
        server.create(valid(kind.name))

    names = devcluster.kubectl("get", "salus", "-n", server.namespace, "-o", "name").split()

    assert {name.partition(".")[0] for name in names} == {kind.name.lower() for kind in KINDS}
