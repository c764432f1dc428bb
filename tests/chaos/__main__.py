"""`python -m tests.chaos`, behind `make chaos`: many services fail and recover while Salus is killed again and again.

Half of the kills come at a moment of chance, half at a write to the API server, before or after it is forwarded; on
top of that the proxies before the API server and before Prometheus lose requests and replies. In the end everything is
well, one last Salus tidies up, and the API server's audit log is held against the ChangeEvents (`books`). The exit
status is 1 when the books do not balance.
"""

import argparse
import random
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.chaos.behind import kubeconfig_through, proxy_before
from tests.chaos.books import from_audit, reconcile
from tests.chaos.director import Director
from tests.chaos.killing import ChaoticSalus, Executioner, Weather
from tests.chaos.proxy import Proxy
from tests.chaos.report import Run, markdown
from tests.chaos.serving import in_background, serving
from tests.cluster.scene import Object, Pump, deployment, policy_spec
from tools.devcluster.cluster import DevCluster
from tools.devcluster.processes import NotInTimeError, ProcessFailedError, wait_until
from tools.devcluster.programs import ProgramMissingError
from tools.devcluster.progress import Say, say_on_stderr
from tools.devcluster.salus import ACCOUNT, install, lend_account

NAMESPACE = "chaos"
REMEDIES = [
    {"name": "grow", "scale": {"by": "1", "max": 4, "revertAfter": "10s"}},
    {"name": "restart", "restart": {}},
]
_RECORDS = f"/apis/salus.dev/v1alpha1/namespaces/{NAMESPACE}"
_ENDS_WITHIN = 180.0
_SAY_EVERY = 10


def main(arguments: Sequence[str]) -> int:
    """Run, report, and return the exit status."""
    options = _options(arguments)
    say = say_on_stderr()
    try:
        with DevCluster(node_count=5, keep=options.keep, say=say) as cluster:
            run = _run(cluster, options, arguments, say)
    except (ProgramMissingError, ProcessFailedError) as error:
        print(error, file=sys.stderr)  # noqa: T201 — a command's answer
        return 1
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(markdown(run))
    print(markdown(run))  # noqa: T201 — a command's answer
    say(f"The report is in {options.report}")
    return 1 if run.wrong else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=500, help="kill Salus so often (default 500)")
    parser.add_argument("--targets", type=int, default=50, help="services that fail and recover (default 50)")
    parser.add_argument("--minutes", type=float, default=120.0, help="stop killing after so long (default 120)")
    parser.add_argument("--faults", type=float, default=0.01, help="share of requests that meet one (default 0.01)")
    parser.add_argument("--seed", type=int, default=1, help="of all dice (default 1)")
    parser.add_argument("--hasty", action="store_true", help="a Salus whose writes come before its records: must fail")
    parser.add_argument("--report", type=Path, default=Path(".run/chaos.md"), help="where the report goes")
    parser.add_argument("--keep", action="store_true", help="keep the logs at the end")
    return parser.parse_args(arguments)


def _run(cluster: DevCluster, options: argparse.Namespace, arguments: Sequence[str], say: Say) -> Run:
    began = time.monotonic()
    dice = random.Random(options.seed)  # noqa: S311 - chaos that can be had again
    names = [f"web-{number}" for number in range(1, options.targets + 1)]
    install(cluster)
    pump = Pump(cluster.prometheus)
    _deploy(cluster, names, say)
    director = Director(cluster.api(), pump, NAMESPACE, names, random.Random(dice.random()))  # noqa: S311
    api, metrics = proxy_before(cluster), Proxy(cluster.prometheus_url)
    with serving(api, metrics), in_background(pump.run, pump.stop):
        _apply(cluster, names)
        killer = Executioner(_salus(cluster, api, metrics, hasty=options.hasty), api, dice)
        api.plan = metrics.plan = Weather(options.faults, random.Random(dice.random()))  # noqa: S311
        with in_background(director.run, director.calm):
            _kill(killer, options, say)
        api.plan = metrics.plan = lambda _: None
        _let_it_end(cluster, killer.salus, say)
    account = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
    books = from_audit(cluster.audit.writes(), _items(cluster, "changeevents"), "salus", account)
    return Run(
        arguments=arguments,
        seed=options.seed,
        targets=options.targets,
        seconds=time.monotonic() - began,
        kills=killer.kills,
        api_faults=_named(api),
        metric_faults=_named(metrics),
        illnesses=director.illnesses,
        releases=director.releases,
        books=books,
        wrong=reconcile(books),
    )


def _deploy(cluster: DevCluster, names: Sequence[str], say: Say) -> None:
    api = cluster.api()
    api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    lend_account(cluster, NAMESPACE)
    for name in names:
        api.create(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments", deployment(name, replicas=1))
    cluster.kubectl("wait", "-n", NAMESPACE, "--for=condition=Available", "--timeout=180s", "deployment", "--all")
    say(f"{len(names)} Deployments are available")


def _apply(cluster: DevCluster, names: Sequence[str]) -> None:
    quick = {"verify": {"settle": "0s", "stable": "5s", "timeout": "15s"}, "bake": "1h"}
    limits = {"cooldown": "5s", "maxActions": 100, "per": "1m"}
    for name in names:
        spec = {**policy_spec(name), "remedies": REMEDIES, "limits": limits, **quick}
        body = {"apiVersion": "salus.dev/v1alpha1", "kind": "HealthPolicy", "metadata": {"name": name}, "spec": spec}
        cluster.api().create(f"{_RECORDS}/healthpolicies", body)


def _salus(cluster: DevCluster, api: Proxy, metrics: Proxy, *, hasty: bool) -> ChaoticSalus:
    """An operator that reaches both servers through the proxies."""
    return ChaoticSalus(
        cluster,
        namespaces=[NAMESPACE],
        settings={
            "sources": {"default": {"url": metrics.url, "timeout": "2s"}},
            "limits": {"recordsPerHour": 100_000},  # the books look for every refusal
        },
        options=[f"--kubeconfig={kubeconfig_through(cluster, api, 'chaos')}"],
        program=("-m", "tests.chaos.hasty") if hasty else ("-m", "salus"),
    )


def _kill(killer: Executioner, options: argparse.Namespace, say: Say) -> None:
    deadline = time.monotonic() + options.minutes * 60
    while killer.kills.total() < options.kills and time.monotonic() < deadline:
        killer.one_life()
        if killer.kills.total() % _SAY_EVERY == 0:
            say(f"{killer.kills.total()} of {options.kills} kills")


def _let_it_end(cluster: DevCluster, salus: ChaoticSalus, say: Say) -> None:
    """All is well: a Salus that nobody disturbs finishes what is unfinished. What it does not is for the books."""
    say("All targets are well; the last Salus tidies up")
    salus.patient = True
    with salus:
        try:
            wait_until(lambda: _is_over(cluster), timeout=_ENDS_WITHIN, what="the end of all incidents")
        except NotInTimeError as error:
            say(str(error))


def _is_over(cluster: DevCluster) -> bool:
    acting = [body for body in _items(cluster, "changeevents") if body["spec"]["decision"] == "Act"]
    finished = all("completedAt" in body.get("status", {}) for body in acting)
    phases = [body.get("status", {}).get("phase") for body in _items(cluster, "incidents")]
    return finished and set(phases) <= {"Resolved"}


def _items(cluster: DevCluster, kind: str) -> list[Object]:
    return cluster.api().items(f"{_RECORDS}/{kind}")


def _named(proxy: Proxy) -> Mapping[str, int]:
    return {kind.value: proxy.faults[kind] for kind in sorted(proxy.faults, key=lambda kind: kind.name)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
