"""What to propose for one check, by its past: the one door to all of this."""

from dataclasses import replace
from math import isfinite
from statistics import median

from salus.core.learn.bounds import Choice, Rule
from salus.core.learn.doubts import OWN_WILL_DO, objection, unusable
from salus.core.learn.healthy import healthy
from salus.core.learn.history import History, Question
from salus.core.learn.incidents import (
    all_cuts,
    beyond_since,
    half_hours,
    returning,
    turned,
    worst_of_all,
    worst_recurring,
)
from salus.core.learn.kinds import above, below
from salus.core.learn.pasts import Pasts
from salus.core.learn.proposal import Learned, LeftOut, Sure
from salus.core.learn.sure import Proposal, doubts
from salus.model.policy import Threshold


def propose(question: Question, history: History) -> Learned | LeftOut:
    """A bound with all its numbers, or why there is none."""
    if (nothing := unusable(history)) is not None:
        return nothing
    if question.kind.fixed and question.own is not None:
        return _fixed(Pasts(question, history), question.own)
    return _learned(Pasts(question, history))


def _learned(pasts: Pasts) -> Learned | LeftOut:
    evidence = pasts.evidence()
    window = evidence.past.window
    rule = Rule(pasts.question, pasts.history.step, pasts.normal(window))
    if (refusal := objection(evidence)) is not None:
        own = pasts.question.own
        if own is None or own.above is None or refusal.reason not in OWN_WILL_DO:
            return refusal
        as_it_was = _shown(pasts, rule.seen(evidence.past, own.above), own)
        return replace(as_it_was, sure=Sure.NO, why=[refusal.message], step=evidence.step)
    choice = rule.choose(pasts.each(evidence.past))
    if isinstance(choice, LeftOut):
        return choice
    clear = healthy(choice.worst or 0.0, choice.bound)
    why = doubts(Proposal(evidence, choice, rule.needed(choice)))
    return replace(
        _shown(pasts, choice, above(choice.bound)),
        healthy=None if clear is None else below(clear),
        hold=choice.hold,
        sure=Sure.SOME if why else Sure.YES,
        why=why,
        step=evidence.step,
        returning=returning(rule, choice),
    )


def _fixed(pasts: Pasts, own: Threshold) -> Learned:
    """The preset's own bound, and what the past was like by it."""
    series, window = pasts.history.series[0], pasts.window()
    rule = Rule(pasts.question, pasts.history.step, pasts.normal(window))
    if own.above is not None:
        return _shown(pasts, rule.seen(pasts.over(series, window), own.above), own)
    there = [value for value in series.values if isfinite(value)]
    usual = median(there) if there else 0.0
    missing = replace(series, values=[max(usual - value, 0.0) for value in series.values])  # NaN stays, being first
    choice = rule.seen(pasts.over(missing, window), usual - (own.below or 0.0))
    return turned(_shown(pasts, choice, own), usual)


def _shown(pasts: Pasts, choice: Choice, unhealthy: Threshold) -> Learned:
    """What the past is like by this bound, whoever set it."""
    return Learned(
        unhealthy=unhealthy,
        healthy=None,
        hold=pasts.question.hold,
        window=choice.past.series.window,
        volume=int(choice.volume) or None,
        sure=Sure.FIXED,
        why=(),
        usual=choice.past.usual(choice.volume),
        recurring=worst_recurring(choice),
        once=worst_of_all(choice),
        longest=choice.longest,
        quiet=choice.past.quiet(choice.volume),
        since=choice.past.window.start,
        cut=all_cuts(choice, pasts.history),
        beyond_since=beyond_since(choice, pasts.history.step),
        half_hours=half_hours(choice),
    )
