"""The rows of presets that ask of what a process says of itself: the JVM, Node.js, pools of connections."""

from collections.abc import Callable, Iterator, Sequence

from tests.contract.preset_courses import Course
from tests.contract.preset_series import Who, all_of
from tests.contract.preset_states import AGES, STATEFUL_SET, Case, Labels, Line, Place, Row, Rows
from tests.contract.preset_words import by_otlp, of_pods

NOT_A_NUMBER = float("nan")
GIB = 1024.0**3
HEAP = 2 * GIB
ON_HEAP, OFF_HEAP = {"area": "heap"}, {"area": "nonheap"}
NONE: Labels = {}


def in_each(who: Who, name: str, *values: float, per_second: bool = False, labels: Labels = NONE) -> Rows:
    """A series of each pod; `values`: by pod, the last one of all that follow."""

    def rows(place: Place) -> Iterator[Line]:
        for index, pod in enumerate(who(place)):
            value = values[min(index, len(values) - 1)]
            rising = value if per_second else 0.0
            yield Line(name, {**pod, **labels}, 0.0 if per_second else value, rising, since=AGES[0])

    return rows


def saw(who: Who, name: str, low: float, high: float, labels: Labels) -> Rows:
    """From high to low, and at once back, every two minutes."""
    points = [(float(age), low + (high - low) * (age % 120) / 120) for age in range(AGES[0], 0, -30)]
    return lambda place: [Course(name, {**pod, **labels}, points=points) for pod in who(place)]


# --- the heap


def by_micrometer(*live: float, most: float = HEAP) -> Rows:
    """What was left of the old generation, by pod, as a share."""
    return all_of(
        in_each(of_pods, "jvm_gc_live_data_size_bytes", *(share * HEAP for share in live)),
        in_each(of_pods, "jvm_gc_max_data_size_bytes", most),
    )


def by_client_java(*used: float, most: float = HEAP) -> Rows:
    """One number for all of the heap, and one for what is not heap."""
    return all_of(
        in_each(of_pods, "jvm_memory_used_bytes", *(share * HEAP for share in used), labels=ON_HEAP),
        _with_a_limit(most),
    )


def _with_a_limit(most: float) -> Rows:
    return all_of(
        in_each(of_pods, "jvm_memory_max_bytes", most, labels=ON_HEAP),
        in_each(of_pods, "jvm_memory_used_bytes", GIB, labels=OFF_HEAP),
        in_each(of_pods, "jvm_memory_max_bytes", GIB, labels=OFF_HEAP),
    )


def by_agent(*old: float, limited: bool = True) -> Rows:
    """OpenTelemetry's, by pool, of which G1 limits the old generation only."""
    used, of_heap = "jvm_memory_used_bytes", {"jvm_memory_type": "heap"}
    eden, tenured = ({**of_heap, "jvm_memory_pool_name": f"G1 {name}"} for name in ("Eden Space", "Old Gen"))
    limits = [in_each(by_otlp, "jvm_memory_limit_bytes", HEAP, labels=tenured)] if limited else []
    return all_of(
        saw(by_otlp, used, HEAP, HEAP, eden),
        in_each(by_otlp, used, *(share * HEAP for share in old), labels=tenured),
        in_each(by_otlp, used, 2 * HEAP, labels={"jvm_memory_type": "non_heap"}),
        *limits,
    )


def _heaps() -> Iterator[Case]:
    micrometer, client, agent = (Row("JvmHeapFull", name) for name in ("micrometer", "client-java", "otel"))
    yield from micrometer.in_all_states(well=(by_micrometer(0.5), 0.5), ill=(by_micrometer(0.3, 0.95), 0.95))
    yield from micrometer.also("nothing was collected yet", by_micrometer(0), 0.0)
    yield from micrometer.also("nobody knows the maximum", by_micrometer(0.5, most=-1), None)
    emptied = all_of(saw(of_pods, "jvm_memory_used_bytes", 0.25 * HEAP, 0.97 * HEAP, ON_HEAP), _with_a_limit(HEAP))
    yield from client.in_all_states(well=(by_client_java(0.5), 0.5), ill=(by_client_java(0.3, 0.95), 0.95))
    yield from client.also("it fills, and is emptied again", emptied, 0.25)
    yield from client.also("nobody knows the maximum", by_client_java(0.95, most=-1), None)
    yield from client.also("pods were replaced", _replaced, 0.3)
    yield from agent.in_all_states(well=(by_agent(0.5), 0.5), ill=(by_agent(0.3, 0.95), 0.95))
    yield from agent.also("nobody knows the maximum", by_agent(0.95, limited=False), None)
    full = {"jvm_memory_type": "heap", "jvm_memory_pool_name": "PS Eden Space"}
    young = [in_each(by_otlp, f"jvm_memory_{name}_bytes", GIB, labels=full) for name in ("used", "limit")]
    yield from agent.also("the young generation is full, and idle", all_of(by_agent(0.5), *young), 0.5)


def _replaced(place: Place) -> Iterator[Line]:
    """Pods that were full are gone; those that came have the same names, if they are a StatefulSet's."""
    same_names = place.kind is STATEFUL_SET
    for rows, address, ends in ((by_client_java(0.99), "10.0.0.1", True), (by_client_java(0.3), "10.0.0.2", False)):
        for line in rows(place):
            name = line.labels["pod"] if same_names or not ends else f"{line.labels['pod'][:-5]}99999"
            labels: Labels = {**line.labels, "pod": name, "instance": f"{address}:8080"}
            since, until = (AGES[0], 120) if ends else (105, 1)
            yield Line(line.name, labels, line.value, since=since, until=until, gone=ends)


# --- collections


def _collections() -> Iterator[Case]:
    def pauses(who: Who, name: str, *shares: float, **labels: str) -> Rows:
        return in_each(who, name, *shares, per_second=True, labels=labels)

    yield from _of_collector(
        Row("JvmGcPressure", "micrometer"),
        lambda *shares: pauses(
            of_pods, "jvm_gc_pause_seconds_sum", *shares, action="end of minor GC", cause="whatever"
        ),
        in_each(of_pods, "jvm_gc_memory_allocated_bytes_total", GIB),
    )
    yield from _of_collector(
        Row("JvmGcPressure", "otel"),
        lambda *shares: pauses(by_otlp, "jvm_gc_duration_seconds_sum", *shares, jvm_gc_name="G1 Young Generation"),
        in_each(by_otlp, "jvm_memory_used_bytes", GIB, labels={"jvm_memory_type": "heap"}),
    )
    otel = "jvm_gc_duration_seconds_sum"
    beside_it = all_of(
        pauses(by_otlp, otel, 0.01, jvm_gc_name="a"), pauses(by_otlp, otel, 0.9, jvm_gc_name="ZGC Cycles")
    )
    yield from Row("JvmGcPressure", "otel").also("ZGC runs beside the application", beside_it, 0.01)
    row, name = Row("JvmGcPressure", "client-java"), "jvm_gc_collection_seconds_sum"
    young, old = ({"gc": f"G1 {which} Generation"} for which in ("Young", "Old"))
    yield from row.in_all_states(
        well=(pauses(of_pods, name, 0.01, **young), 0.01), ill=(pauses(of_pods, name, 0.02, 0.3, **young), 0.3)
    )
    both = all_of(pauses(of_pods, name, 0.08, **young), pauses(of_pods, name, 0.04, **old))
    yield from row.also("both collectors add up", both, 0.12)
    yield from row.also("nothing was collected yet", pauses(of_pods, name, 0, **young), 0.0)
    for beside in ("ZGC Major Cycles", "Shenandoah Cycles", "G1 Concurrent GC"):
        rows = all_of(pauses(of_pods, name, 0.01, gc="pauses"), pauses(of_pods, name, 0.9, gc=beside))
        yield from row.also(f"{beside} runs beside the application", rows, 0.01)


def _of_collector(row: Row, pauses: Callable[..., Rows], there: Rows) -> Iterator[Case]:
    yield from row.in_all_states(well=(all_of(pauses(0.01), there), 0.01), ill=(all_of(pauses(0.02, 0.3), there), 0.3))
    yield from row.also("nothing was collected yet", there, 0.0)


# --- Node.js, and pools of connections


def _loops() -> Iterator[Case]:
    for variant, name, who in (
        ("prom-client", "nodejs_eventloop_lag_p99_seconds", of_pods),
        ("otel", "nodejs_eventloop_delay_p99_seconds", by_otlp),
    ):
        row = Row("EventLoopBlocked", variant)
        yield from row.in_all_states(well=(in_each(who, name, 0.012), 0.012), ill=(in_each(who, name, 0.01, 0.8), 0.8))
        yield from row.also("one pod has no number", in_each(who, name, NOT_A_NUMBER, 0.8), 0.8)
        yield from row.also("no pod has one", in_each(who, name, NOT_A_NUMBER), None, reason="NotANumber")


def _pools() -> Iterator[Case]:
    for variant, name, who in (
        ("micrometer", "hikaricp_connections_pending", of_pods),
        ("client-java", "hikaricp_pending_threads", of_pods),
        ("otel", "db_client_connections_pending_requests", by_otlp),
    ):
        row = Row("ConnectionPoolExhausted", variant)
        yield from row.in_all_states(well=(in_each(who, name, 0), 0.0), ill=(in_each(who, name, 0, 3), 3.0))
        pools = all_of(
            in_each(who, name, 1, labels={"pool": "orders"}), in_each(who, name, 0, labels={"pool": "stock"})
        )
        yield from row.also("of two pools", pools, 2.0)
    newer = "db_client_connection_pending_requests"
    yield from Row("ConnectionPoolExhausted", "otel", {"metric": newer}).also(
        "by its newer name", in_each(by_otlp, newer, 2), 4.0
    )


RUNTIMES: Sequence[Case] = (*_heaps(), *_collections(), *_loops(), *_pools())
