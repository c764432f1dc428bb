"""All rules: code, level, what it needs, and a sentence. The page docs/reference/lint.md is written from this."""

from salus.cli.lint import measured, offline, rules_of_source, units, workloads
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
        "SL201",
        _ERROR,
        "a metric that was never there, or is gone; a label or a value that its series do not have; with what there is",
        measured.missing,
    ),
    Rule(
        "SL202",
        _ERROR,
        "several series where one number is meant; names the labels to aggregate away",
        measured.several,
    ),
    Rule(
        "SL203",
        _WARNING,
        "a bound in another unit than the metric: seconds against milliseconds, bytes against Mi, a share against "
        "percent; by its name or its metadata, and by the values that were seen",
        units.other_units,
    ),
    Rule(
        "SL204",
        _WARNING,
        "a range below four scrapes; a subquery with one point in its range; a range beyond what the source keeps",
        measured.short_ranges,
    ),
    Rule(
        "SL205",
        _ERROR,
        "series of several clusters in one source; each series twice, by the two servers of an HA pair",
        measured.mixed_series,
    ),
    Rule(
        "SL206",
        _INFO,
        "a query whose value never moved",
        measured.never_moved,
    ),
    Rule(
        "SL207",
        _WARNING,
        "a series that a rule records, whose window its name does not tell; shows the rule and its widest range",
        rules_of_source.recorded,
    ),
    Rule(
        "SL208",
        _ERROR,
        "an alert that no rule makes, or that fires without a label that is asked for; `for` on top of its own",
        rules_of_source.alerts,
    ),
    Rule(
        "SL209",
        _WARNING,
        "more than 50,000 samples or a second for one evaluation, where the source tells what that takes",
        rules_of_source.costly,
    ),
    Rule(
        "SL210",
        _WARNING,
        "a quantile whose bound lies in a bucket that is wider than half of it, or above the highest finite one",
        measured.coarse_buckets,
    ),
    Rule(
        "SL211",
        _ERROR,
        "a query that the source refuses; pods that nobody can tell from others by their names",
        measured.refused,
    ),
    Rule(
        "SL301",
        _WARNING,
        "breaches in the past: how many, how short, and which `for` or bound leaves how many",
        measured.past_breaches,
    ),
    Rule(
        "SL302",
        _ERROR,
        "beyond the bound right now, or for more than 5 % of the time that was looked at: it would act at once",
        measured.beyond_now,
    ),
    Rule(
        "SL303",
        _WARNING,
        "Unknown for more than 1 % of the time that was looked at, and when",
        measured.unknown,
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
    Rule(
        "SL403",
        _WARNING,
        "the target is not there; what keeps a remedy from it: an autoscaler, Git, a PodDisruptionBudget, "
        "`revisionHistoryLimit: 0`, `OnDelete`, a partition",
        workloads.targets,
    ),
    Rule(
        "SL404",
        _ERROR,
        "what the acting account lacks for the remedies, with the commands that help; a source or a sink that the "
        "operator's ConfigMap does not know (one that `--config` does not know is SL010)",
        workloads.rights,
    ),
    Rule(
        "SL405",
        _INFO,
        "another policy with the same target",
        workloads.overlapping,
    ),
    Rule(
        "SL406",
        _WARNING,
        "a remedy for presets that it cannot mend: where only people can, or of all that it names in `checks`",
        offline.no_help,
        is_offline=True,
    ),
)
CODES = frozenset({*OF_FILES, *(rule.code for rule in RULES)})
