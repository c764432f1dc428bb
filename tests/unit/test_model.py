"""The models say offline what the API server says online; the API server's half is in tests/contract/test_crds.py."""

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from salus.model.change import ChangeEventSpec
from salus.model.meta import Condition, ConditionStatus
from salus.model.policy import HealthPolicySpec, Mode, Threshold
from salus.model.problems import Problem, problems
from salus.model.scalars import format_duration, format_time, parse_decimal, parse_duration, parse_time, write_decimal
from tests.contract.crd_cases import (
    ACCEPTED,
    BOUNDS,
    BY_NAME,
    RULES,
    UPDATES,
    Edits,
    Object,
    Refused,
    RefusedUpdate,
    is_transition,
    rules,
    valid,
)
from tools.crds import KINDS, Kind


def problems_of(kind: str, body: Object) -> tuple[Problem, ...]:
    try:
        BY_NAME[kind].spec.parse(body["spec"])
    except ValidationError as error:
        return problems(error)
    return ()


@pytest.mark.parametrize("row", [*RULES, *BOUNDS])
def test_a_spoiled_object_is_refused_with_path_and_message(row: Refused) -> None:
    assert problems_of(row.kind, row.body()) == (Problem(row.path, row.message),)


@pytest.mark.parametrize(("kind", "edits"), ACCEPTED)
def test_a_valid_object_passes(kind: str, edits: Edits) -> None:
    assert problems_of(kind, valid(kind, edits)) == ()


@pytest.mark.parametrize("row", UPDATES)
def test_a_refused_update_is_valid_by_itself(row: RefusedUpdate) -> None:
    """Only then does the API server's refusal come from the rule about the update."""
    assert problems_of(row.kind, valid(row.kind, {**row.before, **row.edits})) == ()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_rule_has_a_row_that_it_refuses(kind: Kind) -> None:
    refused = {row.values[0].message for row in RULES if row.values[0].kind == kind.name}
    forbidden = {row.values[0].message for row in UPDATES if row.values[0].kind == kind.name}
    every = [*rules(kind.spec), *rules(kind.status)]

    assert {rule.message for rule in every if not is_transition(rule)} == refused
    assert {rule.message for rule in every if is_transition(rule)} == forbidden


def test_every_field_of_a_change_event_but_its_approval_is_immutable() -> None:
    fields = {info.alias for info in ChangeEventSpec.model_fields.values()}
    kept = {rule.field.removeprefix(".") for rule in ChangeEventSpec.RULES if is_transition(rule)}

    assert kept == fields


def test_all_problems_are_told_at_once() -> None:
    body = valid(
        "HealthPolicy", {"/mode": "Bold", "/bake": "long", "/remedies/1/notify": {}, "/remedies/2/scale/min": 13}
    )

    assert {problem.path for problem in problems_of("HealthPolicy", body)} == {
        "spec.mode",
        "spec.bake",
        "spec.remedies[1]",
        "spec.remedies[2].scale.min",
    }


def test_two_broken_rules_of_one_object_are_two_problems() -> None:
    body = valid("HealthPolicy", {"/remedies/2/scale": {"to": 5, "by": "1", "max": 4, "min": 6}})

    assert [str(problem) for problem in problems_of("HealthPolicy", body)] == [
        "spec.remedies[2].scale: set exactly one of to, by and perReplica",
        "spec.remedies[2].scale.to: to must not exceed max",
        "spec.remedies[2].scale.min: min must not exceed max",
    ]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param(None, "spec: expected an object, got null", id="no spec at all"),
        pytest.param("x" * 100, f'spec: expected an object, got "{"x" * 59}…', id="long text is cut"),
        pytest.param({"suspend": {}}, "spec.suspend: expected true or false, got an object", id="an object for a flag"),
        pytest.param({"mode": ["Observe"]}, "spec.mode: expected Observe, Approve or Enforce, got a list", id="a list"),
        pytest.param({"source": True}, 'spec.source: expected text, got true; quote it: "true"', id="true for text"),
    ],
)
def test_a_problem_is_told_in_plain_words(body: object, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        HealthPolicySpec.parse(body)

    assert told in [str(problem) for problem in problems(caught.value)]


def test_an_empty_prefix_leaves_no_dot() -> None:
    with pytest.raises(ValidationError) as caught:
        Threshold.parse({"above": "much"})

    assert problems(caught.value, "") == (
        Problem("above", 'expected a whole number, or a decimal in a string such as "0.05", got "much"'),
    )


@pytest.mark.parametrize(
    ("text", "span"),
    [
        pytest.param("30s", timedelta(seconds=30), id="seconds"),
        pytest.param("5m", timedelta(minutes=5), id="minutes"),
        pytest.param("1h30m", timedelta(minutes=90), id="hours and minutes"),
        pytest.param("90m", timedelta(minutes=90), id="more minutes than an hour has"),
        pytest.param("0s", timedelta(0), id="nothing"),
    ],
)
def test_a_duration_is_read(text: str, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize("text", ["", "5", "m5", "5s4m", "5 m", "-5m", "1d", "100000h", "5M", None, 5, 1.5, "5m\n"])
def test_anything_else_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="expected a duration such as 30s"):
        parse_duration(text)


@given(st.integers(0, 10**8).map(lambda seconds: timedelta(seconds=seconds)))
def test_a_duration_survives_writing_and_reading(span: timedelta) -> None:
    assert parse_duration(format_duration(span)) == span


@pytest.mark.parametrize(
    "text",
    ["", "1.", ".5", "1e3", "0x1", "NaN", "Infinity", "1,5", "5%", " 1", "1\n", 0.5, None, True, math.inf, math.nan],
)
def test_anything_but_a_whole_number_and_a_plain_decimal_in_a_string_is_no_decimal(text: object) -> None:
    with pytest.raises(ValueError, match="expected a whole number, or a decimal in a string"):
        parse_decimal(text)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        pytest.param(5, 5.0, id="a whole number"),
        pytest.param(-5, -5.0, id="a negative one"),
        pytest.param(0, 0.0, id="zero"),
        pytest.param(5.0, 5.0, id="a whole number with a point, which is the same in JSON"),
        pytest.param(999_999_999_999_999, 999_999_999_999_999.0, id="the largest"),
        pytest.param("5", 5.0, id="a whole number in a string"),
        pytest.param("0.05", 0.05, id="a decimal in a string"),
    ],
)
def test_a_decimal_is_read(written: object, value: float) -> None:
    assert parse_decimal(written) == value


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        pytest.param(0.05, 'got 0.05; quote it: "0.05"', id="a fraction"),
        pytest.param(1e-7, 'got 1e-07; quote it: "0.0000001"', id="a small one, without an exponent"),
        pytest.param(1e-12, "got 1e-12", id="one that no string may be"),
        pytest.param(math.nan, "got NaN", id="no number"),
        pytest.param("5%", 'got "5%"', id="a share in percent"),
    ],
)
def test_who_writes_a_fraction_is_told_to_quote_it(written: object, hint: str) -> None:
    with pytest.raises(ValueError, match=f", {re.escape(hint)}$"):
        parse_decimal(written)


@pytest.mark.parametrize(
    "number",
    [10**15, -(10**15), 1e15, 1e300, 10**5000],
    ids=["too large", "too small", "a float", "a large float", "one that Python does not print"],
)
def test_a_number_that_no_float_has_exactly_is_no_decimal(number: float) -> None:
    with pytest.raises(ValueError, match=r"^expected a number of 15 digits at most$"):
        parse_decimal(number)


@given(st.decimals(-(10**14), 10**14, places=9).map(lambda value: f"{value:f}"))
def test_a_decimal_survives_writing_and_reading(text: str) -> None:
    value = parse_decimal(text)

    assert parse_decimal(write_decimal(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(0.05, "0.05", id="a fraction"),
        pytest.param(1234567.5, "1234567.5", id="more than six digits"),
        pytest.param(1e14, "100000000000000", id="never an exponent"),
        pytest.param(-3.0, "-3", id="a whole number"),
        pytest.param(0.000000001, "0.000000001", id="the smallest"),
    ],
)
def test_a_decimal_is_written_as_a_person_would(value: float, text: str) -> None:
    assert write_decimal(value) == text


def test_a_time_is_kept_in_utc() -> None:
    assert parse_time("2026-11-22T04:04:05+01:00") == datetime(2026, 11, 22, 3, 4, 5, tzinfo=UTC)
    assert (
        format_time(datetime(2026, 11, 22, 4, 4, 5, 999, tzinfo=timezone(timedelta(hours=1)))) == "2026-11-22T03:04:05Z"
    )


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22",
        "2026-11-22 03:04:05Z",
        "2026-11-22T03:04:05",
        "2026-02-30T03:04:05Z",
        "9999-12-31T23:59:59-14:00",  # in UTC it would be the year 10000
        "now",
        1700000000,
        None,
    ],
)
def test_anything_but_rfc_3339_is_no_time(text: object) -> None:
    with pytest.raises(ValueError, match="expected a time such as"):
        parse_time(text)


@pytest.mark.parametrize("value", [math.nan, -math.inf, 0.05, 0.0])
def test_a_threshold_is_not_crossed_by_what_is_not_beyond_it(value: float) -> None:
    assert not Threshold.parse({"above": "0.05"}).crossed_by(value)


def test_modes_grow_bolder() -> None:
    assert all(left.rank < right.rank for left, right in pairwise([Mode.OBSERVE, Mode.APPROVE, Mode.ENFORCE]))


def test_what_is_written_reads_back_the_same() -> None:
    for kind in KINDS:
        spec = kind.spec.parse(valid(kind.name)["spec"])

        assert kind.spec.parse(spec.to_dict()) == spec


def test_code_may_use_python_names_where_yaml_may_not() -> None:
    condition = Condition(
        type="Ready",
        status=ConditionStatus.TRUE,
        reason="Accepted",
        message="",
        last_transition_time=datetime(2026, 11, 22, tzinfo=UTC),
    )

    assert condition.to_dict()["lastTransitionTime"] == "2026-11-22T00:00:00Z"
    with pytest.raises(ValidationError):
        Condition.parse({**condition.to_dict(), "observed_generation": 1})
