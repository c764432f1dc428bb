"""What each preset costs a real Prometheus, of a Deployment with very many pods."""

import tempfile
import time
from pathlib import Path

from salus.core.policy.pod_names import pods
from salus.core.policy.promql import render, with_sample_times
from tests.contract.preset_courses import REACHES_BACK
from tests.contract.preset_states import DEPLOYMENT, WELL, Case, Place
from tests.contract.preset_table import TABLE
from tests.contract.test_presets import write
from tools.devcluster.programs import find
from tools.devcluster.prometheus import Prometheus

ASKED = 20
"""Times that each query is asked."""


def presets(count: int) -> dict[str, float]:
    """Milliseconds that the longest query of each preset takes, in each variant, of a Deployment with so many pods."""
    cases = [case for case in TABLE if case.told.state == WELL and case.question.kind is DEPLOYMENT]
    with tempfile.TemporaryDirectory() as folder:
        server = Prometheus(find(["prometheus"])["prometheus"], Path(folder), out_of_order=REACHES_BACK)
        server.start()
        try:
            return {
                f"{case.question.preset.name} {case.question.variant}": _asked(server, case, count) for case in cases
            }
        finally:
            server.stop()


def _asked(server: Prometheus, case: Case, count: int) -> float:
    """Of the query that takes longest: a check with a volume asks two."""
    place = Place(f"of-{case.question.preset.name}-{case.question.variant}".lower(), DEPLOYMENT, pods=count)
    write(server, case.told.rows(place))
    templates, names = case.question.check(case.told.given).templates, pods(DEPLOYMENT, place.name)
    queries = [with_sample_times(render(one, place.namespace, place.name, names)).text for one in templates]
    return max(min(_seconds(server, query) for _ in range(ASKED)) for query in queries) * 1000


def _seconds(server: Prometheus, query: str) -> float:
    begun = time.perf_counter()
    server.query(query)
    return time.perf_counter() - begun
