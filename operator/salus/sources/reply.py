"""What a source's reply means: from status and body to an Answer. Pure, so that every odd reply is one line in a table.

The rule: a number is believed only when it is the one number asked for, whole, finite and fresh. Everything else is
NoData (the source is fine and has nothing) or Error (do not trust it), each with a reason and a sentence for a person.

A reply is foreign text in any form at all, so nothing of it is used before its type was looked at; past `reply_in` and
`range_in` there are values of known types only.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import pairwise
from typing import Any

import orjson

from salus.core.policy.promql import PART, VALUE_PART, Probe, Selector
from salus.model.scalars import format_duration
from salus.model.values.metrics import Answer, Error, NoData, Query, Sample, Value

_QUOTED = 300
"""Characters of a foreign text that go into a message at most."""
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,4})?|Inf|NaN)")
"""A number as the API writes it; `float` alone would take `1_000` and digits of other scripts too."""
_LONGEST_NUMBER = 400
"""Characters: the smallest number that there is takes 326."""
_INFO = re.compile(r"PromQL info: |[0-9]+ more info annotations omitted\Z")
"""What Thanos, Cortex and Prometheus 2.48 to 2.53 say of the query itself in `warnings`, others in `infos`."""
_CUT = re.compile(r"\Aresults truncated due to limit\Z")
"""What Prometheus warns of where a list has reached its `limit`."""
_LAST_MOMENT = 7_258_118_400
"""The year 2200, in Unix seconds; what lies before 1970 or after it is no time of a sample."""

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer."""

    labels: Labels
    value: float


@dataclass(frozen=True, slots=True)
class Course:
    """One series of an answer over time."""

    labels: Labels
    samples: tuple[Sample, ...]
    """Oldest first; not all are finite."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The time of the newest sample under one selector, per label value if it was asked so."""

    selector: Selector
    labels: Labels
    at: datetime


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer worth interpreting: the query's series, and how old what they were made from is."""

    evaluated_at: datetime
    series: tuple[Series, ...]
    newest: tuple[Newest, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """An answer that is a list: series, names of labels, values."""

    items: tuple[object, ...]
    cut: bool
    """There is more, which the server left out."""


def data_in(source: str, status: int, body: bytes, method: str = "POST") -> Mapping[str, Any] | Error:
    """The `data` of a reply by the Prometheus HTTP API, or why it must not be trusted."""
    document = _good(source, status, body, method)
    if isinstance(document, Error):
        return document
    if not isinstance(document["data"], dict):
        return _other(source)
    if partial := _partial(document):
        return Error("PartialAnswer", f"{source} warns that its answer is not whole: {partial}")
    data: Mapping[str, Any] = document["data"]
    return data


def listing_in(source: str, status: int, body: bytes, method: str = "GET") -> Listing | Error:
    """The list in a reply by the Prometheus HTTP API; a limit that was reached is no warning here."""
    document = _good(source, status, body, method)
    if isinstance(document, Error):
        return document
    if not isinstance(document["data"], list):
        return _other(source)
    partial = _partial(document)
    if partial and not _CUT.search(partial):
        return Error("PartialAnswer", f"{source} warns that its answer is not whole: {partial}")
    return Listing(tuple(document["data"]), bool(partial))


def _good(source: str, status: int, body: bytes, method: str) -> Mapping[str, Any] | Error:
    """A reply that says of itself that it is a success, and has data."""
    if 300 <= status < 400:
        return Error(
            "HttpError", f"{source} answered {_phrase(status)}; redirects are not followed, so correct the URL"
        )
    document = _document(body)
    if document.get("status") == "error":
        return _refusal(source, status, document, method)
    if status != 200:
        return Error("HttpError", f"{source} answered {_phrase(status)}{_advice(status, method)}")
    return document if document.get("status") == "success" and "data" in document else _other(source)


def _other(source: str) -> Error:
    return Error(
        "NotPrometheus", f"{source} answered something else than the Prometheus HTTP API does; is the URL right?"
    )


def too_large(source: str, limit: int) -> Error:
    """The answer to a reply of more than `limit` bytes."""
    return Error("ResponseTooLarge", f"{source} answered with more than {limit // 1024**2} MiB; narrow the query")


def reply_in(source: str, data: Mapping[str, Any], probe: Probe) -> Reply | Error:
    """The series in the `data` of an instant query."""
    kind, result = data.get("resultType"), data.get("result")
    if kind in ("matrix", "string"):
        return Error("WrongType", f"the query answers with a {kind}, and a check needs one number")
    try:
        if kind == "scalar":
            at, value = _point(result)
            return Reply(at, (Series({}, value),))
        if kind == "vector":
            return _reply(_list(result), probe)
    except _Odd:
        pass
    return _odd(source)


def range_in(source: str, data: Mapping[str, Any]) -> tuple[Course, ...] | Error:
    """The series in the `data` of a range query."""
    try:
        if data.get("resultType") == "matrix":
            return tuple(map(_course, _list(data.get("result"))))
    except _Odd:
        pass
    return _odd(source)


def answer(reply: Reply, question: Query) -> Answer:
    """What the reply says to one question; many questions may share one reply."""
    series = [one for one in reply.series if _meant(one.labels, question)]
    if len(series) > 1:
        return Error("SeveralSeries", f"expected one series, got {len(series)}: {_listed(series)}")
    newest = _relevant(reply.newest, question)
    if stale := _stale(reply, newest, question):
        return stale
    if not series:
        return NoData("NoSeries", _nothing(reply, question), empty=True)
    value = series[0].value
    if math.isnan(value):
        return NoData("NotANumber", "the query gives NaN, as 0/0 does")
    if math.isinf(value):
        return NoData("Infinite", "the query gives infinity, as a division by 0 does")
    return Value(value, min((one.at for one in newest), default=reply.evaluated_at))


def described(labels: Labels) -> str:
    """A series as Prometheus prints it: `up{job="api"}`."""
    name = labels.get("__name__", "")
    inner = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()) if key not in {"__name__", PART})
    return _short(f"{name}{{{inner}}}")


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _refusal(source: str, status: int, document: Mapping[str, Any], method: str) -> Error:
    kind, message = _text(document.get("errorType")) or "error", _text(document.get("error"))
    if kind in {"timeout", "canceled"}:
        return Error("Timeout", f"{source} gave up on the query: {message}")
    if status in {200, 400, 422}:
        return Error("QueryFailed", f"{source} refused the query: {kind}: {message}")
    return Error("HttpError", f"{source} answered {_phrase(status)}: {kind}: {message}{_advice(status, method)}")


def _phrase(status: int) -> str:
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def _advice(status: int, method: str) -> str:
    credentials = "check the credentials of the source" if status in {401, 403} else ""
    by_get = ""
    if method == "POST" and status in {403, 405, 501}:
        by_get = "where a proxy lets no POST pass, set `method: GET` for the source"
    if method == "GET" and status in {414, 431}:
        by_get = "the query is too long for GET; have the proxy let POST pass, and set `method: POST`"
    if status == 404:
        by_get = "is its URL the part before /api/v1/…?"
    return "".join(f"; {words}" for words in (credentials, by_get) if words)


def _partial(document: Mapping[str, Any]) -> str:
    """The warnings without the infos among them; VictoriaMetrics says `isPartial` instead."""
    warnings = document.get("warnings") or []
    told = [one for one in (warnings if isinstance(warnings, list) else [warnings]) if not _is_info(one)]
    if told:
        return _short("; ".join(one for one in told if isinstance(one, str))) or "it does not say of what"
    return "isPartial" if document.get("isPartial") is True else ""


def _is_info(warning: object) -> bool:
    return isinstance(warning, str) and _INFO.match(warning) is not None


class _Odd(Exception):
    """A part of a reply that is not of the form that the API gives it."""


def _odd(source: str) -> Error:
    return Error(
        "NotPrometheus", f"{source} answered with series of an unknown form (native histograms are not supported)"
    )


def _reply(rows: Sequence[object], probe: Probe) -> Reply:
    series, newest, evaluated = [], [], datetime.min.replace(tzinfo=UTC)
    selectors = {str(index): selector for index, selector in enumerate(probe.selectors)}
    for row in rows:
        labels, (at, value) = _labels(row), _point(_field(row, "value"))
        evaluated = max(evaluated, at)
        part = labels.get(PART, VALUE_PART)
        if part == VALUE_PART:
            series.append(Series(labels, value))
        elif part in selectors:
            newest.append(Newest(selectors[part], labels, _moment(value)))
        else:
            raise _Odd
    return Reply(evaluated, tuple(series), tuple(newest))


def _course(row: object) -> Course:
    labels, points = _labels(row), [_point(written) for written in _list(_field(row, "values"))]
    if any(at >= then for (at, _), (then, _) in pairwise(points)):
        raise _Odd
    return Course(labels, tuple(Sample(at, value) for at, value in points))


def _field(row: object, name: str) -> object:
    if not isinstance(row, dict):
        raise _Odd
    return row.get(name)


def _list(written: object) -> Sequence[object]:
    if not isinstance(written, list):
        raise _Odd
    return written


def _labels(row: object) -> Labels:
    labels = _field(row, "metric")
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise _Odd
    return labels


def _point(written: object) -> tuple[datetime, float]:
    """`[1700000000.123, "0.5"]`."""
    if not isinstance(written, list) or len(written) != 2:
        raise _Odd
    at, value = written
    if isinstance(at, bool) or not isinstance(at, int | float):
        raise _Odd
    return _moment(at), _number(value)


def _number(written: object) -> float:
    if not isinstance(written, str) or len(written) > _LONGEST_NUMBER or not _NUMBER.fullmatch(written):
        raise _Odd
    return float(written)


def _moment(seconds: float) -> datetime:
    if not 0 <= seconds < _LAST_MOMENT:  # NaN neither
        raise _Odd
    return datetime.fromtimestamp(seconds, UTC)


def _meant(labels: Labels, question: Query) -> bool:
    return question.select is None or labels.get(question.select[0]) == question.select[1]


def _relevant(newest: Sequence[Newest], question: Query) -> list[Newest]:
    """The sample times that speak of the question's target.

    A selector whose series lack the selecting label (it was joined in from another one) speaks of every target.
    """
    if question.select is None:
        return list(newest)
    label, value = question.select
    return [one for one in newest if one.labels.get(label, "") in {value, ""}]


def _stale(reply: Reply, newest: Iterable[Newest], question: Query) -> NoData | None:
    instant = [one for one in newest if not one.selector.ranged]
    oldest = min(instant, key=lambda one: one.at, default=None)
    if oldest is None or reply.evaluated_at - oldest.at <= question.stale_after:
        return None
    age, limit = format_duration(reply.evaluated_at - oldest.at), format_duration(question.stale_after)
    return NoData(
        "StaleSample", f"the newest sample of {_short(oldest.selector.text)} is {age} old; stale after {limit}"
    )


def _nothing(reply: Reply, question: Query) -> str:
    if question.select is None or not reply.series:
        return "the query gives no series"
    label, value = question.select
    if not any(label in one.labels for one in reply.series):
        return f"the query gives {len(reply.series)} series, and none has the label {label}"
    return f'the query gives no series with {label}="{value}"'


def _listed(series: Sequence[Series]) -> str:
    shown = " and ".join(described(one.labels) for one in series[:2])
    return f"{shown} and {len(series) - 2} more" if len(series) > 2 else shown


def _text(foreign: object) -> str:
    """What may be shown of a text that should be one."""
    return _short(foreign) if isinstance(foreign, str) else ""


def _short(text: str) -> str:
    """The beginning of a foreign text, on one line and without what a terminal would obey."""
    kept = text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…"
    return "".join(one if one.isprintable() else " " if one.isspace() else "\N{REPLACEMENT CHARACTER}" for one in kept)
