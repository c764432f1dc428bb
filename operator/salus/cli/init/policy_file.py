"""The file that `salus init` writes: a policy that explains itself, a clause beside each number.

It is made from the document alone, so that nothing is in it that `-o json` does not show.
"""

import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import NamedTuple

from salus.cli.reports.proposal import InitProposal, ProposedCheck, ProposedRemedy
from salus.cli.show import plain
from salus.cli.spans import span
from salus.model.scalars import API_VERSION, format_decimal, format_duration

_WIDEST = 34
"""Column of the comments, unless what they stand beside is longer."""
_COLUMNS = 110
_RULES = {
    "failures": "times three (or 0.05 more), and at least {floor}",
    "slow": "times three (or 0.05 more), and at least {floor}",
    "latency": "times two",
    "saturation": "and a quarter more, between 0.8 and 0.95",
    "level": "times three",
}
_FLOORS = {"failures": "0.01", "slow": "0.05"}
_TOLD = frozenset({"NoSamples", "NoBuckets", "AskedByAnother", "NotAskable", "SeveralSeries"})
"""Why a check is left out that nobody misses in the file."""
_MODES = {
    "Observe": "what would be done is recorded, and nothing is done",
    "Approve": "a person is asked before anything is done",
}


class Line(NamedTuple):
    """One line, and what stands beside it."""

    text: str
    comment: str = ""


def file_of(report: InitProposal) -> str:
    """The file."""
    return "\n".join([*_heading(report), *_spec(report), *_checks(report), *_remedies(report)]) + "\n"


def _heading(report: InitProposal) -> Iterator[str]:
    workload, of = report.workload, f" of {report.cluster}" if report.cluster else ""
    made = f"Made by {report.made_by} on {report.at:%Y-%m-%d}, from {span(report.learned)}{of}. It is yours now."
    yield from _comment(made, 0)
    yield from _comment(
        "When its records say what you would have done yourself, set mode: Enforce. What lies beside a preset is its "
        "own, unless it is written out.",
        0,
    )
    yield f"apiVersion: {API_VERSION}"
    yield "kind: HealthPolicy"
    yield "metadata:"
    yield f"  name: {report.name}"
    yield f"  namespace: {workload.namespace}"


def _spec(report: InitProposal) -> Iterator[str]:
    workload = report.workload
    lines = [
        Line(f"  mode: {report.mode}", _MODES.get(report.mode, "")),
        Line(f"  target: {{kind: {workload.kind}, name: {workload.name}}}"),
    ]
    if report.source:
        lines.append(Line(f"  source: {report.source}"))
    if report.verify_timeout is not None:
        lines.append(
            Line(
                f"  verify: {{timeout: {format_duration(report.verify_timeout)}}}",
                "the check that looks farthest back shows only then whether it helped",
            )
        )
    yield "spec:"
    for warning in report.warnings:
        yield from _comment(warning, 2)
    yield from _beside(lines)


def _checks(report: InitProposal) -> Iterator[str]:
    yield "  checks:"
    for check in report.checks:
        yield from _beside(_check(check))
    for left_out in report.left_out:
        if left_out.reason not in _TOLD:
            yield from _comment(f"left out: {left_out.name}: {left_out.message}", 2)
    if report.alerts:
        yield from _comment("You already watch these pods by alerts; each can be a check as well:", 2)
        for alert in report.alerts:
            yield f"  # - {{name: {_dns(alert)}, alert: {{name: {_quoted(alert)}}}}}"


def _check(check: ProposedCheck) -> Iterator[Line]:
    also = f"; also there: {', '.join(check.also)}" if check.also else ""
    own = f"{check.unhealthy} for {format_duration(check.own_hold)}, {_why_bound(check)}" if _is_own(check) else ""
    metric = f"{check.metric}, by the label {check.tied_by}{also}"
    yield Line(f"  - name: {check.name}", "")
    yield Line(f"    preset: {check.preset}", own)
    if check.variant:
        yield Line(f"    variant: {check.variant}", metric)
    if check.parameters:
        given = ", ".join(f"{name}: {_quoted(value)}" for name, value in check.parameters.items())
        yield Line(f"    with: {{{given}}}", "; ".join((*_why_parameters(check), *check.doubts)))
    if not own:
        yield Line(f"    unhealthy: {_bound(check.unhealthy)}", _why_bound(check))
    if check.healthy:
        yield Line(f"    healthy: {_bound(check.healthy)}", "half-way back to that")
    if check.hold != check.own_hold or check.sure in {"yes", "some"}:
        yield Line(f"    for: {format_duration(check.hold)}", _why_hold(check))
    if check.volume:
        within = f"requests in {format_duration(check.range)}; " if check.range else ""
        quiet = f"; so it was for {check.quiet:.0%} of the time" if check.quiet >= 0.01 else ""
        yield Line(
            f"    volume: {{atLeast: {_quoted(str(check.volume))}}}",
            f"{within}with fewer, less than three failures are beyond the bound{quiet}",
        )


def _is_own(check: ProposedCheck) -> bool:
    """Whether its bound is the preset's, whatever that is by then."""
    return check.unhealthy == check.own_bound and check.sure in {"fixed", "no"}


def _why_parameters(check: ProposedCheck) -> Iterator[str]:
    if "slowerThan" in check.parameters:
        yield "the lowest edge of its buckets that 99% of the requests stay below"
    if "range" in check.parameters:
        yield "so far back that there are four samples, and requests enough"


def _why_bound(check: ProposedCheck) -> str:
    if check.sure == "fixed":
        return "whatever the past was like"
    if check.sure == "no":
        return f"the preset's own: {'; '.join(check.why)}"
    worst = format_decimal(check.recurring.value) if check.recurring else "nothing"
    rule = _RULES[check.kind].format(floor=_FLOORS.get(check.kind, ""))
    doubts = f". Not quite sure: {'; '.join(check.why)}" if check.why else ""
    return f"the worst that came back on other days: {_short(worst)}; {rule}{doubts}"


def _short(number: str) -> str:
    """Two digits are enough to argue about."""
    return f"{float(number):.2g}" if number != "nothing" else number


def _why_hold(check: ProposedCheck) -> str:
    if check.longest <= timedelta(0):
        return "nothing was beyond the bound that mended itself"
    return f"the longest time beyond the bound that mended itself was {format_duration(check.longest)}"


def _remedies(report: InitProposal) -> Iterator[str]:
    yield "  remedies:"
    for remedy in report.remedies:
        mark = "  # " if remedy.is_comment else "  "
        if remedy.because:
            yield from _comment(remedy.because, 2)
        yield from (f"{mark}{line}" for line in _remedy(remedy))


def _remedy(remedy: ProposedRemedy) -> Iterator[str]:
    yield f"- name: {remedy.name}"
    if remedy.checks:
        yield from textwrap.wrap(
            f"  checks: [{', '.join(remedy.checks)}]", _COLUMNS, subsequent_indent="    ", break_on_hyphens=False
        )
    fields = ", ".join(f"{name}: {value}" for name, value in remedy.fields.items())
    yield f"  {remedy.action}: {{{fields}}}"


def _bound(said: str) -> str:
    """`above 0.01` as YAML."""
    word, number = said.split(" ")
    return f"{{{word}: {_quoted(number)}}}"


def _beside(lines: Iterable[Line]) -> Iterator[str]:
    """Each line with its comment; one that is too long stands above."""
    given = [Line(text, _clean(comment)) for text, comment in lines]
    column = min(_WIDEST, max(len(one.text) for one in given) + 2)
    for text, comment in given:
        start = max(column, len(text) + 2)
        if comment and start + len(comment) + 2 > _COLUMNS:
            yield from _comment(comment, len(text) - len(text.lstrip()))
            yield text
        else:
            yield f"{text:<{start}}# {comment}" if comment else text


def _comment(text: str, indent: int) -> Sequence[str]:
    """As many lines as it takes."""
    return [f"{' ' * indent}# {line}" for line in textwrap.wrap(_clean(text), _COLUMNS - indent - 2)]


def _clean(text: str) -> str:
    """On one line, whatever a label's value may hold."""
    return plain(" ".join(text.split()))


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _dns(name: str) -> str:
    """As the name of a check."""
    letters = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)
    return letters.lower().strip("-")[:63] or "alert"
