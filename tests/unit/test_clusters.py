"""A source that holds several clusters is told of once, and says what to set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from salus.core.policy import promql
from salus.core.policy.exporters import Exporter
from salus.model.values.metrics import Error
from salus.sources.clusters import QUESTION, Lookout, Mixed, mixed
from salus.sources.reply import Labels
from tests.presets import questions


@pytest.mark.parametrize(
    ("series", "found"),
    [
        pytest.param([], None, id="nothing is there"),
        pytest.param([{}], None, id="no label tells clusters apart"),
        pytest.param([{"cluster": "eu-1"}], None, id="one cluster"),
        pytest.param([{"cluster": "us-1"}, {"cluster": "eu-1"}], Mixed("cluster", ("eu-1", "us-1")), id="two clusters"),
        pytest.param([{}, {"cluster": "us-1"}], Mixed("cluster", ("", "us-1")), id="one's own, and a federated one"),
        pytest.param(
            [{"k8s_cluster_name": "a", "cluster": "x"}, {"k8s_cluster_name": "b", "cluster": "x"}],
            Mixed("k8s_cluster_name", ("a", "b")),
            id="another label tells them apart",
        ),
    ],
)
def test_what_tells_clusters_apart(series: Sequence[Labels], found: Mixed | None) -> None:
    assert mixed(series) == found


def test_the_advice_names_the_own_cluster_where_it_is_among_them() -> None:
    both = Mixed("cluster", ("eu-1", "us-1"))

    assert 'set sources.default.matchLabels: {cluster: "eu-1"}' in both.advice("default", "eu-1")
    assert 'matchLabels: {cluster: "…"} to this cluster\'s own' in both.advice("default", "production")
    assert "(none at all, a, b, c, d and 2 more)" in Mixed("cluster", ("", *"abcdef")).advice("x", "")


@dataclass
class Source:
    """Gives what it was told to."""

    given: Sequence[Labels] | Error
    asked: list[str] = field(default_factory=list)

    async def labels_of(self, query: str) -> Sequence[Labels] | Error:
        self.asked.append(query)
        return self.given


TWO = [{"cluster": "eu-1"}, {"cluster": "us-1"}]


@dataclass
class Told:
    """What a lookout counted last."""

    counted: Mapping[str, int] = field(default_factory=dict)

    def __call__(self, found: Mapping[str, int]) -> None:
        self.counted = found


async def test_several_clusters_are_told_of_once_and_again_when_they_change() -> None:
    told, source, other = Told(), Source(TWO), Source([{}])
    lookout = Lookout(told)

    with capture_logs() as logs:
        assert await lookout.look({"mimir": source, "own": other}, {}, "eu-1")
        assert await lookout.look({"mimir": source, "own": other}, {}, "eu-1")
        source.given = [*TWO, {"cluster": "us-2"}]
        assert await lookout.look({"mimir": source}, {}, "eu-1")

    warnings = [log for log in logs if log["log_level"] == "warning"]
    assert [(log["source"], log["event"]) for log in warnings] == [("mimir", "a source holds several clusters")] * 2
    assert "set sources.mimir.matchLabels" in warnings[0]["advice"]
    assert told.counted == {"mimir": 3}


async def test_a_source_that_does_not_answer_is_asked_again_soon_and_counted_nowhere() -> None:
    told = Told()

    assert not await Lookout(told).look({"down": Source(Error("Timeout", "no answer"))}, {}, "eu-1")
    assert told.counted == {}


async def test_only_the_series_are_looked_at_that_presets_believe() -> None:
    source = Source([])
    await Lookout(Told()).look({"a": source}, {"a": {Exporter.KUBE_STATE_METRICS: {"job": "ksm"}}}, "")

    read = promql.selectors(source.asked[0])
    assert len(read) == 3
    assert all('job="ksm"' in one.text for one in read)


def test_the_presets_read_what_is_looked_at() -> None:
    needed = {
        selector.text.partition("{")[0]
        for one in questions()
        for selector in promql.selectors(promql.render(one.check().template, "shop", "checkout", "checkout-0"))
    }

    assert {one.text.partition("{")[0] for one in promql.selectors(QUESTION)} <= needed
