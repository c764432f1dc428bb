"""`salus get presets`: all that there is to know of one, and which of them a source can answer."""

import io
from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from salus.cli.app import app
from salus.cli.contract import CannotBeAsked, Exit
from salus.cli.look import catalogs, get_text
from salus.cli.look.preset_answers import answered
from salus.cli.metrics.about import About
from salus.cli.metrics.ask import Line, Metrics
from salus.cli.metrics.opening import Found
from salus.cli.metrics.place import Place, Settings
from salus.cli.metrics.proof import Proof
from salus.cli.metrics.ways import ByUrl
from salus.cli.reports.listing import PresetList
from salus.cli.show import Look, show
from salus.presets import load_presets
from tests.unit.cli.played import PlayedPrometheus, by_url

NOW = datetime(2026, 11, 30, tzinfo=UTC)
NAMES = "/api/v1/label/__name__/values"


@pytest.fixture
def prometheus() -> PlayedPrometheus:
    return PlayedPrometheus()


@pytest.fixture
async def found(prometheus: PlayedPrometheus) -> AsyncIterator[Found]:
    async with by_url(prometheus) as url:
        settings = Settings(name="it", url=url)
        way = ByUrl(settings)
        yield Found(
            Metrics(settings, Line(way), "shop"), Place(settings, "--prometheus"), About("Prometheus 3.7"), None
        )
        await way.close()


def text_of(report: PresetList) -> str:
    written = io.StringIO()
    show(report, Look(utc=True), get_text.presets, written)
    return written.getvalue()


async def said(found: Found, prometheus: PlayedPrometheus, there: Collection[str], *names: str) -> str:
    prometheus.say(NAMES, sorted(there))
    return text_of(await answered(catalogs.presets(names, NOW), found))


FDS = {"process_open_fds", "process_max_fds"}
UPDATES = {"kube_statefulset_status_update_revision", "kube_statefulset_status_current_revision"}
UPDATES |= {"kube_statefulset_status_replicas_updated"}


@pytest.mark.parametrize(
    ("preset", "there", "says"),
    [
        pytest.param("FileDescriptorsExhausted", FDS, ["✔ yes"], id="all that it needs is there"),
        pytest.param("FileDescriptorsExhausted", {"process_open_fds"}, ["✖ no", "process_max_fds"], id="one is not"),
        pytest.param(
            "UpdateStuck",
            UPDATES,
            ["▲ of a StatefulSet", "kube_daemonset_status_updated_number_scheduled and 2"],
            id="for one kind",
        ),
        pytest.param("ErrorRatio", {"istio_requests_total"}, ["✔ as istio"], id="in one vocabulary"),
        pytest.param("ErrorRatio", set(), ["✖ no", "each variant lacks metrics"], id="in no vocabulary"),
        pytest.param(
            "Unschedulable",
            {"kube_pod_info", *(f"kube_{kind}_status_replicas" for kind in ("deployment", "statefulset"))}
            | {"kube_daemonset_status_current_number_scheduled"},
            ["✔ yes"],
            id="what is absent while all is well is not needed",
        ),
    ],
)
async def test_whether_a_source_can_answer(
    preset: str, there: set[str], says: list[str], found: Found, prometheus: PlayedPrometheus
) -> None:
    told = await said(found, prometheus, there, preset, "ScrapeFailing")
    line = told[told.index(f"\n{preset} ") : told.index("\nScrapeFailing ")]

    assert all(one in line for one in says), line


async def test_all_are_asked_for_in_one_request(found: Found, prometheus: PlayedPrometheus) -> None:
    told = await said(found, prometheus, ["up"])

    assert [path for path, _ in prometheus.asked] == [NAMES]
    assert all(name in told for name in load_presets())
    assert max(map(len, told.splitlines())) <= 80


async def test_it_says_so_when_kube_state_metrics_keeps_no_labels(found: Found, prometheus: PlayedPrometheus) -> None:
    prometheus.say(NAMES, [])
    of_another = Found(found.metrics, found.place, found.about, Proof(honors_labels=False))
    told = text_of(await answered(catalogs.presets([], NOW), of_another))

    assert "kube-state-metrics is scraped without honor_labels" in told


async def test_a_source_that_does_not_say_is_an_error(found: Found, prometheus: PlayedPrometheus) -> None:
    prometheus.say(NAMES, 503)

    with pytest.raises(CannotBeAsked, match="does not say which metrics it has"):
        await answered(catalogs.presets([], NOW), found)


def test_check_is_of_presets_alone() -> None:
    ended = CliRunner().invoke(app, ["get", "reasons", "--check"])

    assert (ended.exit_code, ended.stdout) == (Exit.CANNOT, "")
    assert "--check is of presets" in ended.stderr


def test_one_preset_is_told_in_full() -> None:
    told = text_of(catalogs.presets(["UpdateStuck"], NOW))

    assert "kube_node_status_condition" in told
    assert "Doubts: An update that is meant to stop" in told
