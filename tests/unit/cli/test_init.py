"""`salus init`, its parts: what is taken for what, the ladder, the file that explains itself, and what is said."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from salus.cli.contract import CannotBeAsked
from salus.cli.init import anchors, files, wishes
from salus.cli.init.anchors import ANCHORS, Anchor
from salus.cli.init.asking import STEPS, Wanted, finest, widened
from salus.cli.init.candidates import Candidate, candidates, check_name
from salus.cli.init.discovery import Known
from salus.cli.init.drawing import drawing
from salus.cli.init.ladder import ladder
from salus.cli.init.policy_file import file_of
from salus.cli.init.surroundings import Surroundings, surroundings
from salus.cli.init.text import text
from salus.cli.init.vocabularies import VOCABULARIES, Vocabulary, is_its_own
from salus.cli.init.wishes import Said, wish
from salus.cli.init.workload import Proposer
from salus.cli.lint.finding import Wish, found_in
from salus.cli.lint.rule import Linted
from salus.cli.lint.subjects import from_files
from salus.cli.metrics.about import About
from salus.cli.metrics.ask import Line, Metrics
from salus.cli.metrics.opening import Found
from salus.cli.metrics.place import Place, Settings
from salus.cli.progress import Progress
from salus.cli.reports.lint import Level
from salus.cli.reports.metrics import AskedPrometheus
from salus.cli.reports.proposal import (
    Explained,
    ExplainedHalfHour,
    InitProposal,
    LeftOutCheck,
    PastIncident,
    ProposedCheck,
    ProposedFor,
    Seen,
)
from salus.cli.show import Look, screen
from salus.cli.validate import catalog_of, validate
from salus.core.learn.history import Span
from salus.core.policy.pod_names import pods
from salus.model.meta import WorkloadKind
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Error
from salus.presets import load_presets
from tests.builders import a_deployment_body, a_workload, an_hpa_body
from tests.fakes.cluster import FakeCluster
from tests.unit.cli.people import person

KEY = TargetKey("shop", WorkloadKind.DEPLOYMENT, "checkout")
NOW = datetime(2026, 11, 30, 18, tzinfo=UTC)
AROUND = Surroundings(KEY, a_deployment_body(), a_workload(), pods(KEY.kind, KEY.name), services=("checkout", "web"))
MINUTE = timedelta(minutes=1)


# --- what ties series to a workload

SELECTORS = [
    pytest.param(anchors.WORKLOAD, '{namespace="shop",deployment="checkout"}', id="a label that is the workload"),
    pytest.param(
        anchors.DESTINATION,
        '{destination_workload_namespace="shop",destination_workload="checkout"}',
        id="where a mesh sends to",
    ),
    pytest.param(anchors.POD, f'{{namespace="shop",pod=~"{AROUND.pods}"}}', id="the pod's name"),
    pytest.param(
        anchors.OTEL_POD, f'{{k8s_namespace_name="shop",k8s_pod_name=~"{AROUND.pods}"}}', id="the pod's name by OTLP"
    ),
    pytest.param(
        anchors.EXPORTED_SERVICE,
        '{exported_namespace="shop",exported_service=~"checkout|web"}',
        id="the Services before it",
    ),
    pytest.param(anchors.TRAEFIK, '{service=~"shop-(?:checkout|web)-.+@.+"}', id="the Service, as Traefik writes it"),
    pytest.param(anchors.ADDRESS, "", id="no address is known"),
]


@pytest.mark.parametrize(("anchor", "selector"), SELECTORS)
def test_what_ties_series_to_a_workload(anchor: Anchor, selector: str) -> None:
    assert anchor.selector(AROUND) == selector


def test_without_a_service_nothing_is_asked_of_gateways() -> None:
    alone = replace(AROUND, services=())

    assert [one.name for one in ANCHORS if not one.selector(alone)] == [
        "exported_service",
        "service",
        "service of Traefik",
        "envoy_cluster_name",
    ]


# --- vocabularies


@pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=lambda one: one.title)
def test_a_vocabulary_is_told_by_any_of_its_names(vocabulary: Vocabulary) -> None:
    for name in vocabulary.told_by:
        assert vocabulary.is_told_by({name})
    assert not vocabulary.is_told_by({"other_total"})


@pytest.mark.parametrize(
    ("vocabulary", "names"),
    [
        pytest.param(vocabulary, vocabulary.told_by, id=vocabulary.title)
        for vocabulary in VOCABULARIES
        if vocabulary.variant in load_presets()["ErrorRatio"].variants
    ],
)
def test_errors_are_asked_for_in_each_vocabulary(vocabulary: Vocabulary, names: Sequence[str]) -> None:
    for anchor in vocabulary.anchors:
        found = proposed({anchor.name: set(names[:1])})

        assert [one.variant for one in found if one.name == "error-ratio"] == [vocabulary.variant]


def proposed(names: Mapping[str, set[str]]) -> list[Candidate]:
    return candidates(load_presets(), Known(names), KEY.kind)


PARAMETERS = [
    pytest.param({"pod": {"http_requests_total"}}, {}, id="the usual names need no parameter"),
    pytest.param({"pod": {"gin_requests_total"}}, {"metric": "gin_requests_total"}, id="another name of the counter"),
    pytest.param(
        {"kubernetes_pod_name": {"http_requests_total"}},
        {"namespaceLabel": "kubernetes_namespace", "podLabel": "kubernetes_pod_name"},
        id="labels of the old scrape annotations",
    ),
    pytest.param(
        {"service": {"nginx_ingress_controller_requests"}},
        {"namespaceLabel": "namespace", "serviceLabel": "service"},
        id="a gateway that is scraped with honor_labels",
    ),
]


@pytest.mark.parametrize(("names", "given"), PARAMETERS)
def test_parameters_follow_from_what_there_is(names: Mapping[str, set[str]], given: Mapping[str, str]) -> None:
    (only,) = [one for one in proposed(names) if one.name == "error-ratio"]

    assert only.given == given


def test_of_two_vocabularies_that_of_the_callers_comes_first() -> None:
    both = {"pod": {"http_requests_total"}, "destination_workload": {"istio_requests_total"}}

    assert [one.variant for one in proposed(both) if one.name == "error-ratio"] == ["istio", "prometheus"]


def test_what_the_scraper_counts_of_itself_is_nothing_of_the_service() -> None:
    assert not proposed({"pod": {"promhttp_metric_handler_requests_total"}})
    assert not is_its_own("promhttp_metric_handler_requests_total")
    assert is_its_own("http_requests_total")


@pytest.mark.parametrize(
    ("preset", "name"),
    [
        pytest.param("ErrorRatio", "error-ratio", id="in lower case"),
        pytest.param("PodsCrashLooping", "crash-looping", id="without the pods that all of it is about"),
    ],
)
def test_a_check_is_called_after_its_preset(preset: str, name: str) -> None:
    assert check_name(preset) == name


def test_no_two_presets_give_checks_of_one_name() -> None:
    names = [check_name(preset) for preset in load_presets()]

    assert len(set(names)) == len(names)


# --- how finely the past is asked for


def test_the_past_is_asked_for_as_finely_as_the_requests_allow() -> None:
    checks = [one for one in proposed({"pod": {"http_requests_total"}}) if one.name == "error-ratio"]
    plenty, few = (Wanted(NOW - timedelta(days=14), NOW, requests=number) for number in (60, 2))

    assert finest(plenty, checks) == STEPS[0]
    assert finest(few, checks) == timedelta(minutes=2)


def test_a_long_range_holds_what_the_short_ones_within_it_hold() -> None:
    rates = [(60.0 * minute, float(minute)) for minute in range(20)]

    found = dict(widened(rates, MINUTE, 2 * MINUTE, 5 * MINUTE))

    assert found[600.0] == 300 * (10 + 9 + 8 + 7) / 4
    assert min(found) == 180.0, "before that there is not enough"


def test_what_lies_over_a_gap_is_not_said() -> None:
    rates = [(60.0 * minute, 1.0) for minute in range(20) if minute not in {10, 11}]

    found = dict(widened(rates, MINUTE, 2 * MINUTE, 5 * MINUTE))

    assert {at for at in found if 600 <= at < 900} == set()


# --- the document, as file and as text


def a_proposed_check(name: str = "error-ratio", **fields: Any) -> ProposedCheck:  # noqa: ANN401 — of the document
    usual: dict[str, Any] = {
        "name": name,
        "preset": "ErrorRatio",
        "variant": "prometheus",
        "parameters": {"range": "5m"},
        "metric": "http_requests_total",
        "tied_by": "pod",
        "kind": "failures",
        "unhealthy": "above 0.01",
        "healthy": "below 0.005",
        "own_bound": "above 0.05",
        "hold": "2m",
        "own_hold": "1m",
        "longest": "50s",
        "range": "5m",
        "volume": 300,
        "sure": "yes",
        "usual": 0.0003,
        "recurring": Seen(value=0.0021, at=NOW),
        "once": Seen(value=0.31, at=NOW),
        "helps": ("rollback",),
    }
    return ProposedCheck.model_validate({**usual, **fields})


FIXED = a_proposed_check(
    "crash-looping",
    preset="PodsCrashLooping",
    variant="",
    parameters={},
    unhealthy="above 0",
    own_bound="above 0",
    healthy="",
    hold="30s",
    own_hold="30s",
    longest="0s",
    range=None,
    volume=None,
    sure="fixed",
    kind="fixed",
)


def a_proposal(*checks: ProposedCheck, **fields: Any) -> InitProposal:  # noqa: ANN401 — of the document
    there = checks or (a_proposed_check(), FIXED)
    usual: dict[str, Any] = {
        "at": NOW,
        "cluster": "prod-eu",
        "name": "checkout",
        "made_by": "salus init 0.4.0",
        "person": "ines@example.com",
        "prometheus": AskedPrometheus(server="Prometheus 3.7", at="monitoring/prometheus:9090", way="the proxy"),
        "workload": ProposedFor(kind="Deployment", name="checkout", namespace="shop", replicas=6),
        "metrics": ("http_requests_total",),
        "window": "336h",
        "learned": "336h",
        "step": "30s",
        "checks": there,
        "remedies": tuple(ladder(there, AROUND)),
    }
    report = InitProposal.model_validate({**usual, **fields})
    return report.model_copy(update={"policy": file_of(report)})


def test_the_file_explains_each_number() -> None:
    said = a_proposal().policy

    assert said.startswith("# Made by salus init 0.4.0 on 2026-11-30, from 14d of prod-eu. It is yours now.\n")
    for line in (
        '    unhealthy: {above: "0.01"}',
        "the worst that came back on other days: 0.0021; times three (or 0.05 more), and at least 0.01",
        "half-way back to that",
        "the longest time beyond the bound that mended itself was 50s",
        "requests in 5m; with fewer, less than three failures are beyond the bound",
        "above 0 for 30s, whatever the past was like",
    ):
        assert line in said


def test_what_a_label_holds_cannot_leave_its_comment_or_its_quotes() -> None:
    nasty = 'x"\n  mode: Enforce\n#'
    check = a_proposed_check(parameters={"label": nasty}, doubts=(f"service: also {nasty}",), why=(nasty,))
    report = a_proposal(check, left_out=(LeftOutCheck(name="x", preset="X", reason="Y", message=nasty),))

    spec = yaml.safe_load(report.policy)["spec"]

    assert spec["mode"] == "Observe"
    assert spec["checks"][0]["with"]["label"] == nasty


def is_sound(tmp_path: Path, policy: str) -> None:
    """It passes `salus validate` and `salus lint --offline` without a finding."""
    file = tmp_path / "checkout.salus.yaml"
    file.write_text(policy)
    report = validate([str(file)], catalog_of(None), Progress(StringIO()))
    assert (report.findings, report.notes, report.unreadable, report.policies) == ([], [], [], 1)
    read = from_files([str(file)], catalog_of(None), "shop")
    linted = {index: Linted(one.policy) for index, one in enumerate(read.subjects) if one.policy is not None}
    found = found_in(read, linted, catalog_of(None), Wish(offline=True), NOW.date())
    assert [found.count(level) for level in Level] == [0, 0, 0]


def test_the_file_is_sound(tmp_path: Path) -> None:
    is_sound(tmp_path, a_proposal(verify_timeout="15m", source="", alerts=("CheckoutSlow",)).policy)


def shown(report: InitProposal) -> str:
    out = StringIO()
    look = Look(utc=True)
    screen(look, out).write(text(InitProposal.from_json(report.to_json()), screen(look, out)))
    return out.getvalue()


def test_what_a_person_reads() -> None:
    report = a_proposal(
        incidents=(PastIncident(start=NOW, end=NOW + 35 * MINUTE, checks=("error-ratio",)),),
        left_out=(LeftOutCheck(name="go", preset="Go", reason="FollowsTraffic", message="follows traffic, 0.93"),),
        warnings=("Git holds spec.template of Deployment/checkout: the rollback is advised, and not made",),
        file="checkout.salus.yaml",
        written=True,
    )

    said = shown(report)

    assert max(map(len, said.splitlines())) <= 80
    for words in (
        "Cluster    prod-eu, as ines@example.com",
        "error-ratio    0.0003  0.0021  0.31, 30 Nov  above 0.01  2m   yes",
        "crash-looping",
        "taken for past incidents: 30 Nov 18:00 to 18:35",
        "(not one? --no-incident 2026-11-30T18:00)",
        "left out: go (follows traffic, 0.93)",
        "Git holds spec.template",
        "Written checkout.salus.yaml: 2 checks, 2 remedies, mode Observe",
        "kubectl apply -f checkout.salus.yaml",
    ):
        assert words in said


def test_who_is_not_scraped_is_told_how_to_be() -> None:
    assert "PodMonitor" in shown(a_proposal(FIXED, metrics=()))
    assert "instance" in shown(a_proposal(FIXED, metrics=(), by_address=("http_requests_total",)))


def test_a_past_is_drawn_by_days_and_half_hours() -> None:
    fates = ["Once", "Recurs", "Cut", "Quiet"]
    halves = tuple(
        ExplainedHalfHour(start=NOW + 30 * MINUTE * index, worth=0.004 * index, fate=fate)
        for index, fate in enumerate(fates)
    )
    out = StringIO()
    paper = screen(Look(utc=True), out)
    paper.write(drawing(Explained(check="error-ratio", bound=0.01, half_hours=halves), paper))

    _, hours, day, *legend = out.getvalue().splitlines()
    assert day.startswith("Mon 30")
    assert day[hours.index("16") + 4 :] in {"▁▃✖", ".-X"}
    assert "the worst that came back: 0.004" in legend[0]


# --- the ladder


def of_helps(**helps: Sequence[str]) -> list[ProposedCheck]:
    return [a_proposed_check(name, helps=tuple(remedies)) for name, remedies in helps.items()]


LADDERS = [
    pytest.param(of_helps(a=["rollback"], b=["rollback"]), AROUND, "undo-release, tell-people", id="of all checks"),
    pytest.param(
        of_helps(a=["rollback"], b=["restart"]), AROUND, "undo-release(a), restart(b), tell-people", id="each its own"
    ),
    pytest.param(
        of_helps(a=["scale", "rollback"]),
        AROUND,
        "undo-release, #more-replicas, tell-people",
        id="a scaling nobody has set a maximum for is a comment",
    ),
    pytest.param(of_helps(a=["notify"]), AROUND, "tell-people", id="people always"),
]


@pytest.mark.parametrize(("checks", "around", "rungs"), LADDERS)
def test_the_ladder(checks: Sequence[ProposedCheck], around: Surroundings, rungs: str) -> None:
    said = [
        f"{'#' * one.is_comment}{one.name}{'(' + ','.join(one.checks) + ')' if one.checks else ''}"
        for one in ladder(checks, around)
    ]

    assert ", ".join(said) == rungs


# --- what surrounds it


def around_of(*bodies: Mapping[str, Any]) -> Surroundings:
    cluster = FakeCluster()
    for body in bodies:
        cluster.put(body)
    return asyncio.run(surroundings(person(cluster), KEY))


def test_an_autoscaler_says_how_many_there_may_be() -> None:
    around = around_of(a_deployment_body(), an_hpa_body(least=3, most=12))

    assert around.most_replicas == 12
    (scale,) = [one for one in ladder(of_helps(a=["scale"]), around) if one.action == "scale"]
    assert (scale.is_comment, scale.fields["max"]) == (False, "12")


def test_the_services_that_select_its_pods() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "shop", "name": "web"}}
    mine, other = ({**service, "spec": {"selector": {"app": app}}} for app in ("checkout", "cart"))
    other = {**other, "metadata": {"namespace": "shop", "name": "other"}}

    assert around_of(a_deployment_body(), mine, other).services == ("web",)


# --- a source that goes away


@dataclass
class Leaving:
    """The way to a Prometheus that tells which series there are, and is gone when it is asked for their past."""

    async def get(self, path: str, asked: Mapping[str, str], namespace: str) -> tuple[int, bytes] | Error:
        del asked, namespace
        data: object = ["http_requests_total", "kube_pod_info"] if path.endswith("/values") else []
        vector = {"resultType": "vector", "result": []}
        return 200, orjson.dumps({"status": "success", "data": vector if path.endswith("/query") else data})

    async def courses(self, query: str, span: object, namespace: str) -> Error:
        del query, span, namespace
        return Error("Unreachable", "connection refused")

    async def close(self) -> None: ...


async def test_what_was_not_answered_is_never_taken_for_missing() -> None:
    cluster = FakeCluster()
    cluster.put(a_deployment_body())
    settings = Settings(name="it", url="http://127.0.0.1:9", timeout=MINUTE)
    found = Found(Metrics(settings, Line(Leaving()), "shop"), Place(settings, "--prometheus"), About(), None)

    with pytest.raises(CannotBeAsked, match="went away midway"):
        await Proposer(person(cluster), "ada", found, NOW, wish(TWO_WEEKS)).of(KEY)


# --- the file that is written


def test_a_file_that_says_the_same_is_as_good_as_written(tmp_path: Path) -> None:
    file = tmp_path / "checkout.salus.yaml"
    files.write(file, "# made yesterday\na: 1\n")

    assert files.is_as_it_would_be(file, "# made today\na: 1\n")
    assert not files.is_as_it_would_be(tmp_path / "other", "a: 1\n")


def test_a_file_that_differs_is_left_and_the_difference_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "checkout.salus.yaml"
    files.write(file, "# made yesterday\na: 1\n")

    with pytest.raises(CannotBeAsked) as refused:
        files.is_as_it_would_be(file, "# made today\na: 2\n")

    assert "-a: 1\n+a: 2" in dict(refused.value.facts)["differs"]
    assert file.read_text() == "# made yesterday\na: 1\n"


@pytest.mark.parametrize(
    ("to", "path"),
    [
        pytest.param("", "checkout.salus.yaml", id="here"),
        pytest.param("deploy/", "deploy/checkout.salus.yaml", id="in a folder, be it there or not"),
        pytest.param("x.yaml", "x.yaml", id="as it was said"),
    ],
)
def test_where_it_is_written(to: str, path: str) -> None:
    assert files.file_for("checkout", to) == Path(path)


# --- what was typed

TWO_WEEKS = Said(window=timedelta(days=14), utc=True)


def test_times_that_a_person_names() -> None:
    said = replace(TWO_WEEKS, incidents=("2026-11-21T15:00/16:00",), not_incidents=("2026-11-22T10:00",))

    found = wish(said)

    assert found.incidents == [Span(datetime(2026, 11, 21, 15, tzinfo=UTC), datetime(2026, 11, 21, 16, tzinfo=UTC))]
    assert found.choice.not_incidents == [datetime(2026, 11, 22, 10, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        pytest.param(replace(TWO_WEEKS, incidents=("2026-11-21",)), "has no end", id="half an incident"),
        pytest.param(replace(TWO_WEEKS, incidents=("2026-11-21/2026-11-20",)), "ends before it begins", id="backwards"),
        pytest.param(replace(TWO_WEEKS, window=timedelta(minutes=1)), "--window", id="a window of a minute"),
    ],
)
def test_what_cannot_be_meant(said: Said, words: str) -> None:
    with pytest.raises(CannotBeAsked, match=words):
        wishes.wish(said)


def test_a_check_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(CannotBeAsked) as refused:
        wish(replace(TWO_WEEKS, only=("errors",))).choice.refuse_unknown()

    assert "error-ratio" in dict(refused.value.facts)["knows"]
