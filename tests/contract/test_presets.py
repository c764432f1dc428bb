"""Each preset over the series of its exporter, in a real Prometheus: the table, and what holds for all of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from salus.cli.look.catalogs import presets as presets_told
from salus.cli.look.preset_answers import answered
from salus.cli.metrics.about import About
from salus.cli.metrics.ask import Line as Line_
from salus.cli.metrics.ask import Metrics
from salus.cli.metrics.opening import Found as Asked
from salus.cli.metrics.place import Place as At
from salus.cli.metrics.ways import ByUrl
from salus.core.health.evaluate import Reading, evaluate
from salus.core.policy import promql
from salus.core.policy.exporters import Exporter, Trusted
from salus.core.policy.pod_names import pods
from salus.model.meta import WorkloadKind
from salus.model.policy import Verdict
from salus.model.values.metrics import Answer, CheckState, Finding
from salus.model.values.policies import CompiledCheck
from salus.sources.prometheus import PrometheusSource
from tests.compat.servers import Server, started
from tests.contract.preset_courses import REACHES_BACK
from tests.contract.preset_series import kube_state_metrics
from tests.contract.preset_states import BLIND, ILL, STATES, WELL, Case, Line, Place
from tests.contract.preset_table import TABLE
from tests.contract.preset_table_kubernetes import FINE
from tests.contract.source_prometheus import PrometheusRig, metric_name, settings
from tests.contract.source_prometheus import question as a_question
from tests.presets import question, questions
from tools.devcluster.remote_write import Series

INTERVAL = timedelta(seconds=15)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = started(tmp_path_factory.mktemp("prometheus"), out_of_order=REACHES_BACK)
    yield running
    running.stop()


@pytest.fixture
async def prometheus(kept: Server) -> AsyncIterator[PrometheusRig]:
    async with PrometheusSource(settings(kept.url)) as source:
        yield PrometheusRig(kept, source)


def write(server: Server, lines: Iterable[Line]) -> None:
    """Each series over the last minutes."""
    now = time.time()
    server.push(Series(line.name, line.labels, tuple(line.samples(now))) for line in lines)


async def found(source: PrometheusSource, check: CompiledCheck, namespace: str, kind: WorkloadKind) -> Finding:
    """What the check says of `api`, without its `for`."""
    names = pods(kind, "api")
    asked = [a_question(promql.render(one, namespace, "api", names), namespace=namespace) for one in check.templates]
    answers: list[Answer] = list(await source.ask(asked))
    reading = Reading(asked[0].query, answers[0], datetime.now(UTC), *answers[1:])
    return evaluate(replace(check, hold=timedelta(0)), reading, CheckState(), INTERVAL)[0]


@dataclass(frozen=True, slots=True)
class Played:
    """What came of the table. All cases of a preset are played at once, when the first of them is asked for."""

    server: Server
    found: dict[str, Finding] = field(default_factory=dict)

    def of(self, case: Case) -> Finding:
        """What the check said."""
        if str(case) not in self.found:
            preset = case.question.preset
            asyncio.run(self._play([one for one in TABLE if one.question.preset is preset]))
        return self.found[str(case)]

    async def _play(self, cases: Sequence[Case]) -> None:
        placed = {metric_name().replace("_", "-"): case for case in cases}
        write(self.server, (line for place, case in placed.items() for line in case.told.lines(place, case.kind)))
        async with PrometheusSource(settings(self.server.url)) as source:
            for place, case in placed.items():
                check = case.question.check(case.told.given)
                self.found[str(case)] = await found(source, check, place, case.kind)


@pytest.fixture(scope="module")
def played(kept: Server) -> Played:
    return Played(kept)


@pytest.mark.parametrize("case", TABLE, ids=str)
def test_says_what_the_workload_is_like(played: Played, case: Case) -> None:
    told, finding = case.told, played.of(case)

    assert finding.verdict is case.verdict, finding.message
    if finding.verdict in {Verdict.HEALTHY, Verdict.UNHEALTHY}:
        assert finding.value == pytest.approx(told.value, abs=told.within)
    if finding.verdict is Verdict.UNKNOWN:
        assert (finding.reason, finding.without_data) == (told.reason, True)


def test_the_table_has_every_state_of_every_question() -> None:
    there = {(str(case.question), case.told.state) for case in TABLE}

    assert {(str(one), state) for one in questions() for state in STATES} <= there


def test_no_two_rows_are_called_the_same() -> None:
    assert len({str(case) for case in TABLE}) == len(TABLE)


def test_the_states_are_what_they_are_called() -> None:
    called = {WELL: Verdict.HEALTHY, ILL: Verdict.UNHEALTHY, BLIND: Verdict.UNKNOWN}

    wrong = [str(case) for case in TABLE if case.verdict is not called.get(case.told.state, case.verdict)]
    assert wrong == []


async def test_nothing_is_known_without_its_exporter(prometheus: PrometheusRig) -> None:
    findings = {
        str(asked): await found(prometheus.source, asked.check(), "nowhere", asked.kind) for asked in questions()
    }

    said = {asked: (finding.verdict, finding.reason) for asked, finding in findings.items()}
    assert said == dict.fromkeys(said, (Verdict.UNKNOWN, "NoSeries"))


@pytest.mark.parametrize(
    ("trusted", "value"),
    [
        pytest.param({}, 0.002, id="whoever exports it, if nobody says whom to believe"),
        pytest.param({Exporter.KUBE_STATE_METRICS: {"job": "kube-state-metrics"}}, 1.0, id="only who is trusted"),
        pytest.param({Exporter.KUBE_STATE_METRICS: {"job": "elsewhere"}}, None, id="nobody, if none is trusted"),
    ],
)
async def test_a_forged_series_does_not_cross_the_bound(
    prometheus: PrometheusRig, trusted: Trusted, value: float | None
) -> None:
    place = Place(metric_name().replace("_", "-"), WorkloadKind.DEPLOYMENT)
    write(
        prometheus.server,
        [
            *(replace(line, labels={**line.labels, "job": "kube-state-metrics"}) for line in FINE(place)),
            Line("kube_deployment_spec_replicas", {**place.label, "job": "evil"}, 1000.0),
        ],
    )
    check = question("Unavailable", place.kind).check(trusted=trusted)

    finding = await found(prometheus.source, check, place.namespace, place.kind)

    assert finding.value == value
    assert (finding.verdict is Verdict.UNHEALTHY) == (not trusted)


@pytest.mark.parametrize("preset", ["NotReady", "MemoryNearLimit", "ErrorRatio"])
async def test_whether_a_source_can_answer_is_told_by_the_names_of_its_series(
    prometheus: PrometheusRig, preset: str
) -> None:
    """`salus get presets --check`: what is seen of a well workload suffices for its preset, and for no other."""
    mark, place = metric_name(), Place(metric_name().replace("_", "-"), WorkloadKind.DEPLOYMENT)
    well = next(case for case in TABLE if case.question.preset.name == preset and case.told.state == WELL)
    lines = [replace(line, labels={**line.labels, "cluster": mark}) for line in well.told.rows(place)]
    write(prometheus.server, lines)
    at = settings(prometheus.server.url)
    way = ByUrl(at)
    metrics = Metrics(at, Line_(way)).bound({"cluster": mark})

    report = await answered(presets_told([], datetime.now(UTC)), Asked(metrics, At(at, "by hand"), About(), None))

    can = {
        one.name
        for one in report.items
        for variant in one.variants
        if not (variant.lacks or {}).get("Deployment", ["all"])
    }
    assert preset in can
    assert "VolumeFilling" not in can
    await way.close()


async def test_a_pod_that_came_back_under_its_name_is_another(prometheus: PrometheusRig) -> None:
    """A StatefulSet's: what its predecessor waited for does not count."""
    place = Place(metric_name().replace("_", "-"), WorkloadKind.STATEFUL_SET, pods=1)
    waited = kube_state_metrics(waiting=[(0, "CrashLoopBackOff")], gone=[0])
    old = [replace(line, labels={**line.labels, "uid": "old"}) for line in waited(place) if "waiting" in line.name]
    write(prometheus.server, [*old, *FINE(place)])

    finding = await found(
        prometheus.source, question("PodsCrashLooping", place.kind).check(), place.namespace, place.kind
    )

    assert finding.value == 0.0
