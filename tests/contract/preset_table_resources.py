"""The table's rows on what pods use of what they have, and how they look from outside."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from tests.contract.preset_series import all_of, named
from tests.contract.preset_states import Case, Labels, Line, Place, Row, Rows

IMAGE, POD_LEVEL = {"container": "c", "image": "registry.example/c:1"}, {"container": "", "image": ""}


def of_containers(
    name: str, per_second: float = 0.0, value: float = 0.0, labels: Labels = IMAGE, until: float = 1.0
) -> Rows:
    """A series of cAdvisor, of each pod's container."""
    return lambda place: [
        Line(name, {**one, **labels, "id": f"/kubepods/{one['pod']}/{until:g}"}, value, per_second, until=until)
        for one in place.of_pods
    ]


def limits(resource: str, value: float, container: str = "c", instance: str = "ksm") -> Rows:
    """Of each pod's container, by kube-state-metrics."""

    def rows(place: Place) -> Iterator[Line]:
        for index in range(place.pods):
            labels = {**named(place, index), "container": container, "resource": resource, "instance": instance}
            yield Line("kube_pod_container_resource_limits", labels, value)

    return rows


# --- CPU


def throttled(share: float, per_second: float = 10.0) -> Rows:
    """Periods of a container, and those of its pod as a whole, which nobody asks for."""
    periods, those = "container_cpu_cfs_periods_total", "container_cpu_cfs_throttled_periods_total"
    return all_of(
        of_containers(periods, per_second),
        of_containers(those, per_second * share),
        of_containers(periods, 10, labels=POD_LEVEL),
        of_containers(those, 10, labels=POD_LEVEL),
    )


def used(per_second: float, container: str = "c") -> Rows:
    """CPU of a container, and of its pod as a whole."""
    name = "container_cpu_usage_seconds_total"
    return all_of(
        of_containers(name, per_second, labels={**IMAGE, "container": container}),
        of_containers(name, 10, labels=POD_LEVEL),
    )


def _cpu() -> Iterator[Case]:
    row = Row("CpuThrottled")
    yield from row.in_all_states(well=(throttled(0.1), 0.1), ill=(throttled(0.8), 0.8))
    yield from row.also("it does not run at all", throttled(0, per_second=0), 0.0)
    yield from row.also("no limit is set", used(0.5), None)
    row, one = Row("CpuSaturated"), limits("cpu", 1.0)
    yield from row.in_all_states(well=(all_of(used(0.5), one), 0.5), ill=(all_of(used(0.95), one), 0.95))
    sidecar = all_of(used(0.5), one, used(3.0, "sidecar"))
    yield from row.also("a container without a limit is left out", sidecar, 0.5)
    unused = all_of(used(0.95), one, limits("cpu", 100.0, "gone"))
    yield from row.also("a limit of what nobody measures is left out", unused, 0.95)
    twice = all_of(used(0.95), one, limits("cpu", 1.0, instance="another"))
    yield from row.also("two kube-state-metrics tell the same", twice, 0.95)
    yield from row.also("no limit is set", used(0.5), None)
    yield from row.also("only memory is limited", all_of(used(0.5), limits("memory", 1.0)), None)
    yield from row.also("what is used is not seen", one, None)


# --- memory, volumes, descriptors


def working_set(value: float, labels: Labels = IMAGE, until: float = 1.0) -> Rows:
    """Memory of each pod's container."""
    return of_containers("container_memory_working_set_bytes", value=value, labels=labels, until=until)


def _memory() -> Iterator[Case]:
    row, limit = Row("MemoryNearLimit"), limits("memory", 1000.0)
    whole = working_set(5000.0, POD_LEVEL)
    yield from row.in_all_states(
        well=(all_of(working_set(500.0), whole, limit), 0.5), ill=(all_of(working_set(970.0), whole, limit), 0.97)
    )
    worst = all_of(
        working_set(300.0), limit, working_set(970.0, {**IMAGE, "container": "d"}), limits("memory", 1000.0, "d")
    )
    yield from row.also("the worse of two containers", worst, 0.97)
    yield from row.also("no limit is set", working_set(970.0), None)
    yield from row.also("only CPU is limited", all_of(working_set(0.97), limits("cpu", 1.0)), None)
    sidecar = all_of(working_set(500.0), limit, working_set(9000.0, {**IMAGE, "container": "sidecar"}))
    yield from row.also("a container without a limit is left out", sidecar, 0.5)
    came_back = all_of(working_set(999.0, until=150), working_set(300.0), limit)
    yield from row.also("a container of its name was there before", came_back, 0.3)
    yield from row.also(
        "two kube-state-metrics tell the same",
        all_of(working_set(970.0), limit, limits("memory", 1000.0, instance="another")),
        0.97,
    )


def claimed(volume: str = "data") -> Rows:
    """Each pod claims a volume of its own."""

    def rows(place: Place) -> Iterator[Line]:
        for index in range(place.pods):
            claim = {"volume": volume, "persistentvolumeclaim": _claim(place, volume, index)}
            yield Line("kube_pod_spec_volumes_persistentvolumeclaims_info", {**named(place, index), **claim}, 1.0)

    return rows


def filled(*shares: float, volume: str = "data", kubelet: str = "node-1") -> Rows:
    """How full the volumes are, of the first pods."""

    def rows(place: Place) -> Iterator[Line]:
        for index in range(place.pods):
            share = shares[index] if index < len(shares) else 0.1
            labels = {
                "namespace": place.namespace,
                "persistentvolumeclaim": _claim(place, volume, index),
                "node": kubelet,
            }
            yield Line("kubelet_volume_stats_available_bytes", labels, 1000 * (1 - share))
            yield Line("kubelet_volume_stats_capacity_bytes", labels, 1000)

    return rows


def _claim(place: Place, volume: str, index: int) -> str:
    return f"{volume}-{place.name}-{index}"


def _volumes() -> Iterator[Case]:
    row = Row("VolumeFilling")
    ill = all_of(claimed(), filled(0.2, 0.95))
    yield from row.in_all_states(
        well=(all_of(claimed(), filled(0.2, 0.4)), 0.4), ill=(ill, 0.95), blind=(filled(0.2, 0.95), None)
    )
    yield from row.also("no volume is claimed", all_of(), None)
    yield from row.also("nobody reports its volume", claimed(), None)
    others = all_of(claimed(), filled(0.2, 0.4), filled(0.99, volume="spare"))
    yield from row.also("one that no pod of it claims is full", others, 0.4)
    shared = all_of(ill, filled(0.2, 0.95, kubelet="node-2"))
    yield from row.also("two kubelets report the same volume", shared, 0.95)


def scraped(*up: bool) -> Rows:
    """What Prometheus tells of its targets."""
    return lambda place: [
        Line("up", {**one, "job": "api", "instance": f"{one['pod']}:80"}, float(is_up))
        for one, is_up in zip(place.of_pods, up or [True] * place.pods, strict=False)
    ]


def descriptors(share: float, names: tuple[str, str] = ("process_open_fds", "process_max_fds")) -> Rows:
    """Of the process of each pod, the last of which has most of them open."""
    open_, most = names

    def rows(place: Place) -> Iterator[Line]:
        for index, one in enumerate(place.of_pods):
            yield Line(open_, one, 1024 * (share if index == place.pods - 1 else 0.1))
            yield Line(most, one, 1024)

    return rows


def _processes() -> Iterator[Case]:
    row = Row("ScrapeFailing")
    yield from row.in_all_states(well=(scraped(), 0.0), ill=(scraped(False, False), 1.0))
    yield from row.also("half of them", scraped(True, False), 0.5)
    row = Row("FileDescriptorsExhausted")
    yield from row.in_all_states(well=(descriptors(0.2), 0.2), ill=(descriptors(0.95), 0.95))
    names = ("process_files_open_files", "process_files_max_files")
    micrometer = Row("FileDescriptorsExhausted", given={"open": names[0], "most": names[1]})
    yield from micrometer.also("by other names", descriptors(0.95, names), 0.95)
    unlimited: Rows = lambda place: [  # noqa: E731
        replace(one, value=0.0) if "max" in one.name else one for one in descriptors(0.95)(place)
    ]
    yield from row.also("there is no limit", unlimited, None)


# --- from outside

URL = {"url": "https://$namespace.example.com/$target"}
DAY = 86_400


def probes(name: str, *values: float | Callable[[], float]) -> Rows:
    """What several probers say of a URL."""

    def rows(place: Place) -> Iterator[Line]:
        for index, value in enumerate(values):
            labels = {"instance": f"https://{place.namespace}.example.com/{place.name}", "prober": f"p-{index}"}
            yield Line(name, labels, value() if callable(value) else value)

    return rows


def in_days(days: float) -> Callable[[], float]:
    """That moment, from when it is written."""
    return lambda: time.time() + days * DAY


def certificates(*days: float, namespace: str = "exported_namespace") -> Rows:
    """A Certificate of cert-manager, by each of its controllers."""

    def rows(place: Place) -> Iterator[Line]:
        for index, left in enumerate(days):
            labels = {namespace: place.namespace, "name": f"{place.name}-tls", "pod": f"cert-manager-{index}"}
            moment = in_days(left)() if left else 0.0
            yield Line("certmanager_certificate_expiration_timestamp_seconds", labels, moment)

    return rows


def _from_outside() -> Iterator[Case]:
    expiry, success = "probe_ssl_earliest_cert_expiry", "probe_success"
    row = Row("CertificateExpiring", "blackbox", URL)
    well, ill = probes(expiry, in_days(60)), probes(expiry, in_days(3))
    yield from row.in_all_states(well=(well, 60.0), ill=(ill, 3.0), zero=(well, 60.0))
    yield from row.also("the sooner of two", probes(expiry, in_days(60), in_days(5)), 5.0)
    yield from row.also("it has ended", probes(expiry, in_days(-1)), -1.0)
    row = Row("CertificateExpiring", "cert-manager", {"certificate": "$target-tls"})
    yield from row.in_all_states(
        well=(certificates(60), 60.0), ill=(certificates(3), 3.0), zero=(certificates(60), 60.0)
    )
    yield from row.also("none was ever issued", certificates(0), None)
    by_its_name: Mapping[str, str] = {"certificate": "$target-tls", "namespaceLabel": "namespace"}
    honored = Row("CertificateExpiring", "cert-manager", by_its_name)
    yield from honored.also("with honor_labels", certificates(3, namespace="namespace"), 3.0)
    row = Row("ProbeFailing", "blackbox", URL)
    yield from row.in_all_states(
        well=(probes(success, 1, 1, 1), 0.0), ill=(probes(success, 0, 0, 1), 0.667), zero=(probes(success, 0), 1.0)
    )
    yield from row.also("one of three", probes(success, 0, 1, 1), 0.333)


def _all() -> Iterator[Case]:
    yield from _cpu()
    yield from _memory()
    yield from _volumes()
    yield from _processes()
    yield from _from_outside()


RESOURCES: Sequence[Case] = tuple(_all())
