"""Where a person's Prometheus is found, what is never chosen in silence, and what is said where there is none."""

import io
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from salus.cli.contract import CannotBeAsked
from salus.cli.metrics.choosing import on_terminal
from salus.cli.metrics.find import find
from salus.cli.metrics.place import SIGNS, Place
from salus.cli.metrics.wanted import Prometheus
from salus.cli.person import Person, Where, person_at
from tests.unit.cli.played import PlayedCluster, a_config_map, a_service, kubeconfig_of

PATIENCE = timedelta(seconds=10)
UNNAMED = Prometheus()
OPERATED = {"operated-prometheus": "true"}
THE_SERVICE = a_service("monitoring/prometheus-operated", OPERATED)
CONFIG = """
sources:
  default: {url: "http://prom.metrics:9091/prometheus", matchLabels: {cluster: eu-1}, headers: {X-Scope-OrgID: shop}}
  long: {url: "https://thanos.example.com"}
"""
SALUS = a_config_map("salus-system/salus", CONFIG)


@asynccontextmanager
async def somebody(cluster: PlayedCluster, folder: Path, namespace: str | None = "shop") -> AsyncIterator[Person]:
    async with kubeconfig_of(cluster, folder) as kubeconfig:
        where = Where(namespace, all_namespaces=namespace is None, kubeconfig=kubeconfig)
        async with person_at(where) as person:
            yield person


async def found(cluster: PlayedCluster, folder: Path, wanted: Prometheus = UNNAMED, **more: Any) -> Place:  # noqa: ANN401
    async with somebody(cluster, folder) as person:
        return await find(wanted, person, PATIENCE, **more)


async def refused(cluster: PlayedCluster, folder: Path, wanted: Prometheus = UNNAMED) -> str:
    with pytest.raises(CannotBeAsked) as caught:
        await found(cluster, folder, wanted)
    return "\n".join(caught.value.lines())


@pytest.mark.parametrize(
    ("objects", "wanted", "expected"),
    [
        pytest.param(
            [THE_SERVICE, SALUS],
            Prometheus(at="https://prom.example.com"),
            ("https://prom.example.com", "--prometheus"),
            id="what they name comes first",
        ),
        pytest.param(
            [THE_SERVICE, SALUS],
            Prometheus(at="metrics/prom:web"),
            ("metrics/prom:web", "--prometheus"),
            id="they name a Service, and its port",
        ),
        pytest.param(
            [THE_SERVICE, SALUS],
            Prometheus(at="monitoring/prometheus-operated"),
            ("monitoring/prometheus-operated:9090", "--prometheus"),
            id="they name a Service, whose port is looked up",
        ),
        pytest.param(
            [THE_SERVICE, SALUS],
            Prometheus(),
            ("metrics/prom:9091/prometheus", "ConfigMap salus-system/salus, source default"),
            id="the operator's ConfigMap comes before Services",
        ),
        pytest.param(
            [THE_SERVICE, SALUS],
            Prometheus(source="long"),
            ("https://thanos.example.com", "ConfigMap salus-system/salus, source long"),
            id="another of its sources, outside the cluster",
        ),
        pytest.param(
            [THE_SERVICE, a_config_map("ops/salus", CONFIG)],
            Prometheus(),
            ("metrics/prom:9091/prometheus", "ConfigMap ops/salus, source default"),
            id="an operator of another namespace",
        ),
        pytest.param(
            [a_config_map("salus-system/salus", "sources: {eu: {url: 'http://prom:9090'}}")],
            Prometheus(),
            ("salus-system/prom:9090", "ConfigMap salus-system/salus, source eu"),
            id="its only source, whatever it is called",
        ),
        pytest.param(
            [THE_SERVICE, a_config_map("salus-system/salus", "cluster: eu")],
            Prometheus(),
            ("monitoring/prometheus-operated:9090", "label operated-prometheus=true"),
            id="a configuration that names no source",
        ),
        pytest.param(
            [
                a_service("a/thanos", {"app.kubernetes.io/name": "thanos-query"}, {"name": "http", "port": 10902}),
                THE_SERVICE,
            ],
            Prometheus(),
            ("monitoring/prometheus-operated:9090", "label operated-prometheus=true"),
            id="of two labels, the first in the order",
        ),
        pytest.param(
            [a_service("a/vm", {"app.kubernetes.io/name": "vmselect"}, {"name": "http", "port": 8481})],
            Prometheus(),
            ("a/vm:8481/select/0/prometheus", "label app.kubernetes.io/name=vmselect"),
            id="one that has the API below a path",
        ),
    ],
)
async def test_where_it_is_found(
    tmp_path: Path, objects: Sequence[Any], wanted: Prometheus, expected: tuple[str, str]
) -> None:
    place = await found(PlayedCluster(list(objects)), tmp_path, wanted)

    assert (place.title, place.by) == expected
    assert place.settings.timeout == PATIENCE


@pytest.mark.parametrize("sign", SIGNS, ids=str)
async def test_each_label_is_looked_for(tmp_path: Path, sign: Any) -> None:  # noqa: ANN401
    place = await found(PlayedCluster([a_service("any/where", sign.labels)]), tmp_path)

    assert place.by == f"label {sign}"


async def test_a_source_in_the_cluster_is_asked_as_the_operator_asks_it(tmp_path: Path) -> None:
    place = await found(PlayedCluster([SALUS]), tmp_path, Prometheus(match={"replica": "a"}))

    assert place.settings.binding.labels == {"cluster": "eu-1", "replica": "a"}
    assert place.settings.headers == {"X-Scope-OrgID": "shop"}


async def test_a_file_says_how_the_operator_asks(tmp_path: Path) -> None:
    file = tmp_path / "salus.yaml"
    file.write_text("sources: {default: {url: 'http://prom:9090', exporters: {cadvisor: {job: kubelet}}}}")
    place = await found(PlayedCluster([THE_SERVICE]), tmp_path, Prometheus(config=file))

    assert (place.title, place.service) == ("http://prom:9090", None)
    assert place.exporters == {"cadvisor": {"job": "kubelet"}}


async def test_without_the_right_to_look_everywhere_the_usual_namespaces_are_looked_at(tmp_path: Path) -> None:
    cluster = PlayedCluster([THE_SERVICE], {("services", ""), ("configmaps", "*")})

    assert (await found(cluster, tmp_path)).title == "monitoring/prometheus-operated:9090"


TWO: list[Mapping[str, Any]] = [THE_SERVICE, a_service("team/prometheus-operated", OPERATED)]


async def test_two_candidates_are_told_where_nobody_can_be_asked(tmp_path: Path) -> None:
    assert await refused(PlayedCluster(TWO), tmp_path) == (
        "salus: error: 2 Services look like a Prometheus: which one is meant?\n"
        "  found     Service monitoring/prometheus-operated, port 9090, by label operated-prometheus=true\n"
        "  found     Service team/prometheus-operated, port 9090, by label operated-prometheus=true\n"
        "  try       --prometheus monitoring/prometheus-operated:9090"
    )


async def test_two_candidates_are_asked_about_on_a_terminal(tmp_path: Path) -> None:
    asked: list[tuple[str, Sequence[str]]] = []

    def second(question: str, texts: Sequence[str]) -> int:
        asked.append((question, texts))
        return 1

    place = await found(PlayedCluster(TWO), tmp_path, choose=second)

    assert place.title == "team/prometheus-operated:9090"
    assert len(asked[0][1]) == 2


@pytest.mark.parametrize(
    ("objects", "wanted", "says"),
    [
        pytest.param(
            [],
            Prometheus(),
            "no Prometheus was found in devcluster\n  looked    for the operator's configuration, and",
            id="there is none",
        ),
        pytest.param(
            [SALUS], Prometheus(source="x"), 'has no source "x"\n  sources   default, long', id="no such source"
        ),
        pytest.param(
            [THE_SERVICE], Prometheus(source="x"), "there is no configuration with this source", id="no configuration"
        ),
        pytest.param(
            [a_config_map("salus-system/salus", "sources: {a: {url: 'http://a'}, b: {url: 'http://b'}}")],
            Prometheus(),
            "2 sources of ConfigMap salus-system/salus: which one is meant?\n  found     a\n  found     b\n"
            "  try       --source NAME",
            id="several sources, of which none is the default",
        ),
        pytest.param(
            [a_config_map("salus-system/salus", "sources: {default: {url: nothing}}")],
            Prometheus(),
            "configuration cannot be used\n  why       ConfigMap salus-system/salus: sources.default.url",
            id="a configuration that is none",
        ),
        pytest.param(
            [SALUS, a_config_map("salus-system/other", CONFIG)],
            Prometheus(),
            "2 configurations of Salus: which one is meant?",
            id="two operators",
        ),
        pytest.param(
            [a_config_map("salus-system/salus", "sources: {default: {urlFile: /x}}")],
            Prometheus(),
            "the operator's source cannot be asked from here",
            id="a URL in a file of the operator's pod",
        ),
        pytest.param(
            [
                a_config_map(
                    "salus-system/salus",
                    "sources: {default: {url: 'https://prom.example.com', bearerTokenFile: /token}}",
                )
            ],
            Prometheus(),
            "what it takes to ask lies in the operator's pod",
            id="a token in a file of the operator's pod",
        ),
        pytest.param(
            [a_config_map("salus-system/salus", "sources: {default: {url: 'http://127.0.0.1:9090'}}")],
            Prometheus(),
            "what it takes to ask lies in the operator's pod",
            id="a proxy in the operator's pod is not what listens here",
        ),
        pytest.param(
            [], Prometheus(at="prom.example.com"), "--prometheus names nothing that can be asked", id="no URL"
        ),
        pytest.param(
            [],
            Prometheus(at="http://prom:9090/api/v1/query"),
            "the URL of a source is the part before /api/v1/",
            id="a URL that goes on where Salus does",
        ),
        pytest.param([], Prometheus(at="monitoring/gone"), "there is no Service gone in", id="no such Service"),
        pytest.param(
            [],
            Prometheus(at="monitoring/prom:9090", token_file=Path("/token")),
            "the API server passes on no credentials",
            id="a token for a Service",
        ),
    ],
)
async def test_what_is_said_where_none_is_found(
    tmp_path: Path, objects: Sequence[Any], wanted: Prometheus, says: str
) -> None:
    assert says in await refused(PlayedCluster(list(objects)), tmp_path, wanted)


async def test_what_could_not_be_seen_is_named(tmp_path: Path) -> None:
    said = await refused(PlayedCluster([], {("services", "*"), ("configmaps", "*")}), tmp_path)

    assert "not seen  list configmaps, in salus-system\n" in said
    assert "list services, in all namespaces\n" in said


async def test_without_a_cluster_one_has_to_be_named() -> None:
    with pytest.raises(CannotBeAsked, match="no Prometheus is named, and no cluster to look for one"):
        await find(Prometheus(), None, PATIENCE)
    assert (await find(Prometheus(at="http://prom:9090"), None, PATIENCE)).title == "http://prom:9090"
    with pytest.raises(CannotBeAsked, match="and there is no cluster"):
        await find(Prometheus(at="a/b:1"), None, PATIENCE)


# --- on a terminal


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_person_chooses_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Terminal()
    monkeypatch.setattr("sys.stdin", Terminal("3\n2\n"))
    monkeypatch.setattr("sys.stderr", said)
    choose = on_terminal()

    assert choose is not None
    assert choose("Which?", ["one", "two"]) == 1
    assert said.getvalue().startswith("Which?\n  1  one\n  2  two\n")


def test_where_nobody_sits_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("sys.stderr", io.StringIO())

    assert on_terminal() is None
