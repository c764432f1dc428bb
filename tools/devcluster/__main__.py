"""`python -m tools.devcluster`: a cluster to play with until Ctrl-C, behind `make cluster`."""

import argparse
import contextlib
import signal
import sys
import threading
from types import FrameType

from tools.devcluster import sandbox
from tools.devcluster.cluster import DevCluster
from tools.devcluster.processes import ProcessFailedError
from tools.devcluster.programs import TIERS, ProgramMissingError, find, find_e2e
from tools.devcluster.progress import Say, say_on_stderr


def main() -> int:
    """Start, say how to use it, wait, and stop."""
    options = _options()
    say = say_on_stderr()
    try:
        if options.nodes == "kubelet" and not sandbox.inside():
            return _run_in_sandbox(say)
        return _run(options, say)
    except (ProgramMissingError, ProcessFailedError, sandbox.SandboxUnavailableError) as error:
        print(error, file=sys.stderr)
        return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.devcluster", description=__doc__)
    parser.add_argument("--nodes", choices=["kwok", "kubelet", "none"], default="kwok", help="who runs the pods")
    parser.add_argument("--node-count", type=int, default=3, metavar="N", help="nodes that kwok plays (default 3)")
    parser.add_argument("--no-prometheus", action="store_true", help="leave Prometheus out")
    parser.add_argument("--alertmanager", action="store_true", help="start an Alertmanager too")
    parser.add_argument("--keep", action="store_true", help="keep the logs at the end")
    return parser.parse_args()


def _run_in_sandbox(say: Say) -> int:
    """Run this command again in the sandbox that kubelets need; there is no network inside, so fetch before."""
    if reason := sandbox.available():
        raise sandbox.SandboxUnavailableError(reason)
    find(TIERS["e2e"], say)
    find_e2e(say)
    return sandbox.reexec_in_sandbox([sys.executable, "-m", "tools.devcluster", *sys.argv[1:]])


def _run(options: argparse.Namespace, say: Say) -> int:
    # A shell that starts us in the background has SIGINT ignored, unless we say otherwise.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _as_keyboard_interrupt)
    cluster = DevCluster(
        nodes=options.nodes,
        node_count=options.node_count,
        prometheus=not options.no_prometheus,
        alertmanager=options.alertmanager,
        keep=options.keep,
        say=say,
    )
    with contextlib.suppress(KeyboardInterrupt), cluster:
        print(_how_to_use(cluster), flush=True)
        _wait_for_the_end(cluster)
    say("Everything is stopped")
    return 0


def _as_keyboard_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _wait_for_the_end(cluster: DevCluster) -> None:
    """Wait for Ctrl-C.

    Raises:
        ProcessFailedError: A part of the cluster has ended by itself.

    """
    never = threading.Event()
    while not never.wait(1.0):
        for process in cluster.processes():
            process.check_alive()


def _how_to_use(cluster: DevCluster) -> str:
    lines = [
        "",
        f"  export KUBECONFIG={cluster.kubeconfig}",
        f"  {cluster.plane.programs['kubectl']} get nodes",
        "",
        f"  API server   {cluster.url}",
        f"  audit log    {cluster.plane.audit_log}",
        f"  logs         {cluster.run_dir}",
    ]
    lines += [f"  Prometheus   {cluster.prometheus_url}"] if cluster.has_prometheus else []
    lines += _how_to_get_in(cluster) if cluster.nodes == "kubelet" else []
    return "\n".join([*lines, "", "Ctrl-C stops everything.", ""])


def _how_to_get_in(cluster: DevCluster) -> list[str]:
    join = f"sudo {sys.executable} -m tools.devcluster.sandbox join"
    kubectl = f"{cluster.plane.programs['kubectl']} --kubeconfig={cluster.kubeconfig}"
    return ["", "All this is in a sandbox of its own; from another terminal:", f"  {join} {kubectl} get pods"]


if __name__ == "__main__":
    sys.exit(main())
