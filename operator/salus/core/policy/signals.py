"""Checks that Salus brings along: what each asks, in which vocabulary, with which parameters.

A check that names a preset is one that is written for its author: `written` gives it in full, and from there on it is a
check like any other. The data lie in `salus/presets`.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from salus.core.policy import counting, promql
from salus.core.policy.exporters import Trusted, tied
from salus.model.meta import WorkloadKind
from salus.model.policy import Check, Ratio, Threshold, Verdict, Volume
from salus.model.problems import Problem
from salus.model.scalars import METRIC_LABEL, parse_decimal, parse_duration, quote, write_decimal


class ParameterType(StrEnum):
    """What may be given for a parameter."""

    TEXT = "text"
    """Any text, with `$namespace` and `$target`."""
    NUMBER = "number"
    SHARE = "share"
    """A number between 0 and 1: `99.9` would be no share, and quietly mean something else."""
    EDGE = "edge"
    """The upper bound of a histogram's bucket, as a number: found however its label spells it."""
    METRIC = "metric"
    """The name of a metric, or its beginning."""
    LABEL = "label"
    """The name of a label."""
    RANGE = "range"
    """How far back a rate looks, such as 5m."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a policy may say of a preset, or has to."""

    type: ParameterType
    means: str
    default: str | None = None
    """None: it has to be given."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of one kind of workload, with the names of parameters in it: a query, or a ratio."""

    query: str | None = None
    ratio: Ratio | None = None
    volume: Volume | None = None
    """How much there has to be: by default so much that it takes three failures to cross the bound."""


@dataclass(frozen=True, slots=True)
class Variant:
    """The same question in the words of one exporter."""

    asked: Mapping[WorkloadKind, Asked]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    times: Mapping[str, float] = field(default_factory=dict)
    """What a parameter is multiplied by: an exporter that counts in milliseconds has 1000."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A check that Salus brings along."""

    name: str
    variants: Mapping[str, Variant]
    unhealthy: Threshold | None
    """None: nobody knows but who writes the policy."""
    hold: timedelta
    on_no_data: Verdict = Verdict.UNKNOWN
    clears_after: timedelta | None = None
    """How far back the answer looks before it falls, where the query looks further."""

    def variant(self, check: Check) -> Variant | None:
        """The one that the check names, or the only one."""
        if check.variant is None and len(self.variants) == 1:
            return next(iter(self.variants.values()))
        return self.variants.get(check.variant or "")


def problems(path: str, check: Check, kind: WorkloadKind, signal: Signal) -> Iterator[Problem]:
    """What is wrong with a check that names this preset."""
    variant = signal.variant(check)
    if variant is None:
        yield Problem(f"{path}.variant", _which(check, signal))
    elif kind not in variant.asked:
        yield Problem(f"{path}.preset", f"{signal.name} does not speak of a {kind}")
    else:
        yield from _of_parameters(path, check, signal, variant)
        yield from _of_bounds(path, check, signal)
        yield from _of_volume(path, check, signal, variant.asked[kind])


def written(check: Check, kind: WorkloadKind, signal: Signal, trusted: Trusted) -> Check:
    """The check as it would be without the preset, in which `problems` found nothing."""
    variant = signal.variant(check)
    assert variant is not None  # noqa: S101 — that is what `problems` says first
    inserts = {name: _insert(name, check, variant) for name in variant.parameters}

    def filled(template: str) -> str:
        return tied(promql.with_parameters(template, inserts), trusted)

    asked, bound = variant.asked[kind], check.unhealthy or signal.unhealthy
    ratio = Ratio.model_construct(of=filled(asked.ratio.of), in_=filled(asked.ratio.in_)) if asked.ratio else None
    changed = {
        "preset": None,
        "query": filled(asked.query) if asked.query else None,
        "ratio": ratio,
        "unhealthy": bound,
        "for_": signal.hold if check.for_ is None else check.for_,
        "on_no_data": check.on_no_data or signal.on_no_data,
        "window": signal.clears_after if check.window is None else check.window,
        "volume": _volume(check.volume, asked.volume, bound, filled),
    }
    return check.model_copy(update=changed)


def _volume(
    said: Volume | None, own: Volume | None, bound: Threshold | None, filled: Callable[[str], str]
) -> Volume | None:
    if own is None or own.query is None or (said and said.query):
        return said
    least = next((one.at_least for one in (said, own) if one and one.at_least is not None), None)
    return Volume.model_construct(
        query=filled(own.query), at_least=counting.three_failures(bound) if least is None else least
    )


# --- what is wrong


def _which(check: Check, signal: Signal) -> str:
    menu = ", ".join(sorted(signal.variants))
    if check.variant is None:
        return f"{signal.name} asks in several vocabularies, say in which: {menu}"
    return f"unknown variant {quote(check.variant)} of {signal.name}; known: {menu}"


def _of_parameters(path: str, check: Check, signal: Signal, variant: Variant) -> Iterator[Problem]:
    given = check.with_ or {}
    for name, value in given.items():
        parameter = variant.parameters.get(name)
        if parameter is None:
            yield Problem(
                f"{path}.with.{name}", f"{signal.name} takes {_menu(variant.parameters)}, and no {quote(name)}"
            )
        elif wrong := _wrong(value, parameter):
            yield Problem(f"{path}.with.{name}", wrong)
    for name, parameter in variant.parameters.items():
        if parameter.default is None and name not in given:
            yield Problem(f"{path}.with", f"{signal.name} needs {name}: {parameter.means}")


def _menu(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "no parameter"


def _of_bounds(path: str, check: Check, signal: Signal) -> Iterator[Problem]:
    bound = signal.unhealthy
    if bound is None and check.unhealthy is None:
        yield Problem(f"{path}.unhealthy", f"{signal.name} has no bound of its own: set above or below")
    elif bound is not None and check.healthy and not check.unhealthy and not check.healthy.lies_opposite(bound):
        yield Problem(f"{path}.healthy", f"must lie on the other side of the preset's own bound, {bound}")


def _of_volume(path: str, check: Check, signal: Signal, asked: Asked) -> Iterator[Problem]:
    said, counted = check.volume, asked.volume is not None or asked.ratio is not None
    if said is not None and not counted and (said.query is None or said.at_least is None):
        yield Problem(f"{path}.volume", f"{signal.name} counts nothing of itself: set query and atLeast")
    elif said is not None and said.query is not None and said.at_least is None and asked.ratio is None:
        yield Problem(f"{path}.volume.atLeast", "is required beside a query of your own")


# --- parameters

_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,199}")
_LABEL = re.compile(METRIC_LABEL)


def _wrong(value: str, parameter: Parameter) -> str:
    """What is wrong with a value, or nothing."""
    match parameter.type:
        case ParameterType.TEXT:
            return "" if value else f"expected {parameter.means}, got nothing"
        case ParameterType.METRIC:
            return "" if _METRIC.fullmatch(value) else f"expected the name of a metric, got {quote(value)}"
        case ParameterType.LABEL:
            return "" if _LABEL.fullmatch(value) else f"expected the name of a label, got {quote(value)}"
        case ParameterType.RANGE:
            return _wrong_range(value)
        case ParameterType.NUMBER | ParameterType.EDGE | ParameterType.SHARE:
            return _wrong_number(value, parameter.type)


def _wrong_range(value: str) -> str:
    try:
        return "" if parse_duration(value) else f"expected more than 0, got {quote(value)}"
    except ValueError as error:
        return str(error)


def _wrong_number(value: str, kind: ParameterType) -> str:
    try:
        number = parse_decimal(value)
    except ValueError as error:
        return str(error)
    if kind is ParameterType.SHARE and not 0 < number < 1:
        return f"expected a share between 0 and 1, such as 0.99, got {quote(value)}"
    return f"expected more than 0, got {quote(value)}" if kind is ParameterType.EDGE and number <= 0 else ""


def _insert(name: str, check: Check, variant: Variant) -> promql.Insert:
    parameter = variant.parameters[name]
    value = (check.with_ or {}).get(name, parameter.default or "")
    if parameter.type not in {ParameterType.NUMBER, ParameterType.SHARE, ParameterType.EDGE}:
        return promql.Insert(value)
    number = write_decimal(round(parse_decimal(value) * variant.times.get(name, 1), 9))
    return (
        promql.Insert(_spellings(number), is_regex=True)
        if parameter.type is ParameterType.EDGE
        else promql.Insert(number)
    )


def _spellings(number: str) -> str:
    """However an exporter, and Prometheus 3, may spell an edge: `0.5` and `0.50`, `1` and `1.0`."""
    whole, dot, fraction = number.partition(".")
    return rf"{whole}\.{fraction}0*" if dot else rf"{whole}(?:\.0+)?"
