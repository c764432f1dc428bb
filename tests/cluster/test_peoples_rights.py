"""People's commands on a real API server, with exactly the rights of the table and with one fewer each.

Each combination is a user of their own, by impersonation (`--as`): rights that are taken away take a while to be gone.
Those that ask a Prometheus have these tests over HTTP alone, in `tests/unit/cli/test_rights.py`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from typer.testing import CliRunner, Result

from salus.cli import commands
from salus.cli.app import app
from salus.cli.contract import Exit
from salus.cli.rights import RIGHTS
from salus.model.values.permissions import Permission
from tests.cluster.scene import Scene
from tests.peoples_commands import CALLS
from tools.devcluster.admission import install_admission, rule
from tools.devcluster.cluster import KubectlError
from tools.devcluster.processes import wait_until

HERE = [name for name, call in CALLS.items() if not call.asks_prometheus]


@dataclass(frozen=True)
class Case:
    """One command, by somebody who lacks one of its rights, or none."""

    user: str
    name: str
    lacking: Permission | None = None

    @property
    def rights(self) -> set[Permission]:
        """What they have."""
        return {*RIGHTS[self.name].needs, *RIGHTS[self.name].helps} - {self.lacking}


def cases() -> Iterator[Case]:
    """All of them; those who have everything come last, since one of them answers the question."""
    number = 0
    for lacks in (True, False):
        for name in HERE:
            rights = sorted(RIGHTS[name].needs | RIGHTS[name].helps, key=str)
            for lacking in rights if lacks else [None]:
                number += 1
                yield Case(f"pia-{number}", name, lacking)


def asking(scene: Scene) -> dict[str, str]:
    """A release that is ill, and the question whether to take it back; the names of all that there is."""
    install_admission(scene.cluster, operator="salus")
    rule(scene.cluster, scene.namespace, operator="salus")
    scene.gauge(0.0)
    scene.deploy()
    scene.apply(mode="Approve", remedies=[{"name": "undo", "rollback": {}}])
    scene.salus.start()
    scene.wait_kept()
    scene.release("v2")
    scene.wait_rolled_out()
    scene.gauge(0.5)
    question = scene.wait_change(decision="AwaitApproval", action="Rollback")
    incident, kept = scene.incidents()[0], scene.kept_releases()[0]
    names = {"question": question, "incident": incident, "kept": kept}
    return {"policy": "web", "workload": "web", **{key: body["metadata"]["name"] for key, body in names.items()}}


def grant(scene: Scene, all_cases: Iterable[Case]) -> None:
    """A Role for each, all at once; wait until the last one holds."""
    whole = [body for case in all_cases for body in _role(case)]
    scene.cluster.kubectl("apply", "-n", scene.namespace, "-f", "-", stdin=yaml.safe_dump_all(whole))
    last = whole[-1]["subjects"][0]["name"]
    verb, kind = whole[-2]["rules"][0]["verbs"][0], whole[-2]["rules"][0]["resources"][0]

    def holds() -> bool:
        try:
            scene.cluster.kubectl("auth", "can-i", verb, kind, "-n", scene.namespace, f"--as={last}")
        except KubectlError:
            return False
        return True

    wait_until(holds, timeout=60, what=f"{last} may {verb} {kind}")


def _role(case: Case) -> Iterator[dict[str, Any]]:
    version = "rbac.authorization.k8s.io/v1"
    rules = [{"apiGroups": [one.group], "resources": [one.resource], "verbs": [one.verb]} for one in case.rights]
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": case.user}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": case.user}
    metadata = {"name": case.user}
    yield {"apiVersion": version, "kind": "Role", "metadata": metadata, "rules": rules}
    yield {"apiVersion": version, "kind": "RoleBinding", "metadata": metadata, "roleRef": ref, "subjects": [subject]}


def run(scene: Scene, user: str, name: str, names: Mapping[str, str], more: Sequence[str] = ()) -> Result:
    words = [word.format(**names) for word in CALLS[name].arguments]
    where = ["-n", scene.namespace, "--kubeconfig", str(scene.cluster.kubeconfig), "--as", user]
    return CliRunner().invoke(app, [*words, *more, *where])


def wrong(scene: Scene, case: Case, ended: Result) -> str:
    """What is not as the table says; empty: nothing."""
    needed = case.lacking in RIGHTS[case.name].needs
    _, _, left_out = ended.stdout.partition("Not looked at\n")
    expected = f"{case.lacking.resource}: needs {case.lacking} in {scene.namespace}" if case.lacking else ""
    said = f"may not {case.lacking.verb} {case.lacking.resource} in namespace" if case.lacking else ""
    holds = (
        ended.exit_code == Exit.CANNOT and said in ended.stderr
        if needed
        else (ended.exit_code == Exit.YES and " ".join(left_out.split()) == expected)
    )
    return "" if holds else f"{case.name} without {case.lacking}: {ended.exit_code} {ended.output}"


def test_each_command_takes_exactly_its_rights_and_names_what_it_could_not_see(scene: Scene) -> None:
    assert commands.__all__
    names, all_cases = asking(scene), list(cases())
    grant(scene, all_cases)

    faults = []
    for case in all_cases:
        looks = CALLS[case.name].looks if case.lacking in RIGHTS[case.name].helps else ()
        faults.append(wrong(scene, case, run(scene, case.user, case.name, names, looks)))

    assert list(filter(None, faults)) == []
    assert scene.changes()[0]["spec"]["approval"]["by"].startswith("pia-")


def test_the_roles_have_what_the_table_says(scene: Scene) -> None:
    """Who has `view` in a namespace sees all of it; who may approve is not kept from it by what they cannot see."""
    assert commands.__all__
    names = asking(scene)
    for user, role in (("vera", "view"), ("ada", "salus-approver")):
        scene.cluster.kubectl(
            "create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}", "-n", scene.namespace
        )

    def may(user: str, kind: str) -> bool:
        try:
            scene.cluster.kubectl("auth", "can-i", "get", kind, "-n", scene.namespace, f"--as={user}")
        except KubectlError:
            return False
        return True

    wait_until(lambda: may("vera", "healthpolicies") and may("ada", "changeevents"), timeout=60, what="the roles hold")
    for name, rights in RIGHTS.items():
        if rights.role == "view" and name in HERE:
            seen = run(scene, "vera", name, names)
            assert (seen.exit_code, "Not looked at" in seen.stdout) == (Exit.YES, False), f"{name}: {seen.output}"
    shown = run(scene, "ada", "approve, deny NAME", names, ["--dry-run"])
    assert shown.exit_code == Exit.YES, shown.output
    assert shown.stdout.count("needs") == 2, "the Deployment, and the kept releases"
