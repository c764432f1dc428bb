"""Why a selector finds nothing: its metric was never there, or is gone, or it lacks a label or a value.

Everything follows from answers that somebody else fetches. `why` reads as the order of questions: where it needs an
answer that is not there yet, that question is what it gives back. So nothing is asked of a source that is not needed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum

from salus.core.policy.promql import Matching, Selection
from salus.model.scalars import first_few, format_duration, format_time
from salus.model.values.metrics import Error

_SHOWN = 8
"""Labels, values or names of what there is instead, in a sentence."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many series there are now."""

    selector: str


@dataclass(frozen=True, slots=True)
class LastSeen:
    """When one of these series was there last, as far back as is looked; None: never."""

    selector: str


@dataclass(frozen=True, slots=True)
class LabelsOf:
    """The labels that these series have."""

    selector: str


@dataclass(frozen=True, slots=True)
class ValuesOf:
    """The values that this label has on these series."""

    label: str
    selector: str


@dataclass(frozen=True, slots=True)
class NamesThere:
    """The names of the series that this selector finds."""

    selector: str


Question = Count | LastSeen | LabelsOf | ValuesOf | NamesThere
Told = int | datetime | None | Sequence[str] | Error
"""What a question is answered with: a number, a time, texts; or why it could not be asked."""


class Kind(StrEnum):
    """What is found out about a selector."""

    THERE = "There"
    """It finds series: it is not the cause."""
    NOT_YET = "NotYet"
    """There are series now, and none so long ago as its `offset` asks for."""
    NEVER = "Never"
    GONE = "Gone"
    NO_LABEL = "NoLabel"
    NO_VALUE = "NoValue"
    NOT_KNOWN = "NotKnown"
    """The source did not answer."""


@dataclass(frozen=True, slots=True)
class Context:
    """What is known around the question."""

    looked_back: timedelta
    """How far back `LastSeen` looks."""
    among: Sequence[Matching] = ()
    """What the series of the workload's pods have in common: which labels these have is told, if there are any."""


@dataclass(frozen=True, slots=True)
class Absence:
    """Why a selector finds nothing, and what there is instead."""

    kind: Kind
    metric: str
    selector: str
    """As PromQL."""
    matcher: str = ""
    """NoLabel, NoValue: the first that lets nothing through, after those before it."""
    label: str = ""
    within: str = ""
    """NoLabel, NoValue: the series that have it not."""
    series: int = 0
    """How many of these there are; There: how many the selector finds; Gone: how many other series the metric has."""
    instead: tuple[str, ...] = ()
    """NoLabel: the labels that there are; NoValue: the values; Never: names that resemble it."""
    since: datetime | None = None
    """Gone: when it was there last."""
    looked_back: timedelta = timedelta(0)
    error: str = ""

    def sentence(self, moment: Callable[[datetime], str] = format_time) -> str:
        """For a person; `moment` writes a time."""
        return _SENTENCES[self.kind](self, moment)


def why(selection: Selection, told: Mapping[Question, Told], context: Context) -> Question | Absence:
    """Why the selector finds nothing, as far as can be told by now; or what has to be asked next."""
    known = _Known(told)
    try:
        return _cause(selection, known, context)
    except _NotAsked as unknown:
        return unknown.question
    except _NotAnswered as failed:
        return Absence(Kind.NOT_KNOWN, selection.metric, selection.text, error=failed.error.message)


def _cause(selection: Selection, known: "_Known", context: Context) -> Absence:
    found = Absence(Kind.THERE, selection.metric, selection.text, looked_back=context.looked_back)
    if series := known.number(Count(selection.text)):
        return replace(found, series=series)
    if selection.offset and known.number(Count(selection.present)):
        return replace(found, kind=Kind.NOT_YET)
    metric = Selection(selection.metric, ())
    others = known.number(Count(metric.text))
    since = known.moment(LastSeen(selection.present if others else metric.text))
    if since is not None:
        return replace(found, kind=Kind.GONE, since=since, series=others)
    if not others:
        return replace(found, kind=Kind.NEVER, instead=_resembling(selection, known))
    return _lacking(selection, found, known, context)


def _resembling(selection: Selection, known: "_Known") -> tuple[str, ...]:
    """Names of the same namespace that somebody may have meant; nothing is asked about all namespaces."""
    around = tuple(one for one in selection.matchers if one.label == "namespace")
    if not around:
        return ()
    names = known.texts(NamesThere(Selection("", around).text))
    return tuple(get_close_matches(selection.metric, sorted(names), n=3, cutoff=0.6))


def _lacking(selection: Selection, found: Absence, known: "_Known", context: Context) -> Absence:
    """The metric is there; the first matcher with which nothing is left says why."""
    within = Selection(selection.metric, ())
    *before, last = selection.matchers
    for matcher in before:
        narrower = replace(within, matchers=(*within.matchers, matcher))
        if not known.number(Count(narrower.text)):
            return _without(matcher, within, found, known, context)
        within = narrower
    return _without(last, within, found, known, context)


def _without(matcher: Matching, within: Selection, found: Absence, known: "_Known", context: Context) -> Absence:
    labels = known.texts(LabelsOf(within.text))
    if matcher.label in labels:
        values = known.texts(ValuesOf(matcher.label, within.text))
        told = replace(found, kind=Kind.NO_VALUE, instead=tuple(sorted(values)))
    else:
        within, labels = _of_these_pods(within, labels, known, context)
        told = replace(found, kind=Kind.NO_LABEL, instead=tuple(one for one in labels if one != "__name__"))
    series = known.number(Count(within.text))
    return replace(told, matcher=matcher.text, label=matcher.label, within=within.text, series=series)


def _of_these_pods(
    within: Selection, labels: Sequence[str], known: "_Known", context: Context
) -> tuple[Selection, Sequence[str]]:
    """The workload's own series, if the metric has any: their labels are what can be written instead."""
    own = replace(within, matchers=tuple(context.among))
    if not context.among or not known.number(Count(own.text)):
        return within, labels
    return own, known.texts(LabelsOf(own.text))


class _NotAsked(Exception):
    def __init__(self, question: Question) -> None:
        super().__init__(question)
        self.question = question


class _NotAnswered(Exception):
    def __init__(self, error: Error) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, slots=True)
class _Known:
    told: Mapping[Question, Told] = field(default_factory=dict)

    def number(self, question: Count) -> int:
        found = self._told(question)
        return found if isinstance(found, int) else 0

    def moment(self, question: LastSeen) -> datetime | None:
        found = self._told(question)
        return found if isinstance(found, datetime) else None

    def texts(self, question: LabelsOf | ValuesOf | NamesThere) -> Sequence[str]:
        found = self._told(question)
        return found if isinstance(found, Sequence) else ()

    def _told(self, question: Question) -> Told:
        if question not in self.told:
            raise _NotAsked(question)
        found = self.told[question]
        if isinstance(found, Error):
            raise _NotAnswered(found)
        return found


def _is_there(found: Absence, _: Callable[[datetime], str]) -> str:
    return f"{found.selector} is there, {_counted(found.series)}"


def _not_yet(found: Absence, _: Callable[[datetime], str]) -> str:
    return f"{found.selector} asks for a time at which it was not there yet"


def _never(found: Absence, _: Callable[[datetime], str]) -> str:
    like = f"; there is {first_few(found.instead, _SHOWN)}" if found.instead else ""
    return f"{found.metric} was never there in the last {_days(found.looked_back)}{like}"


def _gone(found: Absence, moment: Callable[[datetime], str]) -> str:
    when = moment(found.since) if found.since else "some time"
    if found.series:
        return f"{found.selector} was there until {when}; {found.metric} has {_counted(found.series)}, none of these"
    return f"{found.metric} was there until {when}, and is gone"


def _no_label(found: Absence, _: Callable[[datetime], str]) -> str:
    have = f"{_counted(found.series)} of {found.within} have {first_few(found.instead, _SHOWN)}"
    return f'{found.metric} is there, label "{found.label}" is not. {have}'


def _no_value(found: Absence, _: Callable[[datetime], str]) -> str:
    return (
        f"{found.within} is there, {_counted(found.series)}, none of them with {found.matcher}; "
        f'"{found.label}" is {first_few(found.instead, _SHOWN)}'
    )


def _not_known(found: Absence, _: Callable[[datetime], str]) -> str:
    return f"it is not known why {found.selector} finds nothing: {found.error}"


_SENTENCES: Mapping[Kind, Callable[[Absence, Callable[[datetime], str]], str]] = {
    Kind.THERE: _is_there,
    Kind.NOT_YET: _not_yet,
    Kind.NEVER: _never,
    Kind.GONE: _gone,
    Kind.NO_LABEL: _no_label,
    Kind.NO_VALUE: _no_value,
    Kind.NOT_KNOWN: _not_known,
}


def _counted(series: int) -> str:
    return f"{series} series"


def _days(span: timedelta) -> str:
    return f"{span.days}d" if span.days and span == timedelta(days=span.days) else format_duration(span)
