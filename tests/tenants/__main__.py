"""`python -m tests.tenants`, behind `make tenants`: ten good tenants, alone and then beside one that does its worst.

The good tenants' services fall ill and are healed, as in the chaos run, first for some minutes by themselves and then
for as long with `mallory` in the same cluster, under the same Salus. Compared are the times to heal; watched are the
process, its memory and its requests. The exit status is 1 if a bound is broken.
"""

import argparse
import contextlib
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.director import Director
from tests.chaos.proxy import TENANT_HEADER, Fault, Kind, Proxy, Seen
from tests.chaos.serving import in_background, serving
from tests.cluster.scene import Object, Pump, deployment, policy_spec
from tests.memory import resident
from tests.tenants import mallory
from tests.tenants.mallory import Mallory
from tools.devcluster.cluster import DevCluster
from tools.devcluster.processes import ProcessFailedError
from tools.devcluster.programs import ProgramMissingError
from tools.devcluster.progress import Say, say_on_stderr
from tools.devcluster.salus import Salus, install, lend_account

SLOWER = 1.5
"""Times to heal beside mallory, at most so many times as long as without."""
GROWTH = 64
"""MiB of memory that the second half of the time beside mallory may add to its first half."""
REQUESTS = 60.0
"""Requests a second of Salus to the API server, at most, beside watches and reads of its cache."""
_WELL = (20.0, 120.0)
"""Few are ill at a time, or the fleet's brake would hold most of them up."""
_HANG = 30.0
_SAMPLE_EVERY = 1.0
_REMEDIES = [
    {"name": "grow", "scale": {"by": "1", "max": 4, "revertAfter": "10s"}},
    {"name": "restart", "restart": {}},
]


@dataclass
class Phase:
    """Some minutes, and what was seen in them."""

    healed: list[float] = field(default_factory=list)
    illnesses: int = 0
    helped: int = 0
    """Cures that a person had to find after a minute."""
    memory: list[float] = field(default_factory=list)
    """MiB, once a second."""
    writes: int = 0
    seconds: float = 0.0

    @property
    def median(self) -> float:
        """Seconds from an illness to its cure."""
        return statistics.median(self.healed) if self.healed else float("inf")

    @property
    def p95(self) -> float:
        """The same for the slowest of twenty."""
        return statistics.quantiles(self.healed, n=20)[-1] if len(self.healed) > 1 else float("inf")


@dataclass
class Town:
    """The cluster with its good tenants, and the one Salus for all."""

    cluster: DevCluster
    salus: Salus
    pump: Pump
    names: Sequence[str]
    services: Sequence[str]

    def settle(self) -> None:
        """Every good tenant with its services, its policies, and a lent account."""
        api = self.cluster.api()
        for namespace in self.names:
            api.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
            lend_account(self.cluster, namespace)
            for service in self.services:
                api.create(f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment(service, replicas=1))
                path = f"/apis/salus.dev/v1alpha1/namespaces/{namespace}/healthpolicies"
                api.create(path, _policy(service))
        for namespace in self.names:
            wait = ("wait", "-n", namespace, "--for=condition=Available", "--timeout=180s", "deployment", "--all")
            self.cluster.kubectl(*wait)

    def live(self, minutes: float, seed: int) -> Phase:
        """Let services fall ill and be healed for so long."""
        dice = random.Random(seed)  # noqa: S311 - the same for both phases
        api = self.cluster.api()
        directors = [
            Director(api, self.pump, name, list(self.services), random.Random(dice.random()), well=_WELL)  # noqa: S311
            for name in self.names
        ]
        phase, before, began = Phase(), self._writes(), time.monotonic()
        with contextlib.ExitStack() as stack:
            for director in directors:
                stack.enter_context(in_background(director.run, director.calm))
            while time.monotonic() - began < 60 * minutes:
                process = self.salus.process
                assert process is not None
                process.check_alive()
                phase.memory.append(resident(process.pid) / 2**20)
                time.sleep(_SAMPLE_EVERY)  # a measurement, not a wait for anything
        phase.seconds = time.monotonic() - began
        phase.writes = self._writes() - before
        phase.healed = [seconds for director in directors for seconds in director.healed]
        phase.illnesses = sum(director.illnesses for director in directors)
        phase.helped = sum(director.releases for director in directors)
        return phase

    def _writes(self) -> int:
        return len(self.cluster.audit.writes(user=self.salus.user))


def main(arguments: Sequence[str]) -> int:
    """Run, report, and return the exit status."""
    options = _options(arguments)
    say = say_on_stderr()
    try:
        with DevCluster(node_count=5, keep=options.keep, say=say) as cluster:
            return _run(cluster, options, say)
    except (ProgramMissingError, ProcessFailedError) as error:
        print(error, file=sys.stderr)
        return 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make tenants ARGS=…", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="length of each of the two phases (default 10)")
    parser.add_argument("--tenants", type=int, default=10, help="good ones (default 10)")
    parser.add_argument("--services", type=int, default=3, help="of each (default 3)")
    parser.add_argument("--seed", type=int, default=1, help="of all dice (default 1)")
    parser.add_argument("--keep", action="store_true", help="keep the logs at the end")
    parser.add_argument("--report", type=Path, default=Path(".run/tenants.md"), help="where the report goes")
    return parser.parse_args(arguments)


def _run(cluster: DevCluster, options: argparse.Namespace, say: Say) -> int:
    install(cluster)
    pump = Pump(cluster.prometheus)
    metrics = Proxy(cluster.prometheus_url, plan=_hangs_for_mallory)
    with serving(metrics), in_background(pump.run, pump.stop):
        source = {"url": metrics.url, "timeout": "2s", "tenantHeader": TENANT_HEADER}
        names = [f"good-{number}" for number in range(options.tenants)]
        services = [f"web-{number}" for number in range(options.services)]
        salus = Salus(cluster, settings={"sources": {"default": source}})
        town = Town(cluster, salus, pump, names, services)
        town.settle()
        say(f"{len(names)} tenants with {len(services)} services each")
        with salus:
            assert salus.process is not None
            pid = salus.process.pid
            alone = town.live(options.minutes, options.seed)
            say(f"alone: {_shown(alone)}")
            _may_write(cluster, mallory.USER)
            bad = Mallory(cluster.api(mallory.USER))
            bad.begin()
            say(f"mallory is there ({bad.refused} of its objects were refused by the API server)")
            with in_background(bad.run, bad.stop):
                beside = town.live(options.minutes, options.seed)
            say(f"beside mallory: {_shown(beside)}")
            wrong = list(_wrong(alone, beside, restarted=salus.process.pid != pid))
        text = _report(options, alone, beside, bad, wrong, _records(cluster))
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(text)
    print(text)
    return 1 if wrong else 0


def _hangs_for_mallory(seen: Seen) -> Fault | None:
    """Each of mallory's queries takes longer than anybody waits."""
    return Fault(Kind.DELAY, seconds=_HANG) if seen.tenant == mallory.NAMESPACE else None


def _may_write(cluster: DevCluster, user: str) -> None:
    """Workloads and policies, in the one namespace, which lends its account like any other."""
    api, namespace = cluster.api(), mallory.NAMESPACE
    api.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
    lend_account(cluster, namespace)
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    rules = [{"apiGroups": ["apps", "salus.dev"], "resources": ["*"], "verbs": ["*"]}]
    api.create(f"{path}/roles", {"metadata": {"name": "tenant"}, "rules": rules})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "tenant"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    api.create(f"{path}/rolebindings", {"metadata": {"name": "tenant"}, "roleRef": role, "subjects": [subject]})


def _policy(service: str) -> Object:
    quick = {"verify": {"settle": "0s", "stable": "5s", "timeout": "15s"}, "bake": "1h"}
    limits = {"cooldown": "5s", "maxActions": 100, "per": "1m"}
    spec = {**policy_spec(service), "remedies": _REMEDIES, "limits": limits, **quick}
    return {"apiVersion": "salus.dev/v1alpha1", "kind": "HealthPolicy", "metadata": {"name": service}, "spec": spec}


def _records(cluster: DevCluster) -> dict[str, int]:
    path = f"/apis/salus.dev/v1alpha1/namespaces/{mallory.NAMESPACE}"
    return {kind: len(cluster.api().items(f"{path}/{kind}")) for kind in ("incidents", "changeevents")}


def _wrong(alone: Phase, beside: Phase, *, restarted: bool) -> Iterator[str]:
    if restarted:
        yield "Salus was restarted"
    for name, one, other in (("median", alone.median, beside.median), ("p95", alone.p95, beside.p95)):
        if not other <= SLOWER * one:
            yield f"{name} time to heal: {one:.1f} s alone, {other:.1f} s beside mallory"
    half = len(beside.memory) // 2
    first, second = max(beside.memory[:half], default=0), max(beside.memory[half:], default=0)
    if second - first > GROWTH:
        yield f"memory grows: {first:.0f} MiB in the first half, {second:.0f} in the second"
    if beside.writes / max(beside.seconds, 1) > REQUESTS:
        yield f"{beside.writes / beside.seconds:.0f} writes a second"


def _shown(phase: Phase) -> str:
    return (
        f"{phase.illnesses} illnesses, {len(phase.healed)} healed by Salus in {phase.median:.1f} s (median), "
        f"{phase.p95:.1f} s (p95), {phase.helped} by people; memory at most {max(phase.memory):.0f} MiB; "
        f"{phase.writes / phase.seconds:.1f} writes a second"
    )


def _report(
    options: argparse.Namespace,
    alone: Phase,
    beside: Phase,
    bad: Mallory,
    wrong: Sequence[str],
    records: dict[str, int],
) -> str:
    verdict = "The good tenants did not feel it." if not wrong else "The good tenants felt it: " + "; ".join(wrong)
    rows = "\n".join(
        f"| {name} | {p.illnesses} | {len(p.healed)} | {p.median:.1f} s | {p.p95:.1f} s | {max(p.memory):.0f} MiB "
        f"| {p.writes / p.seconds:.1f} |"
        for name, p in (("alone", alone), ("beside mallory", beside))
    )
    command = f"--minutes {options.minutes:g} --tenants {options.tenants} --services {options.services}"
    head = "| phase | illnesses | healed by Salus | median | p95 | memory | writes/s |"
    return f"""# {options.tenants} good tenants and a bad one

{verdict}

`make tenants ARGS="{command}"`

{head}
|---|---:|---:|---:|---:|---:|---:|
{rows}

mallory edited {bad.edits} times, {bad.refused} of its requests were refused; it has {records["incidents"]} Incidents
and {records["changeevents"]} ChangeEvents.
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
