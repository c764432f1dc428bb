"""Which queries tie themselves to the workload by a label that scraped series seldom have: `deployment="$target"`.

What is scraped from pods carries the pod's name, and of the workload nothing. Exporters that speak of workloads have
such a label (kube-state-metrics), as has a mesh that knows them (Linkerd), and a recorded series may have any.
"""

import re
from collections.abc import Iterator

import promql_parser as ast

from salus.core.policy import promql
from salus.model.meta import WorkloadKind

_OF_A_WORKLOAD = frozenset(kind.lower() for kind in WorkloadKind)
_HAVE_IT = re.compile(
    r"""
    kube_
    | ALERTS | .*:                                                                          # what rules make
    | (?:in|out)bound_ | (?:route_)?(?:request_total|response_(?:total|latency_ms)) | tcp_  # Linkerd's proxies
    """,
    re.VERBOSE,
)


def rare(template: str) -> tuple[tuple[str, str], ...]:
    """Metric and label of each selector that asks so; none of what nobody can read."""
    try:
        return tuple(dict.fromkeys(_rare(template)))
    except ValueError:
        return ()


def _rare(template: str) -> Iterator[tuple[str, str]]:
    for node in promql.places(template):
        metric = promql.metric_name(node) or ""
        if not _HAVE_IT.match(metric):
            yield from ((metric, one.name) for one in node.matchers.matchers if _is_the_workload(one))


def _is_the_workload(matcher: ast.Matcher) -> bool:
    return matcher.name in _OF_A_WORKLOAD and matcher.value == "$target" and matcher.op == ast.MatchOp.Equal
