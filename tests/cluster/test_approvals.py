"""Mode Approve from question to write: a real Salus, a real API server with its admission policies, a person."""

import json
import subprocess

import pytest

from tests.cluster.scene import Object, Scene
from tools.devcluster import admission
from tools.devcluster.admission import install_admission, rule
from tools.devcluster.cluster import KubectlError


@pytest.fixture
def asking(scene: Scene) -> Scene:
    """An unhealthy service whose restart waits for a person; ada is the approver."""
    install_admission(scene.cluster, operator="salus")
    rule(scene.cluster, scene.namespace, operator="salus")
    grant = ("create", "rolebinding", "approvers", "--clusterrole=salus-approver", "--user=ada")
    scene.cluster.kubectl(*grant, "-n", scene.namespace)
    scene.gauge(0.0)
    scene.deploy()
    scene.apply(mode="Approve", remedies=[{"name": "restart", "restart": {}}])
    return scene


def ask(scene: Scene, **settings: object) -> Object:
    """Start Salus, let the service turn unhealthy, and wait for the question."""
    scene.salus.configure(settings)
    scene.salus.start()
    scene.wait_condition("Healthy", "True")
    scene.gauge(0.5)
    return scene.wait_change(decision="AwaitApproval", action="Restart")


def answer(scene: Scene, verb: str, question: Object, *options: str) -> subprocess.CompletedProcess[str]:
    """`kubectl salus approve` or `deny` as ada."""
    return admission.answer(scene.cluster, "ada", verb, question["metadata"]["name"], scene.namespace, *options)


def test_what_a_person_approves_is_done_once_and_proven(asking: Scene) -> None:
    """It waits without a write; ada approves; it is done, once, and the metrics prove it."""
    question = ask(asking)
    asking.wait(lambda: asking.incidents()[0]["status"]["phase"] == "AwaitingApproval", "people are asked")
    asking.wait_status_ticks(3)
    assert asking.writes() == []

    answered = answer(asking, "approve", question, "--ticket", "CHG-7")

    assert answered.returncode == 0, answered.stderr
    asking.wait(lambda: len(asking.writes(verb="patch")) == 1, "the restart")
    asking.gauge(0.0)
    done = asking.wait_outcome("Recovered", action="Restart")
    approval = done["spec"]["approval"]
    assert (approval["by"], approval["ticket"], approval["digest"]) == ("ada", "CHG-7", done["spec"]["digest"])
    asking.wait(lambda: asking.incidents()[0]["status"]["phase"] == "Resolved", "the incident is resolved")
    assert len(asking.writes(verb="patch")) == 1
    assert len(asking.changes()) == 1
    again = answer(asking, "approve", question)
    assert (again.returncode, "was answered already: Approved by ada" in again.stderr) == (2, True)


def test_what_a_person_denies_is_not_done_and_people_are_called(asking: Scene) -> None:
    """A no ends the record and the remedy; the ladder goes on, here to its end."""
    question = ask(asking)

    answered = answer(asking, "deny", question)

    assert answered.returncode == 0, answered.stderr
    ended = asking.wait_outcome("Abandoned", action="Restart")
    assert ended["status"]["message"].startswith("denied by ada")
    asking.wait(lambda: asking.incidents()[0]["status"]["phase"] == "Escalated", "people are called")
    assert asking.writes() == []
    assert len(asking.changes(action="Restart")) == 1


def test_a_question_that_nobody_answers_expires(asking: Scene) -> None:
    """After its minute nothing is done any more, and a late yes is told so."""
    question = ask(asking, defaults={"approvalExpiry": "1m"})

    asking.wait_outcome("Expired", action="Restart")

    late = answer(asking, "approve", question)
    assert late.returncode == 2
    assert "is over: Expired, nobody answered before" in late.stderr
    asking.wait(lambda: asking.incidents()[0]["status"]["phase"] == "Escalated", "people are called")
    assert asking.writes() == []


def test_an_approval_does_not_carry_over_to_another_release(asking: Scene) -> None:
    """Salus is away while ada approves and somebody releases: nothing is done, and she is asked about the new one."""
    question = ask(asking)
    asking.salus.kill()
    asking.release("v2")
    asking.wait_rolled_out()
    answered = answer(asking, "approve", question)
    assert answered.returncode == 0, answered.stderr

    asking.salus.start()

    asking.wait(lambda: bool(ended(asking, question)), "the first question is over")
    assert ended(asking, question)["outcome"] == "Abandoned"
    assert "was changed since people were asked" in ended(asking, question)["message"]
    asking.wait(lambda: len(asking.changes(decision="AwaitApproval")) == 2, "a second question")
    first, second = asking.changes(decision="AwaitApproval")
    assert first["spec"]["digest"] != second["spec"]["digest"]
    assert "approval" not in second["spec"]
    assert asking.writes() == []


def ended(scene: Scene, question: Object) -> Object:
    """Status of a question that is over; empty while it is not."""
    [found] = [c for c in scene.changes() if c["metadata"]["name"] == question["metadata"]["name"]]
    status: Object = found.get("status", {})
    return status if status.get("outcome") else {}


def test_salus_cannot_approve_for_itself(asking: Scene) -> None:
    """Its account has no right to patch a record, and if it had, the policy would not have it."""
    question = ask(asking)
    name, given = question["metadata"]["name"], {"decision": "Approved", "digest": question["spec"]["digest"]}
    patch = json.dumps({"spec": {"approval": {**given, "by": "salus"}}})

    # By impersonation: what the operator itself asks is held against its rights, and this it does not ask.
    with pytest.raises(KubectlError, match='User "salus" cannot patch resource "changeevents"'):
        asking.cluster.kubectl(
            "patch", "changeevent", name, "-n", asking.namespace, "--type=merge", "-p", patch, "--as=salus"
        )

    assert asking.writes() == []
