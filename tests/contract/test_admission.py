"""What people and programs try that they must not, and what they see: the admission policies on a real API server.

Mallory may write everything of Salus in the namespace as far as RBAC goes; ada and bob are approvers; Salus itself has
more rights than it needs. So whatever is refused here, a policy or the CRD refused it.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from salus.core.records.changes import question_digest
from salus.model.scalars import format_time
from tests.contract.crd_cases import CHANGE, INCIDENT, RELEASE, valid
from tools.devcluster import admission
from tools.devcluster.admission import install_admission, rule
from tools.devcluster.api import JSON_PATCH, Api, ApiError
from tools.devcluster.cluster import DevCluster, KubectlError
from tools.devcluster.namespaces import fresh_namespace
from tools.devcluster.processes import PATIENCE, wait_until
from tools.devcluster.tokens import request_token

pytestmark = pytest.mark.usefixtures("our_kinds")

Object = dict[str, Any]
SALUS, REMEDIATOR = "salus", "system:serviceaccount:{}:salus-remediator"
BOT = "system:serviceaccount:chat:bot"
REVISION = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": 1, "data": {}}
OURS = {"salus.dev/target": "checkout-5f3a91c2"}
A_RELEASE = "salus-checkout-9c1d7f"
ALL = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]
WRITER = [
    {"apiGroups": ["salus.dev"], "resources": ["*"], "verbs": ALL},
    {"apiGroups": ["apps"], "resources": ["controllerrevisions"], "verbs": ALL},
]


@dataclass
class Place:
    """A namespace in which the policies hold, with a question and an incident that Salus has put on record."""

    cluster: DevCluster
    namespace: str
    question: str = ""
    incident: str = ""

    @property
    def digest(self) -> str:
        """What an approval of the question repeats."""
        found = self.cluster.api().get(self.path("changeevents", self.question))
        return str(found["spec"]["digest"])

    @property
    def remediator(self) -> str:
        """The account that acts here."""
        return REMEDIATOR.format(self.namespace)

    def api(self, user: str) -> Api:
        """The API server as this user sees it."""
        return self.cluster.api(user)

    def path(self, plural: str, name: str = "", subresource: str = "") -> str:
        """Where an object of ours is, or all of them."""
        group = "apps/v1" if plural == "controllerrevisions" else "salus.dev/v1alpha1"
        parts = (f"/apis/{group}/namespaces/{self.namespace}/{plural}", name, subresource)
        return "/".join(part for part in parts if part)

    def grant(self, user: str, rules: list[Object]) -> None:
        """Give a user rights in this namespace."""
        root, name = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}", user.replace(":", "-")
        admin = self.cluster.api()
        admin.create(f"{root}/roles", {"metadata": {"name": name}, "rules": rules})
        self._bind(user, "Role", name)

    def bind(self, user: str, cluster_role: str) -> None:
        """Give a user a ClusterRole in this namespace."""
        self._bind(user, "ClusterRole", cluster_role)

    def _bind(self, user: str, kind: str, role: str) -> None:
        group = "rbac.authorization.k8s.io"
        body = {
            "metadata": {"generateName": "test-"},
            "roleRef": {"apiGroup": group, "kind": kind, "name": role},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
        }
        self.cluster.api().create(f"/apis/{group}/v1/namespaces/{self.namespace}/rolebindings", body)

    def answer(self, user: str, **fields: str) -> Object:
        """Approve the question."""
        given = {"decision": "Approved", "by": user, "digest": self.digest, **fields}
        return self.api(user).patch(self.path("changeevents", self.question), {"spec": {"approval": given}})

    def record(self, kind: str = CHANGE, name: str = "", **edits: Any) -> Object:  # noqa: ANN401
        """A record as Salus makes it."""
        body = valid(kind, {f"/{key}": value for key, value in edits.items()})
        body["metadata"] = {"name": name or body["metadata"]["name"], "namespace": self.namespace, "labels": dict(OURS)}
        if kind == CHANGE:
            spec = body["spec"]
            spec["actor"] = {"operator": "salus", "identity": self.remediator}
            spec["expiresAt"] = format_time(datetime.now(UTC) + timedelta(hours=1))
            spec["digest"] = question_digest(self.namespace, spec)
        return body

    def policy(self, user: str, name: str = "web", **spec: Any) -> Object:  # noqa: ANN401
        """Create a policy for the Deployment `checkout` as this user."""
        check = {"name": "up", "query": 'up{t="$target"}', "unhealthy": {"below": "1"}}
        usual = {"mode": "Enforce", "target": {"kind": "Deployment", "name": "checkout"}, "checks": [check]}
        kind = {"apiVersion": "salus.dev/v1alpha1", "kind": "HealthPolicy", "metadata": {"name": name}}
        return self.api(user).create(self.path("healthpolicies"), {**kind, "spec": {**usual, **spec}})

    def release(self, user: str, **edits: Any) -> Object:  # noqa: ANN401
        """Keep a release as this user."""
        return self.api(user).create(self.path("keptreleases"), self.record(RELEASE, A_RELEASE, **edits))

    def edit_release(self, user: str, patch: Object, subresource: str = "") -> Object:
        """Change the release that Salus keeps, as this user."""
        return self.api(user).patch(self.path("keptreleases", A_RELEASE, subresource), patch)

    def withdraw(self, user: str, **fields: str) -> Object:
        """Say that the release must not come back."""
        return self.edit_release(user, {"spec": {"withdrawal": {"by": user, "reason": "CVE-2026-1", **fields}}})

    def revision(self, user: str, name: str = "salus-checkout-9c1d7f", labels: Object | None = None) -> Object:
        """Create a ControllerRevision as this user; labelled as an older Salus labelled what it kept."""
        body = {**REVISION, "metadata": {"name": name, "labels": OURS if labels is None else labels}}
        return self.api(user).create(self.path("controllerrevisions"), body)


@pytest.fixture(scope="module")
def ruled(devcluster: DevCluster, our_kinds: None) -> DevCluster:
    """A cluster that has the policies, with the user `salus` as Salus."""
    del our_kinds
    install_admission(devcluster, operator=SALUS)
    return devcluster


@pytest.fixture
def place(ruled: DevCluster, namespace: str) -> Place:
    place = Place(ruled, namespace)
    rule(ruled, namespace, operator=SALUS)
    place.grant(SALUS, [*WRITER, {"apiGroups": ["salus.dev"], "resources": ["changeevents"], "verbs": ["approve"]}])
    place.grant("mallory", WRITER)
    for approver in ("ada", "bob", BOT, place.remediator):
        place.bind(approver, "salus-approver")
        place.bind(approver, "salus-withdrawer")
    place.bind("dora", "salus-purger")
    changes, incidents = place.path("changeevents"), place.path("incidents")
    place.question = place.api(SALUS).create(changes, place.record())["metadata"]["name"]
    place.incident = place.api(SALUS).create(incidents, place.record(INCIDENT))["metadata"]["name"]
    wait_until(lambda: _sees(place, "ada") and _sees(place, "dora"), timeout=PATIENCE, what="the rights of both")
    return place


def _sees(place: Place, user: str) -> bool:
    try:
        place.api(user).get(place.path("changeevents", place.question))
    except ApiError:
        return False
    return True


def _approved_by(user: str, body: Object) -> Object:
    body["spec"]["approval"] = {"decision": "Approved", "by": user, "digest": body["spec"]["digest"]}
    return body


def _edit_approval(place: Place) -> None:
    place.answer("ada")
    place.answer("ada", decision="Denied")


def _approve_twice(place: Place) -> None:
    place.answer("ada")
    place.answer("bob")


def _touch(field: str, value: object) -> Callable[[Place], object]:
    """Ada, who may patch the record, changes its metadata."""

    def attack(place: Place) -> None:
        place.api("ada").patch(place.path("changeevents", place.question), {"metadata": {field: value}})

    return attack


def _rewrite(path: str) -> Callable[[Place], object]:
    """Ada, who may patch the record, puts something else where its schema takes anything."""

    def attack(place: Place) -> None:
        edit = {"op": "replace", "path": path, "value": {"x": 1}}
        place.api("ada").patch(place.path("changeevents", place.question), [edit], kind=JSON_PATCH)

    return attack


def _forged_status(plural: str) -> Callable[[Place], object]:
    def attack(place: Place) -> None:
        name = place.question if plural == "changeevents" else place.incident
        place.api("mallory").patch(place.path(plural, name, "status"), {"status": {"message": "all is well"}})

    return attack


def _of_a_release(attack: Callable[[Place], object]) -> Callable[[Place], object]:
    """The attack, on a release that Salus keeps."""

    def on_it(place: Place) -> None:
        place.release(SALUS)
        attack(place)

    return on_it


def _withdrawn_twice(place: Place) -> None:
    place.withdraw("ada")
    place.withdraw("bob")


def _relabelled_revision(place: Place) -> None:
    place.revision("mallory", "innocent", labels={})
    place.api("mallory").patch(place.path("controllerrevisions", "innocent"), {"metadata": {"labels": OURS}})


def _emboldened_policy(place: Place) -> None:
    place.policy("mallory", mode="Observe")
    place.api("mallory").patch(place.path("healthpolicies", "web"), {"spec": {"mode": "Approve"}})


def _resumed_policy(place: Place) -> None:
    place.policy("mallory", suspend=True)
    place.api("mallory").patch(place.path("healthpolicies", "web"), {"spec": {"suspend": False}})


def _selecting_policy(place: Place) -> None:
    """Who may patch one Deployment may not have a policy over whatever a selector will find."""
    one = {"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["checkout"], "verbs": ["patch"]}
    place.grant("carol", [*WRITER, one])
    wait_until(lambda: bool(_allowed(place)), timeout=PATIENCE, what="carol's rights")
    place.policy("carol", target={"kind": "Deployment", "selector": {"matchLabels": {"app": "checkout"}}})


def _allowed(place: Place) -> bool:
    try:
        return bool(place.policy("carol", "named"))
    except ApiError:
        return False


Attack = Callable[[Place], object]


@pytest.mark.parametrize(
    ("attack", "seen"),
    [
        pytest.param(
            lambda place: place.api("mallory").create(place.path("changeevents"), place.record(name="forged-1")),
            "only Salus makes Incidents and ChangeEvents: mallory cannot put on record what Salus did not decide",
            id="a forged ChangeEvent",
        ),
        pytest.param(
            lambda place: place.api("mallory").create(place.path("incidents"), place.record(INCIDENT, "forged-1")),
            "only Salus makes Incidents and ChangeEvents: mallory cannot put on record what Salus did not decide",
            id="a forged Incident",
        ),
        pytest.param(
            lambda place: place.api(SALUS).create(
                place.path("changeevents"),
                _approved_by(SALUS, place.record(name="born-1")),
            ),
            "a ChangeEvent is made without an approval; a person gives it afterwards",
            id="Salus makes a change that is approved already",
        ),
        pytest.param(
            _forged_status("changeevents"),
            "only Salus writes how a record went on; mallory cannot write its status",
            id="a forged status of a ChangeEvent",
        ),
        pytest.param(
            _forged_status("incidents"),
            "only Salus writes how a record went on; mallory cannot write its status",
            id="a forged status of an Incident",
        ),
        pytest.param(
            lambda place: place.api("mallory").delete(place.path("changeevents", place.question)),
            "records are deleted by Salus alone, when their time is over (retention), or with their namespace",
            id="a record that tells too much is deleted",
        ),
        pytest.param(
            lambda place: place.api("mallory").delete(place.path("incidents")),
            "records are deleted by Salus alone",
            id="all incidents are deleted at once",
        ),
        pytest.param(
            lambda place: place.api("dora").delete(place.path("incidents", place.incident)),
            "checkout-5f3a91c2-1 is not finished, and Salus goes by it",
            id="an incident that goes on is cleared",
        ),
        pytest.param(
            lambda place: place.api("dora").delete(place.path("changeevents", place.question)),
            "an Incident has to be Resolved, a ChangeEvent that acts or asks to be completed",
            id="a question that waits is cleared",
        ),
        pytest.param(
            lambda place: place.api("dora").delete(place.path("changeevents")),
            "is not finished, and Salus goes by it",
            id="everything is cleared at once, with a question that waits among it",
        ),
        pytest.param(
            _touch("labels", {"salus.dev/target": "another"}),
            "a record stays as it is; a person may set spec.approval, and nothing else",
            id="a record is hidden from Salus by its label",
        ),
        pytest.param(
            _touch("ownerReferences", [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "gone"}]),
            "a record stays as it is",
            id="a record gets an owner, so that the garbage collector deletes it",
        ),
        pytest.param(
            _touch("finalizers", ["example.com/forever"]),
            "a record stays as it is",
            id="a record gets a finalizer, so that nothing ever deletes it",
        ),
        pytest.param(_touch("annotations", {"a": "b"}), "a record stays as it is", id="a record is annotated"),
        pytest.param(
            lambda place: place.api("ada").patch(
                place.path("changeevents", place.question), {"spec": {"message": "harmless"}}
            ),
            "message is part of the record and never changes",
            id="a record is rewritten by an approver",
        ),
        pytest.param(
            _rewrite("/spec/inverse/0/value"),
            "inverse is part of the record and never changes",
            id="an approver rewrites the way back, of which the schema knows no type",
        ),
        pytest.param(
            _rewrite("/spec/patch/0/value"),
            "patch is part of the record and never changes",
            id="an approver rewrites what they are asked about",
        ),
        pytest.param(
            lambda place: place.answer("mallory"),
            "mallory may not approve changes in namespace {namespace}: the verb approve on changeevents.salus.dev is "
            "missing; ClusterRole salus-approver has it",
            id="an approval by one who may patch, without the verb",
        ),
        pytest.param(
            lambda place: place.answer("ada", by="bob"),
            "spec.approval.by must be you, ada, and not bob",
            id="an approval as somebody else",
        ),
        pytest.param(
            lambda place: place.answer(SALUS),
            "a person approves a change, and salus is the account of a program",
            id="Salus approves its own change",
        ),
        pytest.param(
            lambda place: place.answer(place.remediator),
            "a person approves a change, and system:serviceaccount:{namespace}:salus-remediator is the account of a "
            "program",
            id="the account that would act approves its own change",
        ),
        pytest.param(
            lambda place: place.answer(BOT),
            f"a person approves a change, and {BOT} is the account of a program",
            id="a bot that was made an approver answers for people",
        ),
        pytest.param(_edit_approval, "approval is given once and never changes", id="an approval is edited afterwards"),
        pytest.param(_approve_twice, "approval is given once and never changes", id="an approval is taken over"),
        pytest.param(
            lambda place: place.answer("ada", digest="0b77"),
            "approval.digest must repeat spec.digest",
            id="an approval of something else",
        ),
        pytest.param(
            lambda place: place.release("mallory"),
            "only Salus keeps releases: a rollback would put there whatever mallory wrote",
            id="a forged release record",
        ),
        pytest.param(
            _of_a_release(lambda place: place.edit_release("mallory", {"metadata": {"labels": None}})),
            "a kept release stays as it is; a person may set spec.withdrawal, and nothing else",
            id="a release is hidden by taking its label",
        ),
        pytest.param(
            _of_a_release(lambda place: place.edit_release("mallory", {"status": {"provenBy": "Acting"}}, "status")),
            "only Salus says how a release fared; mallory cannot write its status",
            id="a release is declared healthy",
        ),
        pytest.param(
            _of_a_release(lambda place: place.edit_release("mallory", {"spec": {"workload": {"spec": {"x": 1}}}})),
            "workload is part of what was kept and never changes",
            id="a kept template is rewritten",
        ),
        pytest.param(
            _of_a_release(lambda place: place.edit_release(SALUS, {"spec": {"workload": {"spec": {"x": 1}}}})),
            "workload is part of what was kept and never changes",
            id="… by Salus itself",
        ),
        pytest.param(
            _of_a_release(lambda place: place.api("mallory").delete(place.path("keptreleases", A_RELEASE))),
            "mallory may not delete kept releases in namespace {namespace}: the verb purge on keptreleases.salus.dev "
            "is missing; ClusterRole salus-purger has it",
            id="the good release is deleted",
        ),
        pytest.param(
            _of_a_release(lambda place: place.withdraw("mallory")),
            "mallory may not withdraw releases in namespace {namespace}: the verb withdraw on keptreleases.salus.dev "
            "is missing; ClusterRole salus-withdrawer has it",
            id="a withdrawal by one who may patch, without the verb",
        ),
        pytest.param(
            _of_a_release(lambda place: place.withdraw("ada", by="bob")),
            "spec.withdrawal.by must be you, ada, and not bob",
            id="a withdrawal as somebody else",
        ),
        pytest.param(
            _of_a_release(lambda place: place.withdraw(BOT)),
            f"a person withdraws a release, and {BOT} is the account of a program",
            id="a bot withdraws a release",
        ),
        pytest.param(
            lambda place: place.release(SALUS, withdrawal={"by": SALUS, "reason": "made up"}),
            "a release is kept as it is; a person withdraws it afterwards",
            id="Salus makes a release that is withdrawn already",
        ),
        pytest.param(
            _of_a_release(_withdrawn_twice),
            "a withdrawal is made once and never changes",
            id="a withdrawal is taken over",
        ),
        pytest.param(
            lambda place: place.revision("mallory"),
            "nobody writes ControllerRevisions with the label salus.dev/target, neither mallory nor Salus",
            id="a forged release of an older Salus",
        ),
        pytest.param(
            lambda place: place.revision(SALUS),
            "nobody writes ControllerRevisions with the label salus.dev/target, neither salus nor Salus",
            id="… by Salus itself",
        ),
        pytest.param(
            _relabelled_revision, "nobody writes ControllerRevisions", id="a revision becomes a release by its label"
        ),
        pytest.param(
            lambda place: place.policy("mallory"),
            "mallory may not patch Deployment/checkout in namespace {namespace}, so no policy of theirs may; with mode "
            "Observe it may watch",
            id="a policy whose author may not patch the target",
        ),
        pytest.param(
            lambda place: place.policy("mallory", mode="Approve"),
            "mallory may not patch Deployment/checkout",
            id="the same, with somebody to approve it",
        ),
        pytest.param(_emboldened_policy, "mallory may not patch Deployment/checkout", id="a policy is made bolder"),
        pytest.param(_resumed_policy, "mallory may not patch Deployment/checkout", id="a policy is resumed"),
        pytest.param(
            _selecting_policy,
            "carol may not patch every Deployment in namespace {namespace}",
            id="a selector, by one who may patch a single target",
        ),
    ],
)
def test_an_attack_is_refused(place: Place, attack: Attack, seen: str) -> None:
    with pytest.raises(ApiError) as refused:
        attack(place)

    assert refused.value.status in (403, 422)
    assert seen.format(namespace=place.namespace) in str(refused.value)


def test_a_person_with_the_verb_approves_as_themselves(place: Place) -> None:
    answered = place.answer("ada", ticket="CHG-7")

    given = {"decision": "Approved", "by": "ada", "digest": place.digest, "ticket": "CHG-7", "reason": ""}
    assert answered["spec"]["approval"] == given


def command(place: Place, verb: str, user: str, *options: str, name: str = "") -> subprocess.CompletedProcess[str]:
    """`kubectl salus approve` or `deny`, as this user."""
    return admission.answer(place.cluster, user, verb, name or place.question, place.namespace, *options)


@pytest.mark.parametrize(("verb", "decision"), [("approve", "Approved"), ("deny", "Denied")])
def test_the_command_shows_what_it_is_about_and_answers_in_the_callers_name(
    place: Place, verb: str, decision: str
) -> None:
    shown = command(place, verb, "ada", "--dry-run")
    unanswered = place.api(SALUS).get(place.path("changeevents", place.question))

    ended = command(place, verb, "ada", "--ticket", "CHG-7")

    assert (shown.returncode, ended.returncode) == (0, 0), ended.stderr
    assert "approval" not in unanswered["spec"]
    assert "Target     Deployment/checkout" in shown.stdout
    assert ended.stdout.startswith(shown.stdout.partition("Expires")[0])
    assert ended.stdout.splitlines()[-1] == f"changeevent/{place.question} {decision.lower()}"
    given = place.api(SALUS).get(place.path("changeevents", place.question))["spec"]["approval"]
    assert given.pop("at")
    assert given == {"decision": decision, "by": "ada", "digest": place.digest, "ticket": "CHG-7", "reason": ""}


def test_the_command_says_who_was_faster(place: Place) -> None:
    place.answer("bob")

    ended = command(place, "deny", "ada")

    assert ended.returncode == 2
    assert ended.stderr == f"salus: error: changeevent {place.question} was answered already: Approved by bob\n"


@pytest.mark.parametrize(
    ("user", "told"),
    [
        pytest.param("nobody", "nobody may not get changeevents in namespace {}", id="one who may not even read"),
        pytest.param("mallory", "mallory may not approve changeevents in namespace {}", id="one without the verb"),
    ],
)
def test_the_command_names_the_role_that_is_missing(place: Place, user: str, told: str) -> None:
    ended = command(place, "approve", user)

    assert ended.returncode == 2
    grant = f"kubectl create rolebinding salus-approvers --clusterrole=salus-approver --user='{user}'"
    assert told.format(place.namespace) + "; ClusterRole salus-approver has that right." in ended.stderr
    assert f"{grant} -n {place.namespace}" in ended.stderr


def test_the_command_tells_the_refusal_of_a_program_in_the_policys_words(place: Place) -> None:
    ended = command(place, "approve", place.remediator)

    assert ended.returncode == 2
    assert (
        ended.stderr
        == f"salus: error: a person approves a change, and {place.remediator} is the account of a program\n"
    )


def test_the_command_knows_no_such_record(place: Place) -> None:
    ended = command(place, "approve", "ada", name="checkout-5f3a91c2-99")

    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        f"salus: error: there is no ChangeEvent checkout-5f3a91c2-99 in namespace {place.namespace}",
        f"  like it   {place.question}",
    ]


def test_salus_writes_its_records(place: Place) -> None:
    """Makes them, says how they went, mends a label, deletes them when their time is over."""
    salus, path = place.api(SALUS), place.path("changeevents", "checkout-5f3a91c2-8")
    salus.create(place.path("changeevents"), place.record(name="checkout-5f3a91c2-8"))

    salus.patch(f"{path}/status", {"status": {"outcome": "Recovered"}})
    salus.patch(path, {"metadata": {"labels": {"salus.dev/policy": "checkout"}}})
    salus.delete(path)
    salus.patch(place.path("incidents", place.incident, "status"), {"status": {"phase": "Resolved"}})
    salus.delete(place.path("incidents", place.incident))

    assert not salus.exists(path)


@dataclass(frozen=True)
class Home:
    """A namespace with Salus' account and a pod that runs as it, and eve, who has Kubernetes' role edit there."""

    namespace: str
    place: Place
    """Where the records are."""

    @property
    def operator(self) -> str:
        """Salus' user name."""
        return f"system:serviceaccount:{self.namespace}:salus"

    def forge(self, *options: str, user: str) -> str:
        """Create an Incident; what kubectl says to it."""
        body = json.dumps(self.place.record(INCIDENT, "forged-1"))
        with pytest.raises(KubectlError) as refused:
            self.place.cluster.kubectl("create", "-f", "-", *options, stdin=body, user=user)
        return str(refused.value)


@pytest.fixture
def home(ruled: DevCluster, namespace: str) -> Iterator[Home]:
    with fresh_namespace(ruled, "home") as own:
        home = Home(own, Place(ruled, namespace))
        install_admission(ruled, operator=home.operator, suffix=f"-{own}")
        rule(ruled, namespace, operator=home.operator, suffix=f"-{own}")
        pod = {"metadata": {"name": "salus"}, "spec": {"serviceAccountName": "salus", "containers": [A_CONTAINER]}}
        ruled.kubectl("create", "serviceaccount", "salus", "-n", own)
        ruled.api().create(f"/api/v1/namespaces/{own}/pods", pod)
        ruled.kubectl("create", "rolebinding", "eve", "-n", own, "--clusterrole=edit", "--user=eve")
        home.place.grant(home.operator, WRITER)
        wait_until(lambda: _may_make_tokens(home), timeout=PATIENCE, what="the rights of eve")
        yield home
        for binding in ("approvals", "records", "releases", "withdrawals", "revisions", "authors", "loans"):
            ruled.kubectl("delete", "validatingadmissionpolicybinding", f"{binding}.salus.dev-{own}")


A_CONTAINER = {"name": "salus", "image": "salus:v1"}


def _may_make_tokens(home: Home) -> bool:
    try:
        request_token(home.place.api("eve"), home.namespace, "salus")
    except ApiError:
        return False
    return True


def test_nobody_is_salus_by_impersonation_or_by_a_token_without_a_pod(home: Home) -> None:
    """Whoever edits in the operator's own namespace may do both, as far as RBAC goes."""
    eve, incidents = home.place.api("eve"), home.place.path("incidents")
    refusal = f"only Salus makes Incidents and ChangeEvents: {home.operator} outside of its pod cannot put on record"

    assert refusal in home.forge(f"--as={home.operator}", user="eve")
    holder = replace(eve, token=request_token(eve, home.namespace, "salus"))
    with pytest.raises(ApiError, match=refusal):
        holder.create(incidents, home.place.record(INCIDENT, "forged-1"))
    assert home.place.api("tests").items(incidents) == []


def test_salus_is_salus_in_its_pod(home: Home) -> None:
    """With the token that the kubelet gets. Eve may ask for the same one, so Salus has a namespace of its own."""
    incidents = home.place.path("incidents")
    for asks in ("tests", "eve"):
        token = request_token(home.place.api(asks), home.namespace, "salus", pod="salus")
        salus = replace(home.place.api("tests"), token=token)
        name = salus.create(incidents, home.place.record(INCIDENT, f"of-{asks}"))["metadata"]["name"]
        salus.patch(f"{incidents}/{name}/status", {"status": {"phase": "Resolved"}})
        salus.delete(f"{incidents}/{name}")


@pytest.mark.parametrize(
    ("plural", "status"),
    [
        pytest.param("incidents", {"phase": "Resolved"}, id="an incident that is over"),
        pytest.param("changeevents", {"completedAt": "2026-11-22T03:04:05Z"}, id="a change that is over"),
    ],
)
def test_who_has_the_verb_clears_what_is_finished(place: Place, plural: str, status: Object) -> None:
    """Whatever its age; mallory, who may delete as far as RBAC goes, has to leave it."""
    path = place.path(plural, place.incident if plural == "incidents" else place.question)
    place.api(SALUS).patch(f"{path}/status", {"status": status})
    with pytest.raises(ApiError, match="mallory may not clear finished ones before: the verb purge"):
        place.api("mallory").delete(path)

    place.api("dora").delete(path)

    assert not place.api(SALUS).exists(path)


def test_who_has_the_verb_clears_a_flood_at_once(place: Place) -> None:
    """Refusals and rehearsals are finished as they are made."""
    salus, root = place.api(SALUS), place.path("changeevents")
    for number in range(20, 25):
        flood = place.record(name=f"checkout-5f3a91c2-{number}", decision="Refuse")
        flood["metadata"]["labels"]["salus.dev/policy"] = "flood"
        salus.create(root, flood)

    place.api("dora").delete(root, labelSelector="salus.dev/policy=flood")

    assert [body["metadata"]["name"] for body in salus.get(root)["items"]] == [place.question]


def test_salus_keeps_and_drops_releases(place: Place) -> None:
    place.release(SALUS)

    place.edit_release(SALUS, {"status": {"healthyAt": "2026-11-22T03:04:05Z"}}, "status")
    place.api(SALUS).delete(place.path("keptreleases", A_RELEASE))

    assert not place.api(SALUS).exists(place.path("keptreleases", A_RELEASE))


def test_a_person_with_the_verb_withdraws_a_release_as_themselves(place: Place) -> None:
    place.release(SALUS)
    shown = admission.answer(
        place.cluster, "ada", "withdraw", A_RELEASE, place.namespace, "--reason=CVE-2026-1", "--dry-run"
    )
    unanswered = place.api(SALUS).get(place.path("keptreleases", A_RELEASE))

    ended = admission.answer(place.cluster, "ada", "withdraw", A_RELEASE, place.namespace, "--reason=CVE-2026-1")
    again = admission.answer(place.cluster, "bob", "withdraw", A_RELEASE, place.namespace, "--reason=me too")

    assert (shown.returncode, ended.returncode) == (0, 0), ended.stderr
    assert "withdrawal" not in unanswered["spec"]
    assert "Image    shop:v1" in shown.stdout
    given = place.api(SALUS).get(place.path("keptreleases", A_RELEASE))["spec"]["withdrawal"]
    assert given.pop("at")
    assert given == {"by": "ada", "reason": "CVE-2026-1"}
    assert again.returncode == 2
    assert again.stderr == f"salus: error: keptrelease {A_RELEASE} was withdrawn already, by ada: CVE-2026-1\n"


def test_the_command_names_the_role_that_withdrawing_takes(place: Place) -> None:
    place.release(SALUS)

    ended = admission.answer(place.cluster, "mallory", "withdraw", A_RELEASE, place.namespace, "--reason=x")

    assert ended.returncode == 2
    assert f"mallory may not withdraw keptreleases in namespace {place.namespace}; ClusterRole " in ended.stderr


def test_who_may_purge_deletes_a_release_whatever_its_age(place: Place) -> None:
    place.release(SALUS)
    path = place.path("keptreleases", A_RELEASE)

    place.api("dora").delete(path)

    assert not place.api(SALUS).exists(path)


def test_revisions_of_others_are_no_business_of_salus(place: Place) -> None:
    """A StatefulSet's controller keeps its own."""
    place.revision("mallory", "web-1", labels={"app": "web"})

    place.api("mallory").delete(place.path("controllerrevisions", "web-1"))


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"mode": "Observe"}, id="it only watches"),
        pytest.param({"suspend": True}, id="it is suspended"),
    ],
)
def test_whoever_may_write_policies_may_write_one_that_changes_nothing(place: Place, spec: Object) -> None:
    assert place.policy("mallory", **spec)


def test_an_author_who_may_patch_the_target_writes_the_policy_and_everybody_may_stop_it(place: Place) -> None:
    """Carol has the right and writes it; mallory has not, may label it, and may suspend it."""
    one = {"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["checkout"], "verbs": ["patch"]}
    place.grant("carol", [*WRITER, one])
    wait_until(lambda: _allowed(place), timeout=PATIENCE, what="carol's rights")
    mallory, path = place.api("mallory"), place.path("healthpolicies", "named")

    mallory.patch(path, {"metadata": {"labels": {"team": "shop"}}})
    suspended = mallory.patch(path, {"spec": {"suspend": True}})

    assert suspended["spec"]["suspend"] is True


def test_a_namespace_takes_its_records_with_it(place: Place) -> None:
    """Else none that ever had an incident could be deleted."""
    place.release(SALUS)
    admin, path = place.cluster.api(), f"/api/v1/namespaces/{place.namespace}"

    admin.delete(path)

    wait_until(lambda: not admin.exists(path), timeout=PATIENCE, what="the namespace is gone")
    admin.create("/api/v1/namespaces", {"metadata": {"name": place.namespace}})


@pytest.mark.parametrize(
    ("role", "verb", "resource", "allowed"),
    [
        pytest.param("view", "get", "healthpolicies", True, id="who may view reads policies"),
        pytest.param("view", "watch", "changeevents", True, id="who may view watches changes"),
        pytest.param("view", "list", "incidents", True, id="who may view lists incidents"),
        pytest.param("view", "patch", "healthpolicies", False, id="who may view writes nothing"),
        pytest.param("edit", "create", "healthpolicies", True, id="who may edit writes policies"),
        pytest.param("edit", "list", "changeevents", True, id="who may edit reads records"),
        pytest.param("edit", "patch", "changeevents", False, id="who may edit writes no records"),
        pytest.param("edit", "patch", "healthpolicies/status", False, id="nor a status"),
        pytest.param("edit", "approve", "changeevents", False, id="nor approves"),
        pytest.param("admin", "delete", "healthpolicies", True, id="an admin deletes policies"),
        pytest.param("admin", "delete", "incidents", False, id="an admin deletes no records"),
        pytest.param("admin", "approve", "changeevents", False, id="an admin is no approver by being one"),
        pytest.param("view", "get", "keptreleases", True, id="who may view reads kept releases, as Deployments"),
        pytest.param("edit", "patch", "keptreleases", False, id="who may edit writes none"),
        pytest.param("admin", "withdraw", "keptreleases", False, id="nor does an admin withdraw one by being one"),
        pytest.param("admin", "purge", "keptreleases", False, id="nor purge one"),
        pytest.param("salus-withdrawer", "withdraw", "keptreleases", True, id="who may withdraw withdraws"),
        pytest.param("salus-withdrawer", "delete", "keptreleases", False, id="but deletes nothing"),
        pytest.param("salus-purger", "purge", "keptreleases", True, id="who may purge purges"),
        pytest.param("salus-purger", "patch", "keptreleases", False, id="but withdraws nothing"),
        pytest.param("salus-approver", "approve", "changeevents", True, id="an approver approves"),
        pytest.param("salus-approver", "patch", "changeevents", True, id="for which they patch"),
        pytest.param("salus-approver", "create", "changeevents", False, id="but they make no records"),
        pytest.param("salus-approver", "patch", "healthpolicies", False, id="nor policies"),
        pytest.param("salus-approver", "get", "incidents", True, id="an approver reads what it is about"),
        pytest.param("admin", "purge", "changeevents", False, id="an admin clears no records by being one"),
        pytest.param("salus-approver", "purge", "changeevents", False, id="nor does an approver"),
        pytest.param("salus-purger", "purge", "changeevents", True, id="who clears records may clear changes"),
        pytest.param("salus-purger", "delete", "incidents", True, id="and delete incidents"),
        pytest.param("salus-purger", "patch", "changeevents", False, id="but rewrites none"),
        pytest.param("salus-purger", "approve", "changeevents", False, id="nor approves"),
    ],
)
def test_what_the_roles_give(
    ruled: DevCluster, namespace: str, role: str, verb: str, resource: str, allowed: bool
) -> None:
    Place(ruled, namespace).bind(f"{role}-er", role)

    def may(verb: str, resource: str) -> bool:
        name, _, subresource = resource.partition("/")
        asked = {"verb": verb, "group": "salus.dev", "resource": name, "subresource": subresource}
        body = {"spec": {"user": f"{role}-er", "resourceAttributes": {**asked, "namespace": namespace}}}
        answer = ruled.api().create("/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
        return bool(answer["status"]["allowed"])

    # The aggregation and the new binding take a moment; every one of these roles may list what it is about.
    known = "keptreleases" if resource == "keptreleases" else "changeevents"
    wait_until(lambda: may("list", known), timeout=PATIENCE, what=f"the rights of {role}")
    if allowed:
        wait_until(lambda: may(verb, resource), timeout=PATIENCE, what=f"{role} may {verb} {resource}")
    assert may(verb, resource) is allowed
