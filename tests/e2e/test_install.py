"""Salus as a platform team installs it: by Helm, from its image, with no more rights than the chart gives.

The operator's own pod, under the restricted standard, heals a shop of real containers under real traffic. The tests
run in this order, on one installation.
"""

import json
import time

import pytest

from salus.version import __version__
from tests.e2e.installation import REMEDIATOR, REPLICAS, SYSTEM, TENANT, Installation, cold_start, replicas_policy
from tests.package.pinned import NAME, dependencies, normal, not_as_pinned, tools
from tools.devcluster.cluster import KubectlError

pytestmark = pytest.mark.timeout(900)


def test_the_pod_is_admitted_under_the_restricted_standard(salus: Installation) -> None:
    """The API server holds the namespace to it: a pod that asks for more is not made."""
    with pytest.raises(KubectlError, match="violates PodSecurity"):
        salus.cluster.kubectl("run", "-n", SYSTEM, "greedy", f"--image={salus.image.name}")

    assert salus.pod()["status"]["phase"] == "Running"


@pytest.mark.parametrize(
    ("code", "prints"),
    [
        pytest.param("import os; print(os.getuid())", "65532", id="it runs as nobody"),
        pytest.param(
            "import errno\ntry: open('/opt/salus/x', 'w')\nexcept OSError as e: print(errno.errorcode[e.errno])",
            "EROFS",
            id="its root is read-only",
        ),
        pytest.param(
            "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('CapEff')])",
            "['0000000000000000']",
            id="it has no capabilities",
        ),
        pytest.param("import importlib.util as u; print(u.find_spec('pip'))", "None", id="it cannot install anything"),
    ],
)
def test_inside_the_container(salus: Installation, code: str, prints: str) -> None:
    assert salus.python(code).strip() == prints


def test_the_packages_inside_are_the_pinned_ones(salus: Installation) -> None:
    """As in the list that `make sbom` writes."""
    code = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    inside = {normal(name): version for name, version in json.loads(salus.python(code)).items()}

    assert inside.pop(normal(NAME)) == __version__
    assert dependencies() - set(inside) == set()
    assert not_as_pinned(inside) == {}
    assert tools() & set(inside) == set()


def test_the_program_names_the_commit_that_it_is_built_from(salus: Installation) -> None:
    assert (
        salus.exec("/opt/salus/bin/salus", "--version").strip() == f"salus {__version__} (commit {salus.image.commit})"
    )


def test_the_image_says_what_it_is(salus: Installation) -> None:
    labels, prefix = salus.image.labels, "org.opencontainers.image"

    assert labels[f"{prefix}.version"] == __version__
    assert labels[f"{prefix}.revision"] == salus.image.commit
    assert {f"{prefix}.{name}" for name in ("title", "description", "licenses")} <= set(labels)


_AS_TENANT = {"verb": "impersonate", "resource": "serviceaccounts", "name": "salus-remediator", "namespace": TENANT}


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        pytest.param(_AS_TENANT, True, id="act as a tenant's account"),
        pytest.param({**_AS_TENANT, "namespace": "default"}, False, id="act for who is no tenant"),
        pytest.param({**_AS_TENANT, "name": "default"}, False, id="act as another account of a tenant"),
        pytest.param({"verb": "impersonate", "resource": "users", "name": "admin"}, False, id="act as a person"),
        pytest.param(
            {"verb": "patch", "group": "apps", "resource": "deployments", "namespace": TENANT},
            False,
            id="change a workload as itself",
        ),
        pytest.param({"verb": "get", "resource": "secrets", "namespace": SYSTEM}, False, id="read a Secret of its own"),
        pytest.param(
            {"verb": "create", "resource": "pods", "subresource": "exec", "namespace": TENANT},
            False,
            id="exec into a pod",
        ),
    ],
)
def test_what_the_operators_own_account_may(salus: Installation, question: dict[str, str], answer: bool) -> None:
    assert salus.may(question) is answer


def test_what_it_costs(salus: Installation, figures: dict[str, str]) -> None:
    """Measured for docs/how-to/operate.md; nothing is held to the figures."""
    seconds = cold_start(salus)
    salus.wait_ready()
    base, added = (size / 1e6 for size in salus.image.layers)

    figures["image, unpacked"] = f"{base + added:.0f} MB: Salus and libraries {added:.0f}, Debian and Python {base:.0f}"
    figures["cold start, to the first verdict"] = f"{seconds:.1f} s from asking for the pod"
    figures["resident memory, one policy"] = f"{salus.metric('process_resident_memory_bytes') / 1e6:.0f} MB"
    assert salus.metric("salus_evaluations_total") > 0


def test_a_release_with_a_missing_image_is_rolled_back_by_the_operators_pod(salus: Installation) -> None:
    good = salus.image_of_target()

    salus.release("missing-image")
    salus.wait(lambda: salus.waits_and_ends() >= {"ImagePullBackOff"}, "a pod waits for its image")
    salus.wait(lambda: len(salus.rollbacks()) == 1, "a rollback")
    salus.wait(lambda: salus.image_of_target() == good, "the good image is back")

    assert salus.breached(salus.rollbacks()[0]) == {"image"}


def test_an_upgrade_of_the_chart_does_not_lose_what_is_under_way(salus: Installation) -> None:
    """The rollback above is not verified yet: the presets look two minutes back."""
    (change,) = salus.rollbacks()
    before = salus.pod()["metadata"]["uid"]

    salus.upgrade(log={"level": "debug"})

    salus.wait(lambda: len(salus.pods()) == 1, "one pod")
    assert salus.pod()["metadata"]["uid"] != before
    salus.wait(lambda: salus.outcome(change) == "Recovered", "the new pod finishes the old one's change")
    assert len(salus.rollbacks()) == 1


def test_a_rollback_of_the_chart_works(salus: Installation) -> None:
    salus.roll_chart_back(1)

    salus.wait(lambda: len(salus.pods()) == 1, "one pod")
    assert "--log-level=info" in salus.pod()["spec"]["containers"][0]["args"]
    assert salus.revisions() == ["superseded", "superseded", "deployed"]
    salus.wait_ready()


def test_a_release_that_the_kernel_kills_is_rolled_back_by_the_operators_pod(salus: Installation) -> None:
    before, callers = salus.environment(), salus.traffic.tally
    salus.wait(salus.rolled_out, "the shop is rolled out")

    salus.release("leak")
    salus.wait(lambda: salus.waits_and_ends() >= {"OOMKilled"}, "the kernel kills a container")
    salus.wait(lambda: len(salus.rollbacks()) == 2, "a second rollback")
    change = salus.rollbacks()[1]
    salus.wait(lambda: salus.environment() == before, "the good release is back")
    salus.wait(lambda: salus.outcome(change) == "Recovered", "proof that it helped")
    healed = salus.traffic.tally
    salus.wait(lambda: salus.traffic.tally.since(healed).ok > 0, "callers are answered")
    salus.wait(salus.rolled_out, "every replica is well")

    assert healed.since(callers).failures > 0  # its callers felt it
    assert salus.breached(change) == {"crash-looping"}


def test_each_rollback_was_one_write_in_the_tenants_name(salus: Installation) -> None:
    writes = salus.writes_to_target()

    assert [write.verb for write in writes] == ["patch"] * 2
    assert {write.impersonated for write in writes} == {REMEDIATOR}


def test_a_shop_that_is_scaled_to_zero_is_given_back_what_it_had_where_a_remedy_says_so(
    salus: Installation, figures: dict[str, str]
) -> None:
    salus.apply(replicas_policy({"name": "scale-back", "scale": {"to": "LastHealthy", "max": 6}}))
    salus.wait(
        lambda: 3 in [kept["status"].get("healthyReplicas") for kept in salus.kept_releases()], "its size is noted"
    )
    began = salus.scale(0)
    salus.wait(lambda: bool(salus.of_replicas("Scale")), "a scaling")
    salus.wait(lambda: salus.replicas() == 3, "its replicas are back")
    figures["scaled to zero, to its replicas"] = f"{time.monotonic() - began:.0f} s, `for` 10s"
    back = salus.traffic.tally
    salus.wait(lambda: salus.traffic.tally.since(back).ok > 0, "callers are answered")
    figures["scaled to zero, to the first answer"] = f"{time.monotonic() - began:.0f} s, `for` 10s"
    (change,) = salus.of_replicas("Scale")
    salus.wait(lambda: salus.outcome(change) == "Recovered", "proof that it helped")
    salus.wait(salus.rolled_out, "every replica is well")
    salus.cluster.kubectl("delete", "-n", TENANT, f"healthpolicy/{REPLICAS}")

    assert salus.writes_to_target()[-1].impersonated == REMEDIATOR


def test_records_and_kinds_outlive_the_release_and_a_second_installation_goes_on_with_them(salus: Installation) -> None:
    names = [change["metadata"]["name"] for change in salus.changes()]

    salus.uninstall()
    salus.wait(lambda: not salus.pods(), "no pod is left")

    assert [change["metadata"]["name"] for change in salus.changes()] == names
    assert salus.policy_condition("Ready") == "True"  # as it was left

    salus.install()
    salus.wait(lambda: salus.metric("salus_evaluations_total") > 0, "a verdict of the second installation")
    salus.wait_ready()
    assert [change["metadata"]["name"] for change in salus.changes()] == names
