"""From what a person typed to a Prometheus that answers and is proven to be their cluster's.

What stands in the way is told in one shape: where it was found, which way leads there, why it is closed, what opens it.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from salus.adapters.service_proxy import Service
from salus.cli.contract import CannotBeAsked
from salus.cli.logs import only_warnings
from salus.cli.metrics.about import About
from salus.cli.metrics.ask import Line, Metrics
from salus.cli.metrics.choosing import Choose, on_terminal
from salus.cli.metrics.find import find
from salus.cli.metrics.place import Place, service_of
from salus.cli.metrics.proof import Proof, prove
from salus.cli.metrics.wanted import Prometheus
from salus.cli.metrics.ways import NOT_LET_THROUGH, say, way_to
from salus.cli.person import Person, Where, person_at
from salus.cli.reports.metrics import AskedPrometheus
from salus.model.values.metrics import Error

_SYSTEM_PORTS = 1024
"""Below it only root listens."""
_LOCAL_PORT = 9090


@dataclass(frozen=True, slots=True)
class Found:
    """A Prometheus that can be asked."""

    metrics: Metrics
    place: Place
    about: About
    proof: Proof | None
    """None: there is no cluster that it could be of."""

    @property
    def title(self) -> str:
        """`Prometheus 3.7, monitoring/prometheus-operated:9090 by the API server's proxy`."""
        way = f" by {self.place.way}" if self.place.way else ""
        return f"{self.about.server or 'Prometheus'}, {self.place.title}{way}"

    def report(self) -> AskedPrometheus:
        """As documents tell it."""
        proof = self.proof or Proof()
        return AskedPrometheus(
            server=self.about.server,
            at=self.place.title,
            way=self.place.way,
            found_by=self.place.by,
            scraped_every=self.about.scraped_every,
            kept=self.about.retention,
            proven_by=proof.pod,
            cluster=dict([proof.cluster]) if proof.cluster else {},
            honors_labels=proof.honors_labels,
        )


async def somebody(stack: AsyncExitStack, where: Where, wanted: Prometheus) -> Person | None:
    """Whoever asks, in front of a cluster; None: there is none, and a Prometheus is named. Raises CannotBeAsked."""
    try:
        return await stack.enter_async_context(person_at(where))
    except CannotBeAsked:
        if wanted.at or wanted.config is not None:
            return None
        raise


@asynccontextmanager
async def prometheus_of(
    wanted: Prometheus, where: Where, person: Person | None, choose: Choose | None = None
) -> AsyncIterator[Found]:
    """The Prometheus that is meant, proven to be of the person's cluster, if there is one. Raises CannotBeAsked.

    `choose`: how to ask which of several; by default on a terminal, if that is one.
    """
    only_warnings()
    place = await find(wanted, person, where.request_timeout, choose or on_terminal())
    proxy = person.through_proxy(place.service) if person is not None and place.service is not None else None
    way = way_to(place, proxy, say if where.verbose else None)
    try:
        namespace = (person.namespace if person else None) or where.namespace or "default"
        metrics = Metrics(place.settings, Line(way), namespace)
        answered = await metrics.instant("1")
        if isinstance(answered, Error):
            raise await _closed(answered, place, _Again(wanted.command, where.context), person)
        about = await metrics.about()
        yield Found(metrics, place, about, await _proof(metrics, person, wanted, place, about))
    finally:
        await way.close()


async def _proof(
    metrics: Metrics, person: Person | None, wanted: Prometheus, place: Place, about: About
) -> Proof | None:
    if person is None:
        return None
    asked = f"{place.title} ({about.server})" if about.server else place.title
    return await prove(metrics, person, wanted.match, asked, datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class _Again:
    """What a person typed, to be typed again."""

    command: str
    context: str | None

    def past_the_proxy(self, service: Service) -> str:
        """The commands that reach a Service without the API server's proxy."""
        port = int(service.port) if service.port.isdecimal() else 0
        local = port if port >= _SYSTEM_PORTS else _LOCAL_PORT
        ports = service.port if str(local) == service.port else f"{local}:{service.port}"
        kubectl = f"kubectl --context {self.context}" if self.context else "kubectl"
        url = f"{'https' if service.tls else 'http'}://127.0.0.1:{local}{service.prefix}"
        return (
            f"{kubectl} -n {service.namespace} port-forward svc/{service.name} {ports} &\n"
            f"{self.command} --prometheus {url}"
        )


async def _closed(error: Error, place: Place, again: _Again, person: Person | None) -> CannotBeAsked:
    service = place.service
    if service is None:
        facts = [("asked", place.title), ("named by", place.by), ("why", error.message)]
        return CannotBeAsked("Prometheus cannot be asked", facts, _by_another_way(error, place))
    found = f"service {service.namespace}/{service.name}, port {service.port}, by {place.by}"
    why, tries = error.message, [again.past_the_proxy(service)]
    if error.reason == NOT_LET_THROUGH and person is not None:
        why = f"{await person.name()} may not get services/proxy in namespace {service.namespace}"
        tries.append(f"ask for get on services/proxy, name {service.address}, in {service.namespace}")
    return CannotBeAsked("Prometheus cannot be asked", [("found", found), ("way", place.way), ("why", why)], tries)


def _by_another_way(error: Error, place: Place) -> Sequence[str]:
    """What helps against why a URL does not answer."""
    if error.reason == "HttpError" and any(code in error.message for code in ("HTTP 401", "HTTP 403")):
        return ["--prometheus-token-file FILE, or --prometheus-header 'NAME: VALUE'"]
    inside = service_of(place.settings.url, "")
    if error.reason == "Unreachable" and inside is not None and inside.namespace:
        return [f"--prometheus {inside}, which is asked through the API server's proxy"]
    return ["another --prometheus"]
