"""Which Prometheus was asked, as documents tell it."""

from collections.abc import Mapping

from salus.model.scalars import Duration, Resource


class AskedPrometheus(Resource):
    """What answered, which way leads there, and why it is taken for this cluster's."""

    server: str = ""
    """`Prometheus 3.7`; empty: it does not say."""
    at: str
    """A URL, or NAMESPACE/SERVICE:PORT."""
    way: str = ""
    """`the API server's proxy`; empty: by URL."""
    found_by: str = ""
    """`label operated-prometheus=true`."""
    scraped_every: Duration | None = None
    kept: Duration | None = None
    """How long it keeps samples."""
    proven_by: str = ""
    """A pod that both know; empty: nothing was proven, the person said so or there is no cluster."""
    cluster: Mapping[str, str] = {}
    """The label that tells clusters apart in it, and this cluster's value."""
    honors_labels: bool = True
    """False: kube-state-metrics is scraped without honor_labels, so that no preset can answer."""
