"""What a source's reply means: from status and body to an Answer. Pure, so that every odd reply is one line in a table.

The rule: a number is believed only when it is the one number asked for, whole, finite and fresh. Everything else is
NoData (the source is fine and has nothing) or Error (do not trust it), each with a reason and a sentence for a person.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import orjson

from salus.core.promql import PART, VALUE_PART, Probe, Selector
from salus.model.types import format_duration
from salus.model.values import Answer, Error, NoData, Question, Value

_QUOTED = 300
"""Characters of a foreign text that go into a message at most."""

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer."""

    labels: Labels
    value: float


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


def data_in(source: str, status: int, body: bytes) -> Mapping[str, Any] | Error:
    """The `data` of a reply by the Prometheus HTTP API, or why it must not be trusted."""
    if 300 <= status < 400:
        return Error(
            "HttpError", f"{source} answered {_phrase(status)}; redirects are not followed, so correct the URL"
        )
    document = _document(body)
    if document.get("status") == "error":
        return _refusal(source, status, document)
    if status != 200:
        return Error("HttpError", f"{source} answered {_phrase(status)}{_advice(status)}")
    if document.get("status") != "success" or not isinstance(document.get("data"), dict):
        return Error(
            "NotPrometheus", f"{source} answered something else than the Prometheus HTTP API does; is the URL right?"
        )
    if partial := _partial(document):
        return Error("PartialAnswer", f"{source} warns that its answer is not whole: {partial}")
    data: Mapping[str, Any] = document["data"]
    return data


def too_large(source: str, limit: int) -> Error:
    """The answer to a reply of more than `limit` bytes."""
    return Error("ResponseTooLarge", f"{source} answered with more than {limit // 1024**2} MiB; narrow the query")


def reply_in(source: str, data: Mapping[str, Any], probe: Probe) -> Reply | Error:
    """The series in the `data` of an instant query."""
    kind = data.get("resultType")
    try:
        if kind == "scalar":
            at, value = data["result"]
            return Reply(_moment(at), (Series({}, float(value)),))
        if kind == "vector":
            return _reply(data["result"], probe)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        return Error(
            "NotPrometheus", f"{source} answered with series of an unknown form (native histograms are not supported)"
        )
    return Error("WrongType", f"the query answers with a {kind}, and a check needs one number")


def answer(reply: Reply, question: Question) -> Answer:
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


def _refusal(source: str, status: int, document: Mapping[str, Any]) -> Error:
    kind, message = document.get("errorType", "error"), _short(str(document.get("error", "")))
    if kind in {"timeout", "canceled"}:
        return Error("Timeout", f"{source} gave up on the query: {message}")
    if status in {200, 400, 422}:
        return Error("QueryFailed", f"{source} refused the query: {kind}: {message}")
    return Error("HttpError", f"{source} answered {_phrase(status)}: {kind}: {message}")


def _phrase(status: int) -> str:
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def _advice(status: int) -> str:
    return "; check the credentials of the source" if status in {401, 403} else ""


def _partial(document: Mapping[str, Any]) -> str:
    """The warnings; VictoriaMetrics says `isPartial` instead."""
    warnings = document.get("warnings")
    if isinstance(warnings, list) and warnings:
        return _short("; ".join(map(str, warnings)))
    return "isPartial" if document.get("isPartial") is True else ""


def _reply(result: Sequence[Mapping[str, Any]], probe: Probe) -> Reply:
    series, newest, evaluated = [], [], datetime.min.replace(tzinfo=UTC)
    for row in result:
        at, value = row["value"]
        evaluated = _moment(at)
        part = row["metric"].get(PART, VALUE_PART)
        if part == VALUE_PART:
            series.append(Series(row["metric"], float(value)))
        else:
            newest.append(Newest(probe.selectors[int(part)], row["metric"], _moment(value)))
    return Reply(evaluated, tuple(series), tuple(newest))


def _moment(seconds: float | str) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)


def _meant(labels: Labels, question: Question) -> bool:
    return question.select is None or labels.get(question.select[0]) == question.select[1]


def _relevant(newest: Sequence[Newest], question: Question) -> list[Newest]:
    """The sample times that speak of the question's target.

    A selector whose series lack the selecting label (it was joined in from another one) speaks of every target.
    """
    if question.select is None:
        return list(newest)
    label, value = question.select
    return [one for one in newest if one.labels.get(label, "") in {value, ""}]


def _stale(reply: Reply, newest: Iterable[Newest], question: Question) -> NoData | None:
    instant = [one for one in newest if not one.selector.ranged]
    oldest = min(instant, key=lambda one: one.at, default=None)
    if oldest is None or reply.evaluated_at - oldest.at <= question.stale_after:
        return None
    age, limit = format_duration(reply.evaluated_at - oldest.at), format_duration(question.stale_after)
    return NoData(
        "StaleSample", f"the newest sample of {_short(oldest.selector.text)} is {age} old; stale after {limit}"
    )


def _nothing(reply: Reply, question: Question) -> str:
    if question.select is None or not reply.series:
        return "the query gives no series"
    label, value = question.select
    if not any(label in one.labels for one in reply.series):
        return f"the query gives {len(reply.series)} series, and none has the label {label}"
    return f'the query gives no series with {label}="{value}"'


def _listed(series: Sequence[Series]) -> str:
    shown = " and ".join(described(one.labels) for one in series[:2])
    return f"{shown} and {len(series) - 2} more" if len(series) > 2 else shown


def _short(text: str) -> str:
    return text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…"
