"""Questions and answers for people, from their documents alone."""

from collections.abc import Iterator

from rich.console import RenderableType

from salus.cli.reports.question import Answer, Happened, Question, Questions
from salus.cli.show import Screen, facts, left_out, plain, table
from salus.cli.spans import span
from salus.model.scalars import format_time

_LABEL = len("Otherwise")


def text(report: Questions, screen: Screen) -> Iterator[RenderableType]:
    """One in full, or one line each, with its number."""
    if report.about and report.items:
        yield question(report.items[0], report, screen)
    elif report.items:
        yield listed(report, screen)
    yield from left_out(report)


def listed(report: Questions, _: Screen) -> RenderableType:
    """The open questions; the most urgent has the first number."""
    everywhere = [] if report.namespace else ["NAMESPACE"]
    rows = table("", *everywhere, "CHANGE", "TARGET", "WOULD DO", "ASKED", "LEFT", folds=("TARGET", "WOULD DO"))
    for number, one in enumerate(report.items, 1):
        left = span(one.expires_at - report.at) if one.expires_at else ""
        where = [] if report.namespace else [one.namespace]
        asked = span(report.at - one.asked_at)
        rows.add_row(str(number), *where, one.name, one.target, plain(one.doing), asked, left)
    return rows


def question(one: Question, report: Questions, _: Screen) -> RenderableType:
    """What is done to what, why, as whom, how long there is, and what if nobody answers."""
    rows = [("Change", f"{one.name} of policy {one.policy}, asked {span(report.at - one.asked_at)} ago")]
    rows.append(("Target", f"{one.target} in {one.namespace}, generation {one.generation or '?'}"))
    rows.append(("Action", f"{one.action}: {one.message}"))
    rows.append(("Release", f"{one.release}{f' → {one.back_to}' if one.back_to else ''}"))
    rows += [("Patch", line) for line in one.patch]
    rows.append(("Images", one.images))
    rows.append(("Replicas", one.replicas))
    for found in one.because:
        since = f", since {format_time(found.since)}" if found.since else ""
        rows.append(("Because", f"{found.check} is {found.value or 'unknown'} ({found.bound}){since}"))
    rows.append(("Guards", "none objected when it was asked; all are asked again before it is done"))
    rows.append(("Done by", one.identity or "Salus' own account"))
    rows.append(("Expires", _left(one, report)))
    rows.append(("Otherwise", one.otherwise))
    return facts(rows, _LABEL)


def _left(one: Question, report: Questions) -> str:
    if one.expires_at is None:
        return "not said"
    return f"{format_time(one.expires_at)}, in {span(one.expires_at - report.at)}"


def answered(report: Answer, screen: Screen) -> Iterator[RenderableType]:
    """What was put on record, and what came of it."""
    yield f"changeevent/{report.question.name} {report.decision.lower()}"
    yield from (happened(one, screen) for one in report.happened)


def happened(one: Happened, screen: Screen) -> RenderableType:
    """One thing that came of it."""
    at = f"{screen.clock(one.at)} {screen.local(one.at).tzname()}  " if one.at else ""
    words = f"{at}{plain(one.text)}"
    return screen.mark(one.state, words) if one.state else words
