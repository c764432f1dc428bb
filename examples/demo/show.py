"""The demo from the first process to the last table: cluster, shop, callers, Salus, and the faults in their order."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

from rich.console import Console

from examples.demo import replayed as replaying
from examples.demo.faults import FAULTS, play
from examples.demo.pods import shop_image
from examples.demo.stage import NAMESPACE, ORDINARY_RPS, POLICY, REHEARSING_POLICY, SERVICE, SHOP, Stage
from examples.demo.story import Event, Happening, Report, Told
from examples.demo.traffic import RealTraffic, SimulatedTraffic, Traffic
from examples.demo.view import open_view, table
from examples.demo.watch import Watch
from tools.devcluster.cluster import DevCluster
from tools.devcluster.salus import Salus, install, lend_account

Tell = Callable[[Happening], None]


class _NotAsToldError(Exception):
    """Ends the cluster as after an error, so that its logs are kept."""


def show(*, real: bool, keep: bool, replay: bool, console: Console) -> bool:
    """Play everything on `console` and return whether all went as told.

    `real` means containers, in the sandbox that this process runs in; else kwok. `keep` waits for Ctrl-C at the end,
    `replay` holds `salus replay` over the same time to what was decided.

    Raises:
        ProcessFailedError: A part of the cluster, or Salus, did not start or ended by itself.
        NotInTimeError: The shop did not become healthy in the first place.

    """
    began = time.monotonic()
    with closing(open_view(console)) as view, suppress(_NotAsToldError):

        def tell(what: Happening) -> None:
            view.show(Event(time.monotonic() - began, what))

        with _at_work(real, tell) as stage:
            reports = _play_all(stage)
            view.close()
            _sum_up(console, reports, time.monotonic() - began)
            is_same = not replay or _replay(stage, console)
            _how_to_look_around(console, stage.cluster, keep=keep)
            if keep:
                _wait_for_ctrl_c(stage)
            if not is_same or [report.as_told for report in reports] != [True] * len(FAULTS):
                raise _NotAsToldError
        return True
    return False


@contextmanager
def _at_work(real: bool, tell: Tell) -> Iterator[Stage]:
    """A cluster with the shop, its callers, and Salus with its policies; healthy, and known to be so."""

    def say(text: str) -> None:
        tell(Told(text))

    with DevCluster(nodes="kubelet" if real else "kwok", say=say) as cluster:
        say("Installing the CRDs and rights of Salus …")
        install(cluster)
        if real:
            say("Handing the image of the shop to the node …")
            cluster.node.load([shop_image(say)])
        say("Opening the shop …")
        cluster.kubectl("apply", "-f", str(SHOP / "manifests" / "namespace.yaml"))
        lend_account(cluster, NAMESPACE)
        cluster.kubectl("apply", "-f", str(SHOP / "manifests"))
        with Watch(cluster.api(), NAMESPACE, tell) as watch, _traffic(cluster, real, say) as traffic:
            stage = Stage(cluster, Salus(cluster), traffic, watch, tell)
            stage.wait(stage.rolled_out, "the shop's replicas ready")
            traffic.set_rate(ORDINARY_RPS)
            say(f"The shop is open: {ORDINARY_RPS} requests per second from now on. Starting Salus …")
            with stage.salus:
                _watch_over_shop(stage, say)
                yield stage


def _traffic(cluster: DevCluster, real: bool, say: Callable[[str], None]) -> Traffic:
    if not real:
        return SimulatedTraffic(cluster, NAMESPACE, SERVICE, say)
    address = cluster.api().get(f"/api/v1/namespaces/{NAMESPACE}/services/{SERVICE}")["spec"]["clusterIP"]
    return RealTraffic(f"http://{address}/")


def _watch_over_shop(stage: Stage, say: Callable[[str], None]) -> None:
    """Apply the policies, and wait until Salus knows a release to go back to."""
    stage.cluster.kubectl("apply", "-f", str(SHOP / "policies"))
    say(f"Policies: {POLICY} (Enforce) and {REHEARSING_POLICY} (Observe). Waiting for a healthy release on record …")
    stage.wait(lambda: stage.healthy() and bool(stage.watch.good_releases()), "a healthy release on record")


def _play_all(stage: Stage) -> list[Report]:
    """Play the faults in their order, up to the first that does not go as told: the next needs a healthy shop."""
    reports: list[Report] = []
    for number, fault in enumerate(FAULTS, start=1):
        reports.append(play(stage, fault, number, len(FAULTS)))
        if not reports[-1].as_told:
            break
    return reports


def _sum_up(console: Console, reports: list[Report], seconds: float) -> None:
    console.print()
    console.print(table(reports))
    for report in reports:
        for difference in report.differences:
            console.print(f"not as told: {report.fault}: {difference}", markup=False)
    console.print(f"{sum(r.as_told for r in reports)} of {len(FAULTS)} as told, in {seconds:.0f} s")


def _replay(stage: Stage, console: Console) -> bool:
    """Whether a replay of the same time decides what was decided."""
    console.print("\nReplaying what has just happened …")
    live = replaying.decided(stage.watch.changes())
    again = replaying.replayed(stage.cluster, (POLICY, REHEARSING_POLICY), NAMESPACE)
    different = replaying.differences(live, again)
    for difference in different:
        console.print(difference, markup=False)
    console.print(f"{len(live)} decisions live, {len(again)} in the replay, {len(different)} differences")
    return not different


def _how_to_look_around(console: Console, cluster: DevCluster, *, keep: bool) -> None:
    console.print()
    if not keep:
        console.print("To look around afterwards, with kubectl: make demo ARGS=--keep")
        return
    kubectl = str(cluster.plane.programs["kubectl"])
    if cluster.nodes == "kubelet":
        console.print("All this is in a sandbox of its own. From another terminal, as root, in this folder:")
        kubectl = f"{sys.executable} -m tools.devcluster.sandbox join {kubectl}"
    commands = (
        f"export KUBECONFIG={cluster.kubeconfig}",
        f"alias k='{kubectl}'",
        f"k get hp,inc,chev -n {NAMESPACE}",
        f"k describe hp {POLICY} -n {NAMESPACE}",
        f"k get events -n {NAMESPACE}",
    )
    for command in commands:
        console.print(f"  {command}", soft_wrap=True, markup=False)
    console.print(f"Logs, the audit log and Salus' own log: {cluster.run_dir}", soft_wrap=True)
    console.print("Ctrl-C stops everything.")


def _wait_for_ctrl_c(stage: Stage) -> None:
    """Wait; the shop and its callers go on. ProcessFailedError when a part ends by itself."""
    with suppress(KeyboardInterrupt):
        while True:
            stage.check_alive()
            time.sleep(1.0)
