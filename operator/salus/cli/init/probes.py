"""Requests of probes and scrapers among those that are counted: they never fail while their callers' do."""

import re
from collections.abc import Sequence

from salus.cli.metrics.ask import Metrics
from salus.core.policy.pod_names import literal
from salus.core.policy.promql import quote
from salus.model.values.metrics import Error
from salus.sources.reply import Labels

_PATHS = ("handler", "path", "endpoint", "route", "uri", "http_route", "http_target")
"""Labels that hold what was asked for."""
_OF_PROBES = re.compile(
    r"/(?:metrics|health\w*|healthz|ready\w*|live\w*|ping|status|actuator(?:/.*)?|-/(?:healthy|ready))/?"
)
MOST = 0.05
"""Of all requests: more make a fault look smaller than it is."""


async def doubt(metrics: Metrics, metric: str, selector: str, series: Sequence[Labels]) -> str:
    """What is to be said of them; nothing while there are few."""
    label = next((one for one in _PATHS if any(labels.get(one) for labels in series)), "")
    paths = sorted({path for labels in series if (path := labels.get(label, "")) and _OF_PROBES.fullmatch(path)})
    if not paths:
        return ""
    alone = f"{{{label}=~{quote('|'.join(map(literal, paths)))},{selector.removeprefix('{')}"
    counted = f"sum(rate({metric}{alone}[1h])) / sum(rate({metric}{selector}[1h]))"
    found = await metrics.instant(counted)
    share = 0.0 if isinstance(found, Error) or not found else found[0].value
    if not share > MOST:
        return ""
    return f"{share:.0%} of the requests ask for {', '.join(paths)}, by probes or scrapers: count without them"
