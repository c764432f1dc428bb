"""From an answer to a verdict: thresholds, hysteresis, `for`, and what no data means."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.core.health.evaluate import Reading, Told, evaluate, past_of, recall, stale_after
from salus.core.health.timing import has_lasted
from salus.model.policy import Verdict
from salus.model.values.metrics import Answer, CheckState, Error, Finding, NoData, Past, Sample, Value
from salus.model.values.policies import CompiledCheck
from tests.builders import INTERVAL, NOW, a_check, later, seconds

HEALTHY, UNHEALTHY, UNKNOWN = Verdict.HEALTHY, Verdict.UNHEALTHY, Verdict.UNKNOWN
EMPTY = NoData("NoSeries", "the query gives no series", empty=True)
LOST = Error("Timeout", "no answer within 5s")

Moment = tuple[float, float | Answer]
"""Seconds after NOW, and a value or another answer."""


def answered(moment: Moment) -> tuple[datetime, Answer]:
    at, given_ = later(moment[0]), moment[1]
    return at, Value(given_, at) if isinstance(given_, int | float) else given_


def fold(
    check: CompiledCheck, moments: Iterable[Moment], memory: CheckState | None = None
) -> tuple[list[Finding], CheckState]:
    """Every finding on the way, and what is remembered at the end."""
    findings, memory = [], memory or CheckState()
    for at, answer in map(answered, moments):
        finding, memory = evaluate(check, Reading("errors", answer, at), memory, INTERVAL)
        findings.append(finding)
    return findings, memory


def verdicts(check: CompiledCheck, moments: Iterable[Moment]) -> list[Verdict]:
    return [finding.verdict for finding in fold(check, moments)[0]]


def every(step: float, *values: float | Answer) -> list[Moment]:
    return [(index * step, value) for index, value in enumerate(values)]


ABOVE = a_check(above=0.05)
BELOW = a_check(below=10)
BAND = a_check(above=0.05, healthy_below=0.02)
LOW_BAND = a_check(below=10, healthy_above=20)
MINUTE = a_check(above=0.05, hold=60)


@pytest.mark.parametrize(
    ("check", "value", "verdict"),
    [
        pytest.param(ABOVE, 0.06, UNHEALTHY, id="a value above the bound is unhealthy"),
        pytest.param(ABOVE, 0.05, HEALTHY, id="the bound itself is still inside (above)"),
        pytest.param(ABOVE, 0.0500001, UNHEALTHY, id="the least bit above the bound is beyond it"),
        pytest.param(ABOVE, 0.0, HEALTHY, id="zero is a value like any other"),
        pytest.param(ABOVE, -1.0, HEALTHY, id="a negative value is not above"),
        pytest.param(BELOW, 9.0, UNHEALTHY, id="a value below the bound is unhealthy"),
        pytest.param(BELOW, 10.0, HEALTHY, id="the bound itself is still inside (below)"),
        pytest.param(BELOW, 0.0, UNHEALTHY, id="zero is below ten"),
        pytest.param(BELOW, 11.0, HEALTHY, id="a value over a lower bound is healthy"),
        pytest.param(a_check(above=0), 0.0, HEALTHY, id="zero is not above a bound of zero"),
        pytest.param(a_check(above=0), 1.0, UNHEALTHY, id="one is above a bound of zero"),
        pytest.param(a_check(below=0), 0.0, HEALTHY, id="zero is not below a bound of zero"),
        pytest.param(a_check(above=-5), -4.0, UNHEALTHY, id="a negative bound counts as written"),
    ],
)
def test_a_value_against_its_bound(check: CompiledCheck, value: float, verdict: Verdict) -> None:
    assert verdicts(check, [(0, value)]) == [verdict]


@pytest.mark.parametrize(
    ("check", "values", "expected"),
    [
        pytest.param(BAND, [0.03], [HEALTHY], id="the band is healthy before any breach"),
        pytest.param(BAND, [0.06, 0.03], [UNHEALTHY, UNHEALTHY], id="the band stays unhealthy after a breach"),
        pytest.param(BAND, [0.06, 0.02], [UNHEALTHY, UNHEALTHY], id="the clearing bound itself does not clear"),
        pytest.param(BAND, [0.06, 0.019], [UNHEALTHY, HEALTHY], id="beyond the clearing bound is healthy again"),
        pytest.param(BAND, [0.06, 0.01, 0.03], [UNHEALTHY, HEALTHY, HEALTHY], id="once clear, the band is healthy"),
        pytest.param(BAND, [0.06, 0.03, 0.06, 0.03], [UNHEALTHY] * 4, id="in and out of the band stays unhealthy"),
        pytest.param(LOW_BAND, [5, 15, 20, 21], [UNHEALTHY] * 3 + [HEALTHY], id="a band over a lower bound"),
        pytest.param(ABOVE, [0.06, 0.05], [UNHEALTHY, HEALTHY], id="without a band the bound itself clears"),
    ],
)
def test_hysteresis(check: CompiledCheck, values: list[float], expected: list[Verdict]) -> None:
    assert verdicts(check, every(15, *values)) == expected


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        pytest.param([(0, 1), (15, 1), (30, 1), (45, 1)], [HEALTHY] * 4, id="not yet just before its time"),
        pytest.param([(0, 1), (30, 1), (60, 1)], [HEALTHY, HEALTHY, UNHEALTHY], id="exactly at its time"),
        pytest.param([(0, 1), (30, 1), (59.5, 1)], [HEALTHY] * 2 + [UNHEALTHY], id="as early as a tick may come"),
        pytest.param([(0, 1), (30, 1), (59.499, 1)], [HEALTHY] * 3, id="not a millisecond earlier"),
        pytest.param([(0, 1), (70, 1)], [HEALTHY, UNHEALTHY], id="at the first reading after its time"),
        pytest.param(every(15, 1, 1, 0, 1, 1, 1, 1), [HEALTHY] * 7, id="a healthy reading in between starts anew"),
        pytest.param(every(15, 1, 1, 0, 1, 1, 1, 1, 1), [HEALTHY] * 7 + [UNHEALTHY], id="and anew means in full"),
        pytest.param([(0, 1), (30, LOST), (60, 1)], [HEALTHY, UNKNOWN, UNHEALTHY], id="an Unknown does not reset"),
        pytest.param(
            [(0, 1), (45, 1), (60, LOST), (75, LOST)],
            [HEALTHY, HEALTHY, UNKNOWN, UNKNOWN],
            id="an Unknown at its time does not fire",
        ),
        pytest.param(
            [(0, LOST), (15, LOST), (30, LOST), (45, LOST), (60, LOST), (75, 1)],
            [UNKNOWN] * 5 + [HEALTHY],
            id="time spent Unknown before the first breach does not count",
        ),
        pytest.param([(0, 1), (120, 1)], [HEALTHY, UNHEALTHY], id="the longest gap that is vouched for"),
        pytest.param([(0, 1), (121, 1)], [HEALTHY, HEALTHY], id="a gap too long to vouch for starts anew"),
        pytest.param([(0, 1), (121, 1), (181, 1)], [HEALTHY, HEALTHY, UNHEALTHY], id="and fires a full time later"),
        pytest.param(
            [(0, 1), (60, LOST), (119, LOST), (121, 1)],
            [HEALTHY, UNKNOWN, UNKNOWN, HEALTHY],
            id="Unknown readings do not bridge a gap",
        ),
        pytest.param([(100, 1), (0, 1), (59, 1)], [HEALTHY] * 3, id="a clock that goes back starts anew"),
        pytest.param([(100, 1), (0, 1), (60, 1)], [HEALTHY, HEALTHY, UNHEALTHY], id="and counts from there"),
        pytest.param([(0, 1), (60, 1), (0, 1)], [HEALTHY, UNHEALTHY, HEALTHY], id="a breach ends with a clock reset"),
        pytest.param(
            [(0, 1), (60, 1), (75, LOST), (90, 1)],
            [HEALTHY, UNHEALTHY, UNKNOWN, UNHEALTHY],
            id="a breach that fired goes on after an Unknown",
        ),
        pytest.param(
            [(0, 1), (60, 1), (75, 0), (90, 1)],
            [HEALTHY, UNHEALTHY, HEALTHY, HEALTHY],
            id="a second breach has to hold again",
        ),
    ],
)
def test_for_one_minute(moments: list[Moment], expected: list[Verdict]) -> None:
    assert verdicts(MINUTE, moments) == expected


def test_for_fires_exactly_once() -> None:
    """A breach of two minutes in readings of 15 s: one change from healthy to unhealthy, and it is the fifth."""
    seen = verdicts(MINUTE, every(15, *[1] * 9))

    assert [index for index, (one, next_one) in enumerate(pairwise(seen)) if one != next_one] == [3]


@pytest.mark.parametrize(
    ("lasted", "wanted", "expected"),
    [
        pytest.param(60, 60, True, id="exactly as long"),
        pytest.param(59.5, 60, True, id="half a second short, as ticks are"),
        pytest.param(59.4, 60, False, id="more than half a second short"),
        pytest.param(0.9, 1, True, id="a tenth short of a short time"),
        pytest.param(0.8, 1, False, id="more than a tenth short of a short time"),
        pytest.param(0, 0, True, id="nothing lasts as long as nothing"),
        pytest.param(-1, 0, False, id="what begins later has not lasted"),
    ],
)
def test_how_long_is_long_enough(lasted: float, wanted: float, expected: bool) -> None:
    assert has_lasted(NOW, later(lasted), seconds(wanted)) is expected


@pytest.mark.parametrize(
    ("interval", "limit"),
    [
        pytest.param(5, 120, id="a short interval is given two minutes"),
        pytest.param(24, 120, id="five intervals make two minutes"),
        pytest.param(60, 300, id="a long interval is given five of them"),
    ],
)
def test_how_old_is_stale(interval: float, limit: float) -> None:
    assert stale_after(seconds(interval)) == seconds(limit)


NOT_VALUES: Sequence[Answer] = (
    EMPTY,
    NoData("NotANumber", "the query gives NaN, as 0/0 does"),
    NoData("Infinite", "the query gives infinity, as a division by 0 does"),
    NoData("StaleSample", "the newest sample is 5m old; stale after 2m"),
    Error("Timeout", "no answer within 5s"),
    Error("HttpError", "prometheus answered HTTP 500 Internal Server Error"),
    Error("Unreachable", "connection refused"),
    Error("NotPrometheus", "prometheus answered something else than the Prometheus HTTP API does"),
    Error("PartialAnswer", "prometheus warns that its answer is not whole"),
    Error("SeveralSeries", "expected one series, got 2: a and b"),
    Error("QueryFailed", "prometheus refused the query"),
    Error("WrongType", "the query answers with a string"),
    Error("UnknownSource", "there is no source of this name"),
)


@pytest.mark.parametrize("answer", NOT_VALUES, ids=lambda answer: f"{answer.reason} is Unknown, with its own words")
@pytest.mark.parametrize(
    "before",
    [
        pytest.param([], id="at first"),
        pytest.param([(0, 0)], id="after health"),
        pytest.param([(0, 1), (60, 1)], id="in a breach"),
    ],
)
def test_what_is_no_value_is_unknown_and_leaves_the_memory_alone(answer: Answer, before: list[Moment]) -> None:
    _, memory = fold(MINUTE, before)
    (finding,), after = fold(MINUTE, [(75, answer)], memory)

    assert not isinstance(answer, Value)
    assert (finding.verdict, finding.reason, finding.message) == (UNKNOWN, answer.reason, answer.message)
    assert finding.without_data == isinstance(answer, NoData)
    assert (finding.value, finding.since, finding.sampled_at) == (None, None, None)
    assert after == memory


def test_an_infinite_answer_may_mean_something_else_than_a_division_by_0() -> None:
    """Case 06: an alert that fires without a label that is asked for is not one that does not fire."""
    lacking = NoData("AlertWithoutLabel", "CheckoutDown fires without the label namespace")
    (finding,), memory = fold(replace(MINUTE, infinite=lacking), [(0, NoData("Infinite", "infinity"))])

    assert (finding.verdict, finding.reason, finding.message) == (UNKNOWN, lacking.reason, lacking.message)
    assert finding.without_data, "it holds back nobody else's remedy"
    assert memory == CheckState()


@pytest.mark.parametrize("declared", [HEALTHY, UNHEALTHY])
@pytest.mark.parametrize(
    "answer", NOT_VALUES[1:], ids=lambda answer: f"{answer.reason} is no empty answer, so onNoData does not speak of it"
)
def test_on_no_data_speaks_of_empty_answers_only(answer: Answer, declared: Verdict) -> None:
    assert verdicts(a_check(on_no_data=declared), every(15, 0, answer, answer)) == [HEALTHY, UNKNOWN, UNKNOWN]


@pytest.mark.parametrize(
    ("declared", "hold", "moments", "expected"),
    [
        pytest.param(UNKNOWN, 0, every(60, EMPTY, EMPTY, EMPTY), [UNKNOWN] * 3, id="Unknown, by default"),
        pytest.param(HEALTHY, 0, every(60, EMPTY, EMPTY), [HEALTHY] * 2, id="Healthy, where the policy says so"),
        pytest.param(HEALTHY, 0, every(15, 1, EMPTY), [UNHEALTHY, HEALTHY], id="Healthy ends a breach"),
        pytest.param(UNHEALTHY, 0, [(0, EMPTY)], [UNHEALTHY], id="Unhealthy, where the policy says so"),
        pytest.param(
            UNHEALTHY, 60, every(15, *[EMPTY] * 5), [HEALTHY] * 4 + [UNHEALTHY], id="Unhealthy only after `for`"
        ),
        pytest.param(
            UNHEALTHY, 60, every(30, 1, EMPTY, 1), [HEALTHY, HEALTHY, UNHEALTHY], id="Unhealthy goes on with a breach"
        ),
        pytest.param(UNHEALTHY, 0, every(15, EMPTY, 0), [UNHEALTHY, HEALTHY], id="a good value ends it"),
        pytest.param(
            UNHEALTHY, 60, [(0, EMPTY), (121, EMPTY)], [HEALTHY, HEALTHY], id="a gap too long starts anew here too"
        ),
    ],
)
def test_an_empty_answer_means(declared: Verdict, hold: float, moments: list[Moment], expected: list[Verdict]) -> None:
    assert verdicts(a_check(hold=hold, on_no_data=declared), moments) == expected


@pytest.mark.parametrize(
    ("check", "moments", "reason", "since", "message"),
    [
        pytest.param(ABOVE, [(0, 0)], "WithinThreshold", 0, "0, not above 0.05", id="healthy since the first reading"),
        pytest.param(
            ABOVE, [(0, 0), (15, 0.01)], "WithinThreshold", 0, "0.01, not above 0.05", id="healthy since its beginning"
        ),
        pytest.param(ABOVE, [(0, 1), (15, 0)], "WithinThreshold", 15, "0, not above 0.05", id="healthy since the end"),
        pytest.param(
            MINUTE, [(0, 1), (30, 1)], "Pending", None, "1, above 0.05 for 30s of 1m", id="pending has no since"
        ),
        pytest.param(MINUTE, [(0, 1), (60, 1)], "AboveThreshold", 0, "1, above 0.05", id="unhealthy since its breach"),
        pytest.param(BELOW, [(0, 1)], "BelowThreshold", 0, "1, below 10", id="below is named"),
        pytest.param(
            BAND,
            [(0, 1), (15, 0.03)],
            "NotYetClear",
            0,
            "0.03, not clear again of above 0.05",
            id="the band says that it is not clear yet",
        ),
        pytest.param(
            BAND, [(0, 1), (15, 0.03), (30, 1)], "AboveThreshold", 0, "1, above 0.05", id="the band is one breach"
        ),
        pytest.param(
            a_check(on_no_data=UNHEALTHY),
            [(0, EMPTY), (15, EMPTY)],
            "NoDataDeclared",
            0,
            "no data, which the policy declares Unhealthy",
            id="no data declared unhealthy, since its beginning",
        ),
        pytest.param(
            a_check(on_no_data=HEALTHY),
            [(0, EMPTY), (15, EMPTY)],
            "NoDataDeclared",
            0,
            "no data, which the policy declares Healthy",
            id="no data declared healthy, since its beginning",
        ),
        pytest.param(
            a_check(hold=60, on_no_data=UNHEALTHY),
            [(0, EMPTY)],
            "Pending",
            None,
            "no data, which the policy declares Unhealthy",
            id="no data pending has no since",
        ),
    ],
)
def test_a_finding_says_why_and_since_when(
    check: CompiledCheck, moments: list[Moment], reason: str, since: float | None, message: str
) -> None:
    finding = fold(check, moments)[0][-1]

    assert (finding.reason, finding.message) == (reason, message)
    assert finding.since == (None if since is None else later(since))


def test_a_finding_carries_the_evidence() -> None:
    finding, _ = evaluate(ABOVE, Reading("errors", Value(0.08, later(-7)), NOW), CheckState(), INTERVAL)

    assert (finding.check, finding.query, finding.threshold) == ("error-ratio", "errors", "above 0.05")
    assert (finding.value, finding.observed_at, finding.sampled_at) == (0.08, NOW, later(-7))


# --- a restart of Salus: what was remembered is read back from Prometheus

CHECKS = st.builds(
    a_check,
    above=st.just(0.05),
    healthy_below=st.sampled_from([None, 0.02, 0.05]),
    hold=st.sampled_from([0, 15, 60, 300]),
    on_no_data=st.sampled_from([HEALTHY, UNHEALTHY]),
)
SERIES = st.lists(
    st.tuples(
        st.sampled_from([15, 15, 15, 30, 120, 121, 600]),
        st.sampled_from([0.0, 0.01, 0.03, 0.05, 0.06, 1.0, None, None]),
    ),
    min_size=1,
    max_size=40,
)
"""Seconds, and what was answered then; None: that there is nothing."""


def timed(steps: Sequence[tuple[int, float | None]]) -> list[tuple[float, float | None]]:
    moments = []
    at = 0.0
    for step, value in steps:
        at += step
        moments.append((at, value))
    return moments


@settings(derandomize=True)
@given(check=CHECKS, steps=SERIES, cut=st.integers(0, 40))
def test_a_restart_changes_no_verdict(check: CompiledCheck, steps: list[tuple[int, float | None]], cut: int) -> None:
    told = timed(steps)
    samples = [Sample(later(at), value) for at, value in told[:cut] if value is not None]
    silent = tuple(later(at) for at, value in told[:cut] if value is None)
    moments = [(at, EMPTY if value is None else value) for at, value in told]
    never_stopped, _ = fold(check, moments)
    restarted, _ = fold(check, moments[cut:], recall(check, Past(samples, silent), INTERVAL))

    assert restarted == never_stopped[cut:]


def test_recall_of_nothing_is_an_empty_memory() -> None:
    assert recall(MINUTE, Past(), timedelta(seconds=15)) == CheckState()


def test_recall_brings_back_a_for_in_progress() -> None:
    memory = recall(MINUTE, Past([Sample(later(at), 1) for at in (0, 15, 30)]), INTERVAL)

    assert memory == CheckState(breached_since=later(0), seen_at=later(30))
    assert fold(MINUTE, [(60, 1)], memory)[0][0].verdict is UNHEALTHY


# --- too little traffic

SIXTY = a_check(above=0.05, hold=60, at_least=60)


def said(answer: Answer, volume: Answer | None, check: CompiledCheck = SIXTY) -> Finding:
    return evaluate(check, Reading("errors", answer, NOW, volume), CheckState(), INTERVAL)[0]


HALF, NAN = Value(0.5, NOW), NoData("NotANumber", "the query gives NaN, as 0/0 does")


@pytest.mark.parametrize(
    ("answer", "volume", "expected"),
    [
        pytest.param(HALF, Value(59, NOW), (Verdict.QUIET, "LowVolume"), id="too little for what is beyond the bound"),
        pytest.param(Value(0, NOW), Value(0, NOW), (Verdict.QUIET, "LowVolume"), id="and for what is within it"),
        pytest.param(HALF, Value(60, NOW), (HEALTHY, "Pending"), id="just enough"),
        pytest.param(NAN, Value(0, NOW), (Verdict.QUIET, "LowVolume"), id="0/0, of which the volume tells why"),
        pytest.param(EMPTY, Value(3, NOW), (Verdict.QUIET, "LowVolume"), id="nothing, and little to be had"),
        pytest.param(NAN, Value(100, NOW), (UNKNOWN, "NotANumber"), id="no number, though there is enough"),
        pytest.param(LOST, Value(0, NOW), (UNKNOWN, "Timeout"), id="an error stays one"),
        pytest.param(HALF, LOST, (UNKNOWN, "Timeout"), id="nobody knows how much: an error"),
        pytest.param(HALF, EMPTY, (UNKNOWN, "NoSeries"), id="nobody knows how much: nothing is there"),
        pytest.param(NAN, EMPTY, (UNKNOWN, "NotANumber"), id="neither answers: the check's own reason"),
    ],
)
def test_too_little_traffic_says_nothing(answer: Answer, volume: Answer, expected: tuple[Verdict, str]) -> None:
    finding = said(answer, volume)

    assert (finding.verdict, finding.reason) == expected
    assert finding.without_data == (finding.reason in {"NoSeries", "NotANumber"})


def test_how_little_is_told() -> None:
    assert said(HALF, Value(41, NOW)).message == "quiet, 41 in 2m, at least 60 are needed"
    assert said(HALF, LOST).message == "volume: no answer within 5s"


def test_an_empty_answer_that_is_declared_is_so_where_nothing_was_counted_either() -> None:
    check = a_check(above=0.05, at_least=60, on_no_data=HEALTHY)

    assert said(EMPTY, EMPTY, check).verdict is HEALTHY
    assert said(EMPTY, Value(3, NOW), check).verdict is Verdict.QUIET


def test_for_stands_still_while_it_is_quiet() -> None:
    """Neither does a breach begin, nor go on, nor end."""
    memory, verdicts_ = CheckState(), []
    for at, value, volume in ((0, 0.5, 100), (30, 0.0, 3), (60, 0.5, 100), (90, 0.0, 3), (120, 0.5, 100)):
        reading = Reading("errors", Value(value, later(at)), later(at), Value(volume, later(at)))
        finding, memory = evaluate(SIXTY, reading, memory, INTERVAL)
        verdicts_.append(finding.verdict)

    assert verdicts_ == [HEALTHY, Verdict.QUIET, UNHEALTHY, Verdict.QUIET, UNHEALTHY]


HALVES = [Sample(later(at), 0.5) for at in (0, 15, 30)]
MUCH = [Sample(later(at), much) for at, much in ((0, 60), (15, 59), (45, 80), (60, 2))]
TAKEN = [Sample(later(at), 1) for at in (45, 60, 75)]
DECLARED = a_check(on_no_data=HEALTHY)


@pytest.mark.parametrize(
    ("check", "told", "past"),
    [
        pytest.param(ABOVE, {}, Past(HALVES), id="by its query alone"),
        pytest.param(SIXTY, {"volume": MUCH}, Past(HALVES[:1]), id="where there was enough"),
        pytest.param(SIXTY, {"volume": LOST}, LOST, id="how much there was is not told"),
        pytest.param(ABOVE, {"values": LOST}, LOST, id="nothing is told"),
        pytest.param(
            DECLARED, {"silence": TAKEN}, Past(HALVES, (later(45), later(60), later(75))), id="and its silence"
        ),
        pytest.param(DECLARED, {"values": [], "silence": TAKEN[:1]}, Past([], (later(45),)), id="nothing but silence"),
        pytest.param(DECLARED, {"silence": LOST}, Past(HALVES), id="its silence is not told, but values are"),
        pytest.param(DECLARED, {"values": [], "silence": LOST}, LOST, id="neither is"),
        pytest.param(
            replace(SIXTY, on_no_data=HEALTHY),
            {"volume": MUCH, "silence": TAKEN},
            Past(HALVES[:1], (later(45), later(75))),
            id="silence counts where it was not known to be quiet",
        ),
    ],
)
def test_what_the_past_tells(check: CompiledCheck, told: Mapping[str, Told], past: Past | Error) -> None:
    assert past_of(check, **{"values": HALVES, **told}) == past
