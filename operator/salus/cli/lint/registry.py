"""All rules: code, level, what it needs, and a sentence. The page docs/reference/lint.md is written from this."""

from salus.cli.lint import offline
from salus.cli.lint.rule import Rule
from salus.cli.reports.lint import Level

PAST_ITS_END = "SL001"
ILLEGIBLE = "SL002"
INVALID = "SL010"
NOTED = "SL011"
OF_FILES = {
    PAST_ITS_END: (Level.ERROR, "an exception (`# salus:ignore`) whose end is past"),
    ILLEGIBLE: (Level.ERROR, "an exception without codes, end or reason"),
    INVALID: (Level.ERROR, "what `salus validate` reports: schema, PromQL, references; no other rule is asked then"),
    NOTED: (Level.INFO, "what `salus validate` notes, where no other rule says it"),
}
"""What is told of a file, or of a policy that cannot be used."""

_ERROR, _WARNING, _INFO = Level
RULES: tuple[Rule, ...] = (
    Rule(
        "SL101",
        _ERROR,
        "the expression of an alert, which is empty while all is well, and no `onNoData`; shows the query as a number",
        offline.alert_expressions,
        is_offline=True,
    ),
    Rule(
        "SL102",
        _WARNING,
        "a denominator that falls to 0 where nothing happens, and no `volume`; quotients that are summed or averaged",
        offline.empty_denominators,
        is_offline=True,
    ),
    Rule(
        "SL103",
        _WARNING,
        "failures alone, which are absent until the first one; shows `or 0 *`",
        offline.failures_alone,
        is_offline=True,
    ),
    Rule(
        "SL104",
        _ERROR,
        "a counter without `rate` or `increase`, by its name, and live by its metadata; live, a rate of a gauge",
        offline.counters,
        is_offline=True,
    ),
    Rule(
        "SL105",
        _ERROR,
        "a query that nothing ties to the workload or its namespace",
        offline.untied,
        is_offline=True,
    ),
    Rule(
        "SL106",
        _WARNING,
        "`for` shorter than two intervals before an action; a bound that every share crosses, or none does",
        offline.odd_bounds,
        is_offline=True,
    ),
    Rule(
        "SL107",
        _WARNING,
        "averages of quantiles, `topk`, `absent()`, and `or vector(0)`, by which what is gone reads as healthy",
        offline.misleading,
        is_offline=True,
    ),
    Rule(
        "SL401",
        _ERROR,
        "the widest range, or `settle`, and `stable` do not fit into `verify.timeout`: no act can prove that it helped",
        offline.no_time_to_verify,
        is_offline=True,
    ),
    Rule(
        "SL402",
        _WARNING,
        "remedies that never have their turn; checks that no remedy speaks of",
        offline.ladder,
        is_offline=True,
    ),
)
CODES = frozenset({*OF_FILES, *(rule.code for rule in RULES)})
