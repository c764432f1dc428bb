"""Why a selector finds nothing: the order of questions, and what is said of each answer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from salus.core.policy.absence import (
    Absence,
    Context,
    Count,
    Kind,
    LabelsOf,
    LastSeen,
    NamesThere,
    Question,
    Told,
    ValuesOf,
    why,
)
from salus.core.policy.promql import Matching, Selection, selections
from salus.model.values.metrics import Error
from tests.builders import ago

WEEK = timedelta(days=7)
SHOP = {"__name__": "http_requests_total", "namespace": "shop", "pod": "checkout-1", "job": "shop", "code": "200"}
PODS = (Matching("namespace", "=", "shop"), Matching("pod", "=~", "checkout-.*"))


@dataclass
class World:
    """Series that are there now, and such as were there until some time."""

    now: Sequence[Mapping[str, str]] = ()
    past: Mapping[datetime, Mapping[str, str]] = field(default_factory=dict)
    asked: list[Question] = field(default_factory=list)

    def answer(self, question: Question) -> Told:
        self.asked.append(question)
        found = [labels for labels in self.now if _finds(question.selector, labels)]
        match question:
            case Count():
                return len(found)
            case LastSeen(selector):
                return max((at for at, labels in self.past.items() if _finds(selector, labels)), default=None)
            case LabelsOf():
                return tuple(sorted({name for labels in found for name in labels}))
            case ValuesOf(label):
                return tuple(sorted({labels[label] for labels in found if label in labels}))
            case NamesThere():
                return tuple(sorted({labels["__name__"] for labels in found}))


def _finds(selector: str, labels: Mapping[str, str]) -> bool:
    """Series that are there have no offset in this world."""
    if "offset" in selector:
        return False
    metric, _, inside = selector.partition("{")
    wanted = re.findall(r'([\w]+)(=~|!=|=)"([^"]*)"', inside)
    return metric in ("", labels["__name__"]) and all(
        {"=": (there := labels.get(name, "")) == value, "!=": there != value, "=~": bool(re.fullmatch(value, there))}[
            op
        ]
        for name, op, value in wanted
    )


def found(world: World, query: str, among: Sequence[Matching] = ()) -> Absence:
    (selection,) = selections(query)
    told: dict[Question, Told] = {}
    while not isinstance(step := why(selection, told, Context(WEEK, among)), Absence):
        assert step not in told, "asked twice"
        told[step] = world.answer(step)
    return step


@pytest.mark.parametrize(
    ("world", "query", "among", "kind", "says"),
    [
        pytest.param(
            World([SHOP]), 'http_requests_total{namespace="shop"}', (), Kind.THERE, "1 series", id="it is there"
        ),
        pytest.param(
            World([SHOP]),
            'http_requests{namespace="shop"}',
            (),
            Kind.NEVER,
            "http_requests was never there in the last 7d; there is http_requests_total",
            id="the metric was never there, and another of the namespace resembles it",
        ),
        pytest.param(
            World([SHOP]),
            'queue_length{namespace="shop"}',
            (),
            Kind.NEVER,
            "queue_length was never there in the last 7d",
            id="the metric was never there, and nothing resembles it",
        ),
        pytest.param(
            World([SHOP]), "requests", (), Kind.NEVER, "requests was never there in the last 7d", id="of all namespaces"
        ),
        pytest.param(
            World(past={ago(3600): SHOP}),
            'http_requests_total{namespace="shop"}',
            (),
            Kind.GONE,
            "http_requests_total was there until 2026-11-22T11:00:00Z, and is gone",
            id="the metric is gone",
        ),
        pytest.param(
            World([SHOP], {ago(3600): {**SHOP, "code": "500"}}),
            'http_requests_total{namespace="shop",code="500"}',
            (),
            Kind.GONE,
            "until 2026-11-22T11:00:00Z; http_requests_total has 1 series, none of these",
            id="these series of it are gone",
        ),
        pytest.param(
            World([SHOP]),
            'http_requests_total{namespace="shop",deployment="checkout"}',
            (),
            Kind.NO_LABEL,
            'http_requests_total is there, label "deployment" is not. '
            '1 series of http_requests_total{namespace="shop"} have code, job, namespace, pod',
            id="there is no such label",
        ),
        pytest.param(
            World([SHOP, {**SHOP, "pod": "orders-1", "zone": "a"}]),
            'http_requests_total{deployment="checkout"}',
            PODS,
            Kind.NO_LABEL,
            '1 series of http_requests_total{namespace="shop",pod=~"checkout-.*"} have code, job, namespace, pod',
            id="there is no such label, and the workload's own series say which there are",
        ),
        pytest.param(
            World([{**SHOP, "pod": "orders-1"}]),
            'http_requests_total{deployment="checkout"}',
            PODS,
            Kind.NO_LABEL,
            "1 series of http_requests_total{} have code, job, namespace, pod",
            id="there is no such label, and the workload has no series of this metric",
        ),
        pytest.param(
            World([SHOP, {**SHOP, "code": "404"}]),
            'http_requests_total{namespace="shop",code=~"5.."}',
            (),
            Kind.NO_VALUE,
            'http_requests_total{namespace="shop"} is there, 2 series, none of them with code=~"5.."; '
            '"code" is 200, 404',
            id="the label has no such value",
        ),
        pytest.param(
            World([SHOP, {**SHOP, "namespace": "bank", "code": "500"}]),
            'http_requests_total{namespace="shop",code="500"}',
            (),
            Kind.NO_VALUE,
            '"code" is 200',
            id="the value is another namespace's",
        ),
        pytest.param(
            World([SHOP]),
            'http_requests_total{namespace="shop"} offset 1w',
            (),
            Kind.NOT_YET,
            "asks for a time at which it was not there yet",
            id="it is there, but was not yet so long ago",
        ),
    ],
)
def test_why_nothing_is_found(world: World, query: str, among: Sequence[Matching], kind: Kind, says: str) -> None:
    absence = found(world, query, among)

    assert absence.kind is kind
    assert says in absence.sentence()


def test_nothing_is_asked_that_is_not_needed() -> None:
    world = World([SHOP])
    found(world, 'http_requests_total{namespace="shop"}')

    assert world.asked == [Count('http_requests_total{namespace="shop"}')]


def test_a_source_that_does_not_answer_is_no_absence() -> None:
    (selection,) = selections('http_requests_total{namespace="shop"}')
    told: dict[Question, Told] = {Count(selection.text): Error("Timeout", "no answer within 10s")}
    absence = why(selection, told, Context(WEEK))

    assert isinstance(absence, Absence)
    assert absence.kind is Kind.NOT_KNOWN
    assert absence.sentence().endswith("finds nothing: no answer within 10s")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(
            'sum(rate(x{a="1",b!~"c|d"}[5m])) / y', ['x{a="1",b!~"c|d"}', "y{}"], id="a quotient, of two selectors"
        ),
        pytest.param("x / x", ["x{}"], id="each once"),
        pytest.param('{__name__="x",a="1"}', ['x{a="1"}'], id="a name among the matchers"),
        pytest.param('{__name__="x.y",a="1"}', ['{__name__="x.y",a="1"}'], id="a name that needs quotes"),
        pytest.param("x offset 5m", ["x{} offset 300000ms"], id="an offset"),
        pytest.param('{__name__=~"x.*"}', [], id="no name"),
        pytest.param("x @ 1700000000", [], id="pinned to a moment"),
        pytest.param("vector(1)", [], id="no series at all"),
    ],
)
def test_selectors_taken_apart(query: str, expected: list[str]) -> None:
    assert [one.text for one in selections(query)] == expected


def test_what_is_taken_apart_reads_the_same_series_without_its_offset() -> None:
    assert Selection("x", (Matching("a", "=", 'q"'),), timedelta(hours=1)).present == 'x{a="q\\""}'
