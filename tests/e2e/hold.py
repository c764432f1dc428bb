"""Start a real node with two pods on it, print `up`, and wait for INT or TERM, or with `--once` end at once.

`test_sandbox` runs this in a sandbox and ends it in every way there is.
"""

import signal
import sys
from types import FrameType

from tests.e2e.pods import web
from tools.devcluster.cluster import DevCluster
from tools.devcluster.images import busybox_image
from tools.devcluster.processes import wait_until

UP = "up\n"


def main() -> None:
    """Do what the module says."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    with DevCluster(nodes="kubelet", prometheus=False) as cluster:
        cluster.node.load([busybox_image(cluster.node.programs["busybox"])])
        cluster.api().create("/apis/apps/v1/namespaces/default/deployments", web(replicas=2))
        path = "/apis/apps/v1/namespaces/default/deployments/web"
        wait_until(
            lambda: cluster.api().get(path)["status"].get("readyReplicas") == 2, timeout=60, what="two pods Ready"
        )
        sys.stdout.write(UP)
        sys.stdout.flush()
        if "--once" not in sys.argv:
            signal.pause()


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
