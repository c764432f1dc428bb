"""The rows of presets that ask of requests, in all nine vocabularies."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from tests.contract.preset_courses import WEEK, Phase, counted_in
from tests.contract.preset_series import Who, all_of, durations, requests
from tests.contract.preset_states import AGES, Case, Labels, Line, Place, Row, Rows
from tests.contract.preset_words import VOCABULARIES, Vocabulary, by_istio, by_otlp, of_pods


def _errors(words: Vocabulary) -> Iterator[Case]:
    def failing(share: float, per_second: float = 10.0) -> Rows:
        return requests(words.counter, words.who, words.status, share, per_second)

    row = Row("ErrorRatio", words.variant, words.given)
    yield from row.in_all_states(well=(failing(0), 0.0), ill=(failing(0.2), 0.2))
    yield from row.also("a few fail", failing(0.02), 0.02)
    yield from row.also("half of hardly any fail", failing(0.5, 0.05), None, quiet=True)


def _other_errors() -> Iterator[Case]:
    def counted(name: str, who: Who, labels: Labels, other: Labels) -> Rows:
        return requests(name, who, (labels, other), 0.2)

    http, istio = "http_requests_total", "istio_requests_total"
    prometheus = Row("ErrorRatio", "prometheus")
    for status in ("404", "499", "429"):
        yield from prometheus.also(
            f"{status} is the callers'", counted(http, of_pods, {"code": "200"}, {"code": status}), 0.0
        )
    for variant, name, who in (
        ("prometheus", http, of_pods),
        ("otel", "http_server_request_duration_seconds_count", by_otlp),
    ):
        elsewhere = counted(name, who, {"result": "200"}, {"result": "500"})
        yield from Row("ErrorRatio", variant).also("the status is in another label", elsewhere, None)
    renamed = Row("ErrorRatio", "prometheus", {"metric": "gin_requests_total", "label": "status"})
    yield from renamed.also(
        "by other names",
        counted("gin_requests_total", of_pods, {"status": "2xx"}, {"status": "5xx"}),
        0.2,
    )
    for code in ("NotFound", "Unauthenticated", "ResourceExhausted", "Canceled"):
        rows = counted("grpc_server_handled_total", of_pods, {"grpc_code": "OK"}, {"grpc_code": code})
        yield from Row("ErrorRatio", "grpc").also(f"{code} is the callers'", rows, 0.0)
    well = {"response_code": "200", "grpc_response_status": "0"}
    for status, value in {"14": 0.2, "5": 0.0}.items():
        rows = counted(istio, by_istio, well, {"response_code": "200", "grpc_response_status": status})
        yield from Row("ErrorRatio", "istio").also(f"gRPC status {status} within 200", rows, value)
    both = counted(istio, by_istio, well, {"response_code": "503", "grpc_response_status": "14"})
    yield from Row("ErrorRatio", "istio").also("503 and gRPC status 14 are one failure", both, 0.2)
    probes = counted(
        "http_server_requests_seconds_count",
        of_pods,
        {"outcome": "SUCCESS", "uri": "/orders"},
        {"outcome": "SERVER_ERROR", "uri": "/actuator/health"},
    )
    yield from Row("ErrorRatio", "spring").also("a probe that fails is no request", probes, 0.0)


def _slow(words: Vocabulary) -> Iterator[Case]:
    below, edge = words.edges

    def within(share: float, spelled: str = edge, per_second: float = 10.0) -> Rows:
        return durations(words.histogram, words.timed, {below: share / 2, spelled: share}, per_second)

    row = Row("SlowRequests", words.variant, words.given)
    yield from row.in_all_states(well=(within(0.99), 0.01), ill=(within(0.7), 0.3))
    yield from row.also("half of hardly any are slow", within(0.5, per_second=0.02), None, quiet=True)
    for spelled in (f"{edge}0",) if "." in edge else (f"{edge}.0",):
        yield from row.also(f"an edge that is spelled {spelled}", within(0.7, spelled), 0.3)
    yield from row.also("no bucket has that edge", within(0.7, "9"), None)


def _quantiles(words: Vocabulary) -> Iterator[Case]:
    unit = 1000 if words.edges[0].isdigit() else 1

    def within(*shares: float, per_second: float = 10.0) -> Rows:
        """Which share took no longer than half a second, two, and five."""
        edges = {f"{seconds * unit:g}": share for seconds, share in zip((0.5, 2, 5), shares, strict=True)}
        return durations(words.histogram, words.timed, edges, per_second)

    row = Row("Latency", words.variant, words.given)
    yield from row.in_all_states(well=(within(1, 1, 1), 0.495), ill=(within(0.9, 0.9, 1), 4.7))
    yield from row.also("slower than the last edge", within(0.9, 0.9, 0.95), None, reason="Infinite")
    yield from row.also("half of hardly any are slow", within(0.5, 0.5, 0.5, per_second=0.05), None, quiet=True)
    if words.variant == "prometheus":
        median = Row("Latency", words.variant, {**words.given, "quantile": "0.5"})
        yield from median.also("another quantile", within(0.8, 0.9, 0.9), 0.3125)
        yield from row.also("there are pods, and no requests", within(1, 1, 1, per_second=0), None, quiet=True)
        no_bucket = durations(words.histogram, words.timed, {})
        yield from row.also("a histogram without a finite edge", no_bucket, None, reason="Infinite")


def _until(age: int, rows: Rows) -> Rows:
    """What was written until so many seconds before now, in pods that are gone."""

    def ended(place: Place) -> Iterable[Line]:
        for line in rows(place):
            yield replace(line, labels={**line.labels, "instance": "gone"}, since=AGES[0], until=age)

    return ended


def _budgets(words: Vocabulary) -> Iterator[Case]:
    def failing(share: float, per_second: float = 10.0) -> Rows:
        return requests(words.counter, words.who, words.status, share, per_second)

    row = Row("BurnRate", words.variant, {"objective": "0.99", **words.given})
    yield from row.in_all_states(well=(failing(0), 0.0), ill=(failing(0.2), 20.0))
    yield from row.also("half of hardly any fail", failing(0.5, 0.02), None, quiet=True)
    if words.variant in {"prometheus", "istio"}:

        def phases(*some: Phase) -> Rows:
            return counted_in(some, words.counter, words.who, words.status)

        over = phases(Phase(3600, 600, 10, failing=0.5), Phase(600, 0, 10))
        yield from row.also("it is over, though the hour was bad", over, 0.0)
        short = phases(Phase(3600, 180, 10), Phase(180, 0, 10, failing=0.5))
        yield from row.also("it is bad now, and the hour is not", short, 2.5, within=0.3)
        gone = all_of(requests(words.counter, words.who, words.status, 0), _until(600, failing(0.5)))
        yield from row.also("pods that failed are gone, and those that came never did", gone, 0.0)
        silent = phases(Phase(3600, 600, 10, failing=0.5), Phase(600, 0, 0))
        yield from row.also("nobody asks any more", silent, None, quiet=True)
        yield from row.also("all of it fails", failing(1), 100.0)


def _traffic(words: Vocabulary) -> Iterator[Case]:
    def by_week(now: float, then: float | None, failing: float = 0.0) -> Rows:
        week = [] if then is None else [Phase(WEEK + 2400, WEEK - 2400, then)]
        return counted_in([*week, Phase(240, 0, now, failing)], words.counter, words.who, words.status)

    row = Row("TrafficGone", words.variant, words.given)
    yield from row.in_all_states(well=(by_week(10, 10), 1.0), ill=(by_week(0.5, 10), 0.05))
    yield from row.also("last week had little", by_week(0, 0.05), None, quiet=True)
    if words.variant == "prometheus":
        yield from row.also("nobody comes", by_week(0, 10), 0.0)
        yield from row.also("last week had none", by_week(10, 0), None, quiet=True)
        yield from row.also("there was no last week", by_week(10, None), None)
        yield from row.also("what fails was asked for, too", by_week(10, 10, failing=0.9), 1.0)


def _all() -> Iterable[Case]:
    for words in VOCABULARIES:
        yield from _errors(words)
        yield from _slow(words)
        yield from _quantiles(words)
        yield from _budgets(words)
        yield from _traffic(words)
    yield from _other_errors()


REQUESTS: Sequence[Case] = tuple(_all())
