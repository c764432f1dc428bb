"""`salus init` on a real Prometheus, with series that carry what a usual one gives them: what it proposes answers.

The cluster is one of values; what is proposed is asked of the Prometheus once more, as the operator would.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from salus.cli.app import app
from salus.cli.lint.finding import Wish, found_in
from salus.cli.lint.rule import Linted
from salus.cli.lint.subjects import from_files
from salus.cli.progress import Progress
from salus.cli.reports.lint import Level
from salus.cli.validate import catalog_of, validate
from salus.core.health.evaluate import Reading, evaluate
from salus.core.policy.compile import compile_policy
from salus.model.meta import WorkloadKind
from salus.model.policy import Verdict
from salus.model.values.metrics import CheckState
from salus.reconcile.observe.measure import question
from salus.sources.prometheus import PrometheusSource
from tests.contract.init_world import (
    DAY,
    HOUR,
    Counted,
    InitWorld,
    Rate,
    an_init_world,
    counters,
    of_cluster,
    push,
    push_levels,
    scraped,
)
from tests.contract.preset_states import Place
from tests.contract.preset_words import VOCABULARIES, Vocabulary
from tests.contract.source_prometheus import metric_name, settings
from tools.devcluster.programs import find
from tools.devcluster.prometheus import Prometheus

DEPLOYMENT, STATEFUL_SET = WorkloadKind.DEPLOYMENT, WorkloadKind.STATEFUL_SET
WORDS = {words.variant: words for words in VOCABULARIES}
HALF_A_DAY = 0.5
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    running = Prometheus(find(["prometheus"])["prometheus"], tmp_path_factory.mktemp("it"), out_of_order="20d")
    running.start()
    scraped(running)
    yield running
    running.stop()


@pytest.fixture
def world(server: Prometheus, tmp_path: Path) -> Iterator[InitWorld]:
    with an_init_world(server, tmp_path) as found:
        yield found


def a_place(kind: WorkloadKind = DEPLOYMENT) -> Place:
    return Place(metric_name().replace("_", "-"), kind)


def rarely(age: float) -> float:
    """One in two thousand fails."""
    return 0.0005 if age >= 0 else 1.0


def run(world: InitWorld, place: Place, *more: str) -> Result:
    short = {DEPLOYMENT: "deploy", STATEFUL_SET: "sts", WorkloadKind.DAEMON_SET: "ds"}[place.kind]
    arguments = ["init", f"{short}/{place.name}", *world.where(place.namespace), *more]
    ended = CliRunner().invoke(app, arguments, prog_name="salus", env={"COLUMNS": "80"})
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.output
    return ended


def proposed(world: InitWorld, place: Place, *more: str) -> Mapping[str, Any]:
    ended = run(world, place, "-o", "json", *more)
    assert ended.stdout, ended.stderr
    found: Mapping[str, Any] = json.loads(ended.stdout)
    return found


def by_name(report: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    return {one["name"]: one for one in report["checks"]}


def is_sound(policy: str, folder: Path) -> None:
    """It passes `salus validate` and `salus lint --offline` without a finding."""
    file = folder / "it.salus.yaml"
    file.write_text(policy)
    report = validate([str(file)], catalog_of(None), Progress(StringIO()))
    assert (report.findings, report.notes, report.unreadable, report.policies) == ([], [], [], 1)
    read = from_files([str(file)], catalog_of(None), "shop")
    linted = {index: Linted(one.policy) for index, one in enumerate(read.subjects) if one.policy is not None}
    found = found_in(read, linted, catalog_of(None), Wish(offline=True), datetime.now(UTC).date())
    assert [found.count(level) for level in Level] == [0, 0, 0], found.files


def verdicts(server: Prometheus, policy: str, place: Place) -> Mapping[str, Verdict]:
    """What the operator would find now."""
    compiled = compile_policy(yaml.safe_load(policy), catalog_of(None))

    async def asked() -> Mapping[str, Verdict]:
        found = {}
        async with PrometheusSource(settings(server.url, name="default")) as source:
            for check in compiled.checks:
                asks = [question(compiled, check, place.key, template) for template in check.templates]
                answers = await source.ask(asks)
                reading = Reading(asks[0].query, answers[0], datetime.now(UTC), *answers[1:])
                found[check.name] = evaluate(check, reading, CheckState(), compiled.spec.interval)[0].verdict
        return found

    return asyncio.run(asked())


KINDS = [pytest.param(words, DEPLOYMENT, id=words.variant) for words in VOCABULARIES] + [
    pytest.param(WORDS["prometheus"], STATEFUL_SET, id="prometheus, of a StatefulSet"),
    pytest.param(WORDS["linkerd"], WorkloadKind.DAEMON_SET, id="linkerd, of a DaemonSet"),
]


@pytest.mark.parametrize(("words", "kind"), KINDS)
def test_what_is_proposed_in_each_vocabulary_answers(
    world: InitWorld, words: Vocabulary, kind: WorkloadKind, tmp_path: Path
) -> None:
    place = a_place(kind)
    world.put(place)
    push(world.server, counters(words, place, rarely), HALF_A_DAY)
    push_levels(world.server, of_cluster(place), HALF_A_DAY)

    report = proposed(world, place, "--no-replay")

    checks = by_name(report)
    assert {checks[name]["variant"] for name in ("error-ratio", "slow-requests")} == {words.variant}
    assert checks["error-ratio"]["usual"] == pytest.approx(0.0005, rel=0.05)
    assert checks["slow-requests"]["usual"] == pytest.approx(0.005, rel=0.05)
    assert {"crash-looping", "unavailable"} <= set(checks)
    assert set(verdicts(world.server, report["policy"], place).values()) == {Verdict.HEALTHY}
    is_sound(report["policy"], tmp_path)
    assert report["requests"] <= 60


def test_two_weeks_with_an_incident(world: InitWorld, tmp_path: Path) -> None:
    """A bound is learned, the incident is cut out, and the rehearsal acts on it alone."""
    place, at = a_place(), 3 * DAY

    def failing(age: float) -> float:
        return 0.31 if at < age < at + HOUR / 2 else 0.0007

    world.put(place)
    push(world.server, counters(WORDS["prometheus"], place, failing), 14)
    push_levels(world.server, of_cluster(place), 14)
    file = tmp_path / "checkout.yaml"

    ended = run(world, place, "--to", str(file), "--yes")

    assert ended.exit_code == 0, ended.output
    assert re.search(r"^error-ratio +0.0007 +0.0007 +0.31, \d+ \w+ +above 0.01 +\dm +yes$", ended.stdout, re.MULTILINE)
    assert "taken for past incidents: " in ended.stdout
    assert re.search(
        r"error-ratio 0.3\d* > 0.01 for \d+m +→ refused Rollback: NoKnownGoodRelease; Notify",
        ended.stdout.replace("\n", " "),
    ), ended.stdout
    assert f"Written{file}:" in "".join(ended.stdout.split())
    is_sound(file.read_text(), tmp_path)

    normal = proposed(world, place, "--only", "error-ratio", "--no-replay", "--no-incident", _moment(at + HOUR / 4))
    assert by_name(normal).get("error-ratio", {}).get("unhealthy") != "above 0.01"


def _moment(age: float) -> str:
    return f"{datetime.now(UTC) - timedelta(seconds=age):%Y-%m-%dT%H:%M:%SZ}"


def test_requests_of_probes_are_told(world: InitWorld) -> None:
    place = a_place()
    world.put(place)
    push_levels(world.server, of_cluster(place), 0.02)
    shares = {"/orders": 0.8, "/healthz": 0.2}
    asked = [
        Counted(one.name, {**one.labels, "handler": path}, by(one.rate, share))
        for one in counters(WORDS["prometheus"], place, rarely)
        for path, share in shares.items()
    ]
    push(world.server, asked, 0.05)

    (doubt,) = by_name(proposed(world, place, "--no-replay"))["error-ratio"]["doubts"]

    assert doubt == "20% of the requests ask for /healthz, by probes or scrapers: count without them"


def by(rate: Rate, share: float) -> Rate:
    return lambda age: rate(age) * share


def test_pods_that_nobody_scrapes(world: InitWorld, tmp_path: Path) -> None:
    place = a_place()
    world.put(place)
    push_levels(world.server, of_cluster(place), HALF_A_DAY)

    ended = run(world, place, "--to", f"{tmp_path}/", "--yes", "--no-replay")

    assert ended.exit_code == 1
    assert "no series of its own" in ended.stdout
    assert "PodMonitor" in ended.stdout
    policy = (tmp_path / "api.salus.yaml").read_text()
    assert "ErrorRatio" not in policy
    assert "PodsCrashLooping" in policy
    is_sound(policy, tmp_path)


@pytest.mark.parametrize("days", [pytest.param(0.1, id="some hours"), pytest.param(0.005, id="some minutes")])
def test_too_short_a_past_leaves_the_presets_own_bounds(world: InitWorld, days: float) -> None:
    place = a_place()
    world.put(place)
    push(world.server, counters(WORDS["prometheus"], place, rarely), days)
    push_levels(world.server, of_cluster(place), days)

    report = proposed(world, place, "--no-replay")

    errors = by_name(report)["error-ratio"]
    assert (errors["sure"], errors["unhealthy"]) == ("no", "above 0.05")
    assert "days of history; 3 are needed" in errors["why"][0]


def test_series_of_two_clusters_are_not_learned_from(world: InitWorld) -> None:
    place = a_place()
    world.put(place)
    for cluster in ("eu", "us"):
        mine = [counted.in_cluster(cluster) for counted in counters(WORDS["prometheus"], place, rarely)]
        push(world.server, mine, 0.1)
    push_levels(world.server, of_cluster(place), 0.1)

    report = proposed(world, place, "--no-replay")

    reasons = {one["name"]: one["reason"] for one in report["leftOut"]}
    assert reasons["error-ratio"] in {"MixedSeries", "SeveralSeries"}
    assert any("series of several clusters" in one for one in report["warnings"])


def test_what_the_first_hour_says_to_type(world: InitWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commands, as far as they need no terminal and no operator, by a Prometheus that is named."""
    place, namespace = Place(metric_name().replace("_", "-"), DEPLOYMENT, "checkout"), "shop"
    world.put(place)
    push(world.server, counters(WORDS["prometheus"], place, rarely), HALF_A_DAY)
    push_levels(world.server, of_cluster(place), HALF_A_DAY)
    monkeypatch.chdir(tmp_path)
    where = {"init": ["--yes"], "lint": [], "replay": []}

    for command in commands_of(ROOT / "docs/tutorials/first-hour.md"):
        words = [place.namespace if word == namespace else word for word in command.split("#")[0].split()[1:]]
        if words[0] in {"demo", "status"}:  # tried elsewhere: by itself, and with an operator
            continue
        leads = [one for one in world.where(place.namespace) if one not in {"-n", place.namespace}]
        more = [*where[words[0]], *leads] if words[0] in where else []
        ended = CliRunner().invoke(app, [*words, *more], prog_name="salus")
        assert ended.exit_code == 0, f"{command}: {ended.output}"
    assert (tmp_path / "checkout.salus.yaml").exists()


def commands_of(document: Path) -> list[str]:
    """What it says to type of salus."""
    blocks = re.findall(r"```sh\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("salus ")]


def test_the_name_that_somebody_may_have_meant(world: InitWorld) -> None:
    place = a_place()
    world.put(place)
    push_levels(world.server, of_cluster(place), 0.01)

    ended = run(world, Place(place.namespace, DEPLOYMENT, "apii"), "--yes")

    assert ended.exit_code == 2
    assert "there is no Deployment apii" in ended.stderr
    assert "like it   api" in ended.stderr


def test_a_file_that_is_there_is_left_and_differs(world: InitWorld, tmp_path: Path) -> None:
    place = a_place()
    world.put(place)
    push_levels(world.server, of_cluster(place), 0.01)
    file = tmp_path / "api.salus.yaml"
    file.write_text("# mine\n")

    refused = run(world, place, "--to", str(file), "--yes", "--no-replay")
    assert (refused.exit_code, file.read_text()) == (2, "# mine\n")
    assert "--force" in refused.stderr

    run(world, place, "--to", str(file), "--yes", "--no-replay", "--force")
    assert "kind: HealthPolicy" in file.read_text()


def test_a_summary_of_all_workloads(world: InitWorld, tmp_path: Path) -> None:
    place = a_place()
    others = [place, Place(place.namespace, STATEFUL_SET, "api"), Place(place.namespace, DEPLOYMENT, "web")]
    for one in others:
        world.put(one)
        push_levels(world.server, of_cluster(one), 0.01)
    arguments = ["init", "--all", *world.where(place.namespace), "--yes", "--to", str(tmp_path)]

    ended = CliRunner().invoke(app, arguments, prog_name="salus")

    assert ended.exit_code == 1, "none of them is scraped"
    files = tmp_path.glob("*.salus.yaml")
    written = {file.name: yaml.safe_load(file.read_text())["metadata"]["name"] for file in files}
    assert written == {
        "api-deployment.salus.yaml": "api-deployment",
        "api-statefulset.salus.yaml": "api-statefulset",
        "web.salus.yaml": "web",
    }
