"""What was found out afresh, as an explanation."""

from collections.abc import Iterator, Mapping, Sequence

from salus.cli.marks import State
from salus.cli.now.asking import Afresh, Rung
from salus.cli.reports.explanation import Explanation, Fact, GuardLine
from salus.core.policy.absence import Absence
from salus.core.records.changes import decision_of
from salus.core.remedy.ladder import Exhausted, mode_of
from salus.model.change import Decision
from salus.model.policy import Verdict
from salus.model.scalars import first_few
from salus.model.values.metrics import Finding

_WOULD = {
    Decision.ACT: "the next tick would do it",
    Decision.AWAIT_APPROVAL: "the next tick would ask a person (mode Approve)",
    Decision.DRY_RUN: "the next tick would rehearse it (mode Observe)",
}
_MOST = 3


def said(found: Afresh, lacking: Mapping[str, Sequence[Absence]], prometheus: str) -> Explanation:
    """All of it. `lacking`: by check, why its query finds nothing."""
    step, last = found.step, found.rungs[-1] if found.rungs else None
    guards = last.guards if last is not None else ()
    return Explanation(
        at=step.now,
        about=str(step.policy.key),
        question=f"What would be done about {step.target.kind}/{step.target.name} now?",
        answer=_answer(found),
        facts=tuple(_facts(found, lacking, prometheus)),
        guards=guards,
        do=tuple(_do(last)),
        basis="Measured and asked afresh just now, with your rights. Nothing was written.",
    )


def _answer(found: Afresh) -> str:
    findings = found.step.case.findings
    unhealthy = [one for one in findings if one.verdict is Verdict.UNHEALTHY]
    if not unhealthy:
        return _of_no_breach(findings)
    last = found.rungs[-1] if found.rungs else None
    if found.waits is not None:
        word = "No rung is left" if isinstance(found.waits, Exhausted) else "It waits"
        return f"{word}, {found.waits.reason}: {found.waits.message}."
    if last is None:
        return "Nothing would be done."
    if (held := last.objection) is not None:
        return f"A guard holds it back, {held.reason}: {held.message}."
    message = last.message[:1].upper() + last.message[1:]
    return f"{message}: {_would(found, last)}.{_doubt(last)}"


def _would(found: Afresh, rung: Rung) -> str:
    assert rung.action is not None  # noqa: S101 — what is out is followed by another rung, or by why there is none
    remedy = found.step.policy.spec.remedies[rung.place]
    return _WOULD[decision_of(mode_of(found.step.policy, remedy), rung.action.kind)]


def _doubt(rung: Rung) -> str:
    unknown = len(rung.unknown)
    if not unknown:
        return " No guard objects."
    return f" No guard objects of those that could be asked; {unknown} of {len(rung.guards)} could not."


def _of_no_breach(findings: Sequence[Finding]) -> str:
    unknown = [one.check for one in findings if one.verdict is Verdict.UNKNOWN]
    if unknown:
        return f"Nobody can tell: {first_few(unknown, _MOST)} has no trustworthy answer, and Unknown never acts."
    quiet = all(one.verdict is Verdict.QUIET for one in findings)
    return f"Nothing: it is {'quiet' if quiet else 'healthy'}."


def _facts(found: Afresh, lacking: Mapping[str, Sequence[Absence]], prometheus: str) -> Iterator[Fact]:
    for one in found.step.case.findings:
        yield Fact(label="seen", text=f"{one.check} is {one.verdict}, {_why(one)}")
        for absence in lacking.get(one.check, ()):
            yield Fact(label="", text=absence.sentence())
    for rung in found.rungs:
        total = len(found.step.policy.spec.remedies)
        which = f"remedy {rung.place + 1} of {total}, {rung.name}"
        out = rung.infeasible or (rung.objection.reason if rung.objection and rung is not found.rungs[-1] else "")
        why = rung.message if rung.infeasible else (rung.objection.message if rung.objection else "")
        yield Fact(label="chosen", text=f"{which}: {rung.message}" if not out else f"{which}, is out: {out}, {why}")
    yield from _objections(found.rungs[-1].guards if found.rungs else ())
    yield Fact(label="asked", text=prometheus)


def _objections(guards: Sequence[GuardLine]) -> Iterator[Fact]:
    """What guards say that do not just pass; those that say the same, together."""
    told: dict[tuple[State, str], list[str]] = {}
    for guard in guards:
        if guard.state is not State.GOOD:
            told.setdefault((guard.state, guard.message), []).append(guard.reason)
    for (state, message), reasons in told.items():
        yield Fact(label=_LABELS[state], text=f"{', '.join(reasons)}: {message}")


_LABELS = {State.HELD: "held by", State.UNKNOWN: "unknown"}


def _why(one: Finding) -> str:
    since = f", since {one.since:%H:%M:%S} UTC" if one.since is not None and one.verdict is Verdict.UNHEALTHY else ""
    return f"{one.message}{since}" if one.verdict is not Verdict.UNKNOWN else f"{one.reason}: {one.message}"


def _do(rung: Rung | None) -> Iterator[str]:
    held: GuardLine | None = rung.objection if rung is not None else None
    if held is not None:
        yield f"salus explain {held.reason}"
