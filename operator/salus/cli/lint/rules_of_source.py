"""The rules that need to know the rules of the source, or what a query costs it."""

from collections.abc import Iterator, Sequence

from salus.cli.lint.rule import Heard, Linted, path_of, written_queries
from salus.cli.names import resembling
from salus.cli.spans import span
from salus.core.policy.promql import selections
from salus.core.policy.windows import in_name
from salus.model.problems import Problem
from salus.model.scalars import format_duration
from salus.model.values.metrics import NoData, Rule

MOST_SAMPLES, MOST_SECONDS = 50_000, 1.0
"""Of one evaluation."""
_SHOWN = 200
"""Characters of a rule's expression."""


def recorded(linted: Linted) -> Iterator[Problem]:
    """SL207."""
    rules = linted.rules
    if rules is None:
        return
    written = {asked.index for asked in written_queries(linted.policy)}
    for heard in _once(linted):
        for metric in dict.fromkeys(one.metric for one in selections(heard.query) if heard.index in written):
            made = [one for one in rules.known if not one.alert and one.name == metric]
            back = rules.recorded(metric)
            if made and (back is None or in_name(metric) != back):
                far = f"{span(back)} back" if back is not None else "nobody knows how far back"
                yield Problem(
                    path_of(linted.policy, heard.index),
                    f"{metric} is recorded by a rule, so that its window and its lag are hidden: it looks {far}, from "
                    f"{_cut(made[0].query)}",
                )


def _once(linted: Linted) -> Sequence[Heard]:
    """A check is the same on each target."""
    return list({heard.index: heard for heard in reversed(linted.heard)}.values())[::-1]


def _cut(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}…"


def alerts(linted: Linted) -> Iterator[Problem]:
    """SL208."""
    for heard in _once(linted):
        alert, compiled = linted.policy.spec.checks[heard.index].alert, linted.policy.checks[heard.index]
        if alert is None:
            continue
        path = path_of(linted.policy, heard.index)
        if isinstance(heard.answer, NoData) and heard.answer.reason == "Infinite" and compiled.infinite is not None:
            yield Problem(path, compiled.infinite.message)
        known = [one for one in linted.rules.known if one.alert] if linted.rules is not None else []
        own = [one for one in known if one.name == alert.name]
        if known and not own:
            near = resembling(alert.name, {one.name for one in known})
            like = f"; like it: {', '.join(near)}" if near else ""
            yield Problem(path, f"no rule of this source makes an alert {alert.name}, so that it never fires{like}")
        elif own and (longest := _longest(own)) is not None and compiled.hold:
            own_wait, on_top = span(longest.lasts), format_duration(compiled.hold)
            yield Problem(path, f"{alert.name} itself waits {own_wait}, and for: {on_top} comes on top")


def _longest(own: Sequence[Rule]) -> Rule | None:
    """The one that takes longest to come and to go; None: all come at once."""
    found = max(own, key=lambda one: one.lasts)
    return found if found.lasts else None


def costly(linted: Linted) -> Iterator[Problem]:
    """SL209."""
    for heard in _once(linted):
        cost, interval = heard.cost, linted.policy.spec.interval
        if cost is not None and (cost.samples > MOST_SAMPLES or cost.seconds > MOST_SECONDS):
            targets = max(len(linted.around), 1)
            a_second = round(cost.samples * targets / interval.total_seconds())
            how_often = f"every {format_duration(interval)} for {targets} target{'' if targets == 1 else 's'}"
            yield Problem(
                path_of(linted.policy, heard.index),
                f"one evaluation reads {cost.samples:,} samples in {cost.seconds:.2g}s; {how_often} that is "
                f"{a_second:,} samples a second",
            )
