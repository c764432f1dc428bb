"""Replies of a source in every form: none is an exception, and none that is malformed is a number.

Hypothesis repeats the same examples at every run; `make fuzz` looks for others.
"""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from salus.core.policy.promql import with_sample_times
from salus.model.values.metrics import Answer, Error, NoData, Query, Sample, Value
from salus.sources.history import one_series
from salus.sources.reply import answer, data_in, range_in, reply_in

QUERY = 'errors{app="checkout"}'
QUESTION = Query("main", QUERY, timedelta(minutes=2), namespace="shop")
AT = 1_700_000_000
MONSTER = {"a": [[[{"b": [None, {"c": -1e18}]}]]]}

deterministic = settings(derandomize=True, max_examples=300, deadline=None)


def instant(body: bytes, status: int = 200, question: Query = QUESTION) -> Answer:
    """What the hot path makes of a reply."""
    probe = with_sample_times(QUERY, "")
    data = data_in("source main", status, body)
    reply = data if isinstance(data, Error) else reply_in("source main", data, probe)
    return reply if isinstance(reply, Error) else answer(reply, question)


def ranged(body: bytes, status: int = 200) -> list[Sample] | Error:
    """What a look into the past makes of a reply."""
    data = data_in("source main", status, body)
    courses = data if isinstance(data, Error) else range_in("source main", data)
    past = courses if isinstance(courses, Error) else one_series(courses, QUESTION)
    return past if isinstance(past, Error) else list(past)


def success(kind: object, result: object, **more: object) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": result}, **more}


def row(value: object, at: object = AT, part: str = "value") -> dict[str, Any]:
    return {"metric": {"app": "checkout", "salus_part": part}, "value": [at, value]}


def course(*points: object) -> dict[str, Any]:
    return {"metric": {"app": "checkout"}, "values": list(points)}


GOOD = success("vector", [row("0.5"), row(str(AT), part="0")])
GOOD_RANGE = success("matrix", [course([AT, "0.5"], [AT + 15, "0.25"])])


def test_a_good_reply_is_understood() -> None:
    """Else all that follows would hold for the wrong reason."""
    at = datetime.fromtimestamp(AT, UTC)

    assert instant(json.dumps(GOOD).encode()) == Value(0.5, at)
    assert ranged(json.dumps(GOOD_RANGE).encode()) == [Sample(at, 0.5), Sample(at + timedelta(seconds=15), 0.25)]


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(success("vector", [{"metric": None, "value": [AT, "1"]}]), id="no labels"),
        pytest.param(success("vector", [{"metric": ["app"], "value": [AT, "1"]}]), id="labels in a list"),
        pytest.param(success("vector", [{"metric": {"app": 1}, "value": [AT, "1"]}]), id="a label that is a number"),
        pytest.param(success("vector", [{"metric": {"app": MONSTER}, "value": [AT, "1"]}]), id="a monster as a label"),
        pytest.param(success("vector", [[AT, "1"]]), id="a list in place of a series"),
        pytest.param(success("vector", {"0": row("1")}), id="an object in place of the series"),
        pytest.param(success("vector", "result"), id="a text in place of the series"),
        pytest.param(success("vector", None), id="nothing in place of the series"),
        pytest.param(success("vector", [None]), id="nothing in place of a series"),
        pytest.param(success("vector", [row("1", at=-1e18)]), id="a time before all time"),
        pytest.param(success("vector", [row("1", at=1e18)]), id="a time after all time"),
        pytest.param(success("vector", [row("1", at=2**63)]), id="a huge integer for a time"),
        pytest.param(success("vector", [row("1", at=-1)]), id="a time before 1970"),
        pytest.param(success("vector", [row("1", at=str(AT))]), id="a time in quotes"),
        pytest.param(success("vector", [row("1", at=True)]), id="a time that is true"),
        pytest.param(success("vector", [row("1", at=None)]), id="no time"),
        pytest.param(success("vector", [row("1", at=MONSTER)]), id="a monster for a time"),
        pytest.param(success("vector", [row(1)]), id="a number without quotes"),
        pytest.param(success("vector", [row(None)]), id="no number"),
        pytest.param(success("vector", [row(MONSTER)]), id="a monster for a number"),
        pytest.param(success("vector", [row("1_000")]), id="a number as Python writes it"),
        pytest.param(success("vector", [row(" 1 ")]), id="a number amid blanks"),
        pytest.param(success("vector", [row("\u0661")]), id="a digit of another script"),
        pytest.param(success("vector", [row("infinity")]), id="infinity in words"),
        pytest.param(success("vector", [row("1" * 500)]), id="five hundred digits"),
        pytest.param(success("vector", [row("1"), row("NaN", part="0")]), id="a sample time that is NaN"),
        pytest.param(success("vector", [row("1"), row("-1e18", part="0")]), id="a sample time before all time"),
        pytest.param(success("vector", [row("1"), row(str(AT), part="-1")]), id="a part below the first"),
        pytest.param(success("vector", [row("1"), row(str(AT), part="1")]), id="a part beyond the last"),
        pytest.param(success("vector", [row("1"), row(str(AT), part="²")]), id="a part that is no index"),
        pytest.param(success("vector", [{"metric": {}, "value": [AT]}]), id="half a value"),
        pytest.param(success("vector", [{"metric": {}, "value": [AT, "1", "2"]}]), id="a value and a half"),
        pytest.param(success("vector", [{"metric": {}, "value": {"0": AT, "1": "1"}}]), id="a value as an object"),
        pytest.param(success("vector", [{"metric": {}, "value": "11"}]), id="a value as a text"),
        pytest.param(success("scalar", None), id="no scalar"),
        pytest.param(success("scalar", [AT]), id="half a scalar"),
        pytest.param(success("scalar", [1e300, "1"]), id="a scalar of no time"),
        pytest.param(success(None, []), id="no type"),
        pytest.param(success({"vector": 1}, []), id="an object for a type"),
        pytest.param(success(["vector"], []), id="a list for a type"),
        pytest.param(success("<script>", []), id="a type that nobody knows"),
        pytest.param({"status": "success", "data": [1]}, id="a list for the data"),
        pytest.param({"status": {"success": True}, "data": {}}, id="an object for the status"),
    ],
)
def test_a_malformed_reply_is_told_as_one(written: object) -> None:
    given_now, given_then = instant(json.dumps(written).encode()), ranged(json.dumps(written).encode())

    assert isinstance(given_now, Error)
    assert isinstance(given_then, Error)
    assert given_now.reason == given_then.reason == "NotPrometheus"
    assert "script" not in given_now.message


COUNTER = (
    "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "
    '"nginx_ingress_controller_requests" (2:14)'
)
MONOTONE = 'PromQL info: input to histogram_quantile needed to be fixed for monotonicity for metric name "a" (1:25)'


@pytest.mark.parametrize(
    "warnings",
    [
        pytest.param([COUNTER], id="Thanos, which knows no infos"),
        pytest.param([COUNTER, MONOTONE], id="Prometheus 2.53, of two metrics"),
        pytest.param([COUNTER, "12 more info annotations omitted"], id="of more metrics than are told"),
        pytest.param([], id="none"),
        pytest.param(None, id="nothing in place of the warnings"),
    ],
)
def test_infos_among_the_warnings_leave_an_answer_whole(warnings: object) -> None:
    """Case 05."""
    given_now = instant(json.dumps({**GOOD, "warnings": warnings}).encode())
    given_then = ranged(json.dumps({**GOOD_RANGE, "warnings": warnings}).encode())

    assert isinstance(given_now, Value)
    assert isinstance(given_then, list)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        pytest.param({"warnings": ["No StoreAPIs matched for this query"]}, "No StoreAPIs", id="a store is down"),
        pytest.param({"warnings": [COUNTER, "store b: timeout"]}, "whole: store b: timeout", id="an info and a store"),
        pytest.param(
            {"warnings": ["PromQL warning: quantile value should be between 0 and 1"]}, "quantile", id="warning"
        ),
        pytest.param({"warnings": ["store said: PromQL info: a"]}, "store said", id="an info that somebody quotes"),
        pytest.param({"warnings": [COUNTER, "3 more annotations omitted"]}, "3 more", id="more, and nobody knows what"),
        pytest.param({"warnings": [COUNTER, {"a": 1}]}, "does not say of what", id="an info and a monster"),
        pytest.param({"warnings": [COUNTER], "isPartial": True}, "isPartial", id="an info, and partial besides"),
    ],
)
def test_every_other_warning_makes_an_answer_partial(more: dict[str, object], told: str) -> None:
    given_now, given_then = (
        instant(json.dumps({**GOOD, **more}).encode()),
        ranged(json.dumps({**GOOD_RANGE, **more}).encode()),
    )

    for made in (given_now, given_then):
        assert isinstance(made, Error)
        assert made.reason == "PartialAnswer"
        assert told in made.message


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(success("matrix", [{"metric": {}}]), id="a series without values"),
        pytest.param(success("matrix", [{"metric": None, "values": []}]), id="no labels"),
        pytest.param(success("matrix", [{"metric": {}, "values": [[None, "1"]]}]), id="no time"),
        pytest.param(success("matrix", [course([-1e18, "1"])]), id="a time before all time"),
        pytest.param(success("matrix", [course([AT, 1])]), id="a number without quotes"),
        pytest.param(success("matrix", [course([AT + 15, "1"], [AT, "1"])]), id="samples that go back in time"),
        pytest.param(success("matrix", [course([AT, "1"], [AT, "2"])]), id="two samples at once"),
        pytest.param(success("matrix", {"values": []}), id="an object for the series"),
        pytest.param(success("vector", []), id="an instant answer"),
    ],
)
def test_a_malformed_past_is_told_as_one(written: object) -> None:
    past = ranged(json.dumps(written).encode())

    assert isinstance(past, Error)
    assert past.reason == "NotPrometheus"


@pytest.mark.parametrize(
    ("status", "written", "reason"),
    [
        pytest.param(503, {"status": "error", "errorType": {}, "error": "x"}, "HttpError", id="an object for a type"),
        pytest.param(422, {"status": "error", "errorType": ["timeout"]}, "QueryFailed", id="a list for a type"),
        pytest.param(400, {"status": "error", "error": MONSTER}, "QueryFailed", id="a monster for a message"),
        pytest.param(200, success("vector", [], warnings=[MONSTER]), "PartialAnswer", id="a monster for a warning"),
        pytest.param(200, success("vector", [], warnings={"a": 1}), "PartialAnswer", id="an object for the warnings"),
    ],
)
def test_a_malformed_refusal_is_a_refusal(status: int, written: object, reason: str) -> None:
    told = instant(json.dumps(written).encode(), status)

    assert isinstance(told, Error)
    assert told.reason == reason
    assert "{" not in told.message


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 100_000, id="lists without end"),
        pytest.param(b'{"a":' * 5_000 + b"1" + b"}" * 5_000, id="objects five thousand deep"),
        pytest.param(b'{"status":"success","data":"\xff\xfe"}', id="invalid UTF-8"),
        pytest.param(
            b'{"status":"success","data":{"resultType":"vector","result":[' + b"9" * 9_999 + b"]}}", id="huge"
        ),
        pytest.param(b'{"status":"\\ud800","data":{}}', id="half a surrogate"),
        pytest.param(b"\x00" * 100, id="zeros"),
    ],
)
def test_what_is_no_json_is_told_so(body: bytes) -> None:
    for told in (instant(body), ranged(body)):
        assert isinstance(told, Error)
        assert told.reason == "NotPrometheus"


KEYS = st.sampled_from(
    ["status", "data", "resultType", "result", "metric", "value", "values", "warnings", "errorType", "error", "a", ""]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["success", "error", "vector", "matrix", "scalar", "string", "value", "0", "NaN", "+Inf", "1"])
    | st.sampled_from([AT, -1e18, 2**63, 2**70, str(AT)])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=5),
    max_leaves=25,
)
STATUSES = st.sampled_from([200, 204, 302, 400, 401, 422, 429, 500, 503, 599, 999])


def judged(written: object, status: int) -> tuple[Answer, list[Sample] | Error]:
    body = json.dumps(written).encode()
    return instant(body, status), ranged(body, status)


@deterministic
@given(written=JSON, status=STATUSES)
@example(written={"status": "error", "errorType": {}}, status=503)
@example(written=success("vector", [{"metric": None, "value": [AT, "1"]}]), status=200)
def test_any_json_is_an_answer(written: object, status: int) -> None:
    now, past = judged(written, status)

    assert isinstance(now, Value | NoData | Error)
    assert isinstance(past, list | Error)


@deterministic
@given(result=JSON, kind=st.sampled_from(["vector", "scalar", "matrix"]))
def test_any_result_is_an_answer(result: object, kind: str) -> None:
    now, past = judged(success(kind, result), 200)

    assert isinstance(now, Value | NoData | Error)
    assert isinstance(past, list | Error)


Path = tuple[str | int, ...]


def places(written: object, path: Path = ()) -> list[Path]:
    """All places of a document, the whole of it first."""
    inner: Mapping[Any, object] = (
        written if isinstance(written, dict) else dict(enumerate(written)) if isinstance(written, list) else {}
    )
    return [path, *(place for key, value in inner.items() for place in places(value, (*path, key)))]


def changed(written: object, path: Path, change: Callable[[Any, Any], None]) -> object:
    """A copy in which the value at the path was changed by `change(container, key)`."""
    root = {"": deepcopy(written)}
    container: Any = root
    for key in ("", *path)[:-1]:
        container = container[key]
    change(container, ("", *path)[-1])
    return root.get("")


def put(value: object) -> Callable[[Any, Any], None]:
    def change(container: Any, key: Any) -> None:  # noqa: ANN401 - any JSON
        container[key] = value

    return change


def dropped(container: Any, key: Any) -> None:  # noqa: ANN401 - any JSON
    del container[key]


FREE: frozenset[Path] = frozenset({("data", "result", 0, "value", 1), ("data", "result", 1, "value", 1)})
"""Where another number of the right form is another good answer."""


@deterministic
@given(place=st.sampled_from(places(GOOD)), value=JSON, drop=st.booleans())
def test_a_good_reply_in_which_one_thing_is_wrong_is_no_other_number(place: Path, value: object, drop: bool) -> None:
    written = changed(GOOD, place, dropped if drop else put(value))

    now = instant(json.dumps(written).encode())

    assert isinstance(now, Value | NoData | Error)
    if isinstance(now, Value) and place not in FREE:
        assert now.value == 0.5


@deterministic
@given(place=st.sampled_from(places(GOOD_RANGE)), value=JSON, drop=st.booleans())
def test_a_good_past_in_which_one_thing_is_wrong_is_no_exception(place: Path, value: object, drop: bool) -> None:
    written = changed(GOOD_RANGE, place, dropped if drop else put(value))

    past = ranged(json.dumps(written).encode())

    assert isinstance(past, Error) or {sample.value for sample in past} <= {0.5, 0.25, 1.0, float(AT), 0.0}


@deterministic
@given(at=st.integers(0, len(json.dumps(GOOD)) - 1), byte=st.integers(0, 255))
def test_a_good_reply_with_a_wrong_byte_is_an_answer(at: int, byte: int) -> None:
    body = bytearray(json.dumps(GOOD).encode())
    body[at] = byte

    assert isinstance(instant(bytes(body)), Value | NoData | Error)
    assert isinstance(ranged(bytes(body)), list | Error)
