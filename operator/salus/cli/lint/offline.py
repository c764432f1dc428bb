"""The rules that need nothing but the policy."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from salus.cli.lint import expressions
from salus.cli.lint.rule import Linted, written_queries
from salus.core.actions import kind_of
from salus.core.health.overall import widest_window
from salus.core.policy.quotient import as_ratio
from salus.core.policy.value_form import advice
from salus.model.policy import Check, HealthPolicySpec, Mode, Remedy
from salus.model.problems import Problem
from salus.model.scalars import format_decimal, format_duration
from salus.model.values.policies import Policy
from salus.presets import load_presets

_PEOPLE = ("notify",)
"""All that helps against what no remedy mends."""


def alert_expressions(linted: Linted) -> Iterator[Problem]:
    """SL101."""
    for asked in written_queries(linted.policy):
        is_empty_while_well = asked.field == "query" and asked.check.on_no_data is None
        if is_empty_while_well and (said := advice(asked.template, asked.compiled.unhealthy)):
            yield Problem(asked.path, str(said))


def empty_denominators(linted: Linted) -> Iterator[Problem]:
    """SL102."""
    for asked in written_queries(linted.policy):
        for said in expressions.mean_of_quotients(asked.template):
            yield Problem(asked.path, said)
        if asked.field == "query" and asked.check.volume is None:
            for said in expressions.divides_by_nothing(asked.template):
                yield Problem(asked.path, f"{said}: {_ratio_or_volume(asked.template)}")


def _ratio_or_volume(template: str) -> str:
    if parts := as_ratio(template):
        return f"write it as ratio, of: {parts[0]}, in: {parts[1]}, which is Quiet instead"
    return "say in volume how much traffic there has to be"


def failures_alone(linted: Linted) -> Iterator[Problem]:
    """SL103."""
    for asked in written_queries(linted.policy):
        bound = asked.check.unhealthy
        counts = asked.field == "query" and asked.check.on_no_data is None
        if counts and bound is not None and bound.above is not None:
            for said in expressions.failures_alone(asked.template):
                yield Problem(asked.path, said)


def counters(linted: Linted) -> Iterator[Problem]:
    """SL104."""
    types = {read.metric: read.type for heard in linted.heard for read in heard.reads if read.type}
    for asked in written_queries(linted.policy):
        for said in expressions.counters_as_they_are(asked.template, types):
            yield Problem(asked.path, said)


def untied(linted: Linted) -> Iterator[Problem]:
    """SL105."""
    name = linted.policy.spec.target.name
    if linted.bound:
        return
    for asked in written_queries(linted.policy):
        for said in expressions.untied(asked.template, (name,) if name else ()):
            yield Problem(asked.path, said)


def odd_bounds(linted: Linted) -> Iterator[Problem]:
    """SL106."""
    spec = linted.policy.spec
    for index, check in enumerate(spec.checks):
        path = f"spec.checks[{index}]"
        if _acts_at_once(check, spec):
            yield Problem(f"{path}.{'unhealthy' if check.for_ is None else 'for'}", _too_soon(check, spec))
        if (said := _beyond_a_share(check)) is not None:
            yield Problem(f"{path}.unhealthy", said)


def _acts_at_once(check: Check, spec: HealthPolicySpec) -> bool:
    """A preset brings its own `for`, an alert has had one, and to be told too early harms nothing."""
    if check.alert is not None or (check.preset is not None and check.for_ is None):
        return False
    acts = any(_speaks_of(remedy, check.name) and remedy.notify is None for remedy in spec.remedies)
    return acts and (check.for_ or timedelta(0)) < 2 * spec.interval


def _too_soon(check: Check, spec: HealthPolicySpec) -> str:
    measured, least = format_duration(spec.interval), format_duration(2 * spec.interval)
    if not check.for_:
        return f"without for one reading decides; take for: {least} or more, since it is measured every {measured}"
    return f"for: {format_duration(check.for_)} is less than two intervals of {measured}; take {least} or more"


def _beyond_a_share(check: Check) -> str | None:
    is_share = check.ratio is not None or (check.query is not None and as_ratio(check.query) is not None)
    if not is_share or check.unhealthy is None:
        return None
    above, below = check.unhealthy.above, check.unhealthy.below
    if above is not None and not 0 <= above < 1:
        return _share("above", above, "always" if above < 0 else "never")
    if below is not None and not 0 < below <= 1:
        return _share("below", below, "always" if below > 1 else "never")
    return None


def _share(word: str, bound: float, often: str) -> str:
    percent = f'; {format_decimal(bound)} % is "{format_decimal(bound / 100)}"' if bound > 1 else ""
    return f"a share lies between 0 and 1, so {word} {format_decimal(bound)} is {often} crossed{percent}"


def misleading(linted: Linted) -> Iterator[Problem]:
    """SL107."""
    for asked in written_queries(linted.policy):
        for said in expressions.misleading(asked.template):
            yield Problem(asked.path, said)


def no_time_to_verify(linted: Linted) -> Iterator[Problem]:
    """SL401."""
    spec, widest = linted.policy.spec, widest_window(linted.policy)
    if all(remedy.notify is not None for remedy in spec.remedies):
        return
    begins = max(spec.verify.settle, widest)
    if begins + spec.verify.stable > spec.verify.timeout:
        needs = format_duration(begins + spec.verify.stable)
        yield Problem(
            "spec.verify.timeout",
            f"no act can prove that it helped: the widest range is {format_duration(widest)}, so it is judged after "
            f"{format_duration(begins)} and has to stay well for {format_duration(spec.verify.stable)}, and "
            f"verify.timeout is {format_duration(spec.verify.timeout)}; take {needs} or more, or a shorter range",
        )


def ladder(linted: Linted) -> Iterator[Problem]:
    """SL402."""
    spec = linted.policy.spec
    for index, remedy in enumerate(spec.remedies):
        if said := _hidden(remedy, spec.remedies[:index], linted.policy):
            yield Problem(f"spec.remedies[{index}]", said)
    if spec.remedies:
        for index, check in enumerate(spec.checks):
            if not any(_speaks_of(remedy, check.name) for remedy in spec.remedies):
                yield Problem(
                    f"spec.checks[{index}].name", "no remedy speaks of it: when it is unhealthy nothing is done"
                )


def no_help(linted: Linted) -> Iterator[Problem]:
    """SL406."""
    presets, spec = load_presets(), linted.policy.spec
    helps = {check.name: presets[check.preset].helps for check in spec.checks if check.preset is not None}
    for index, remedy in enumerate(spec.remedies):
        word = kind_of(remedy).field
        lost = [name for name, cures in helps.items() if _speaks_of(remedy, name) and word not in cures]
        if remedy.checks is None or set(lost) != set(remedy.checks):
            lost = [name for name in lost if helps[name] == _PEOPLE]
        if lost and remedy.notify is None:
            what_helps = ", ".join(dict.fromkeys(cure for name in lost for cure in helps[name]))
            yield Problem(
                f"spec.remedies[{index}]",
                f"{word} is no help against {', '.join(lost)}, for which there is {what_helps}: name in checks what it "
                "is for, or see `salus get presets` for what else can be meant",
            )


def _hidden(remedy: Remedy, before: Sequence[Remedy], policy: Policy) -> str:
    """Why a rung never has its turn; a notify never waits behind another remedy."""
    if remedy.notify is not None:
        return ""
    for other in before:
        if not _covers(other, remedy, policy):
            continue
        if other.mode is Mode.OBSERVE and policy.spec.mode is not Mode.OBSERVE and other.notify is None:
            return f"is never reached: {other.name} before it is only rehearsed, and the ladder waits for its effect"
        if kind_of(other).replaces_release and kind_of(remedy).replaces_release:
            return f"is never reached: there is one rollback an incident, and {other.name} before it is one"
    return ""


def _covers(other: Remedy, remedy: Remedy, policy: Policy) -> bool:
    names = {check.name for check in policy.spec.checks}
    return set(remedy.checks or names) <= set(other.checks or names)


def _speaks_of(remedy: Remedy, check: str) -> bool:
    return remedy.checks is None or check in remedy.checks
