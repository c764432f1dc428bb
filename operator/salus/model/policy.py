"""HealthPolicy: what healthy means for a workload, and what may be done when it is not.

The schema of the CRD, the text of `kubectl explain` and the offline check of `salus validate` all come from here.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, PlainValidator, WithJsonSchema

from salus.model.meta import Conditions, WorkloadKind
from salus.model.scalars import (
    LABEL_KEY,
    METRIC_LABEL,
    MOST_REPLICAS,
    Count,
    Decimal,
    DnsLabel,
    DnsName,
    Duration,
    Flag,
    Generation,
    LabelValue,
    LongText,
    MapList,
    MetricLabel,
    Parameter,
    Reason,
    Replicas,
    Resource,
    Rule,
    SetList,
    ShortText,
    Time,
    cel_exactly_one,
    exactly_one,
    format_duration,
    quote,
)


class Mode(StrEnum):
    """How far Salus may go. Observe records what it would do; Approve asks a person first; Enforce acts."""

    OBSERVE = "Observe"
    APPROVE = "Approve"
    ENFORCE = "Enforce"

    @property
    def rank(self) -> int:
        """Observe 0, Approve 1, Enforce 2."""
        return list(Mode).index(self)


def weakest_mode(*modes: Mode) -> Mode:
    """The one of these that lets Salus do least."""
    return min(modes, key=lambda mode: mode.rank)


class Verdict(StrEnum):
    """What a check says. Only Unhealthy can lead to an action; of Quiet, too little traffic, nothing follows at all."""

    HEALTHY = "Healthy"
    UNHEALTHY = "Unhealthy"
    UNKNOWN = "Unknown"
    QUIET = "Quiet"


class OnFailure(StrEnum):
    """What happens to an action that did not help."""

    UNDO = "Undo"
    KEEP = "Keep"


class GitOps(StrEnum):
    """Whether a field that Git owns may be changed."""

    RESPECT = "Respect"
    IGNORE = "Ignore"


class Severity(StrEnum):
    """How loud a notification is, in the words Prometheus alerts use."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class ChangeType(StrEnum):
    """ITIL kinds of change. A merged policy is the pre-authorisation of a standard change."""

    STANDARD = "Standard"
    NORMAL = "Normal"
    EMERGENCY = "Emergency"


def _at_most(field: str, longest: timedelta, name: str = "") -> Rule:
    """The longest window that Salus keeps records for. `name`: the field in Python, if it is another one."""
    written, name = format_duration(longest), name or field
    cel = f"self.{field if field != 'for' else '__for__'}"
    return Rule(
        f"!has({cel}) || duration({cel}) <= duration('{written}')",
        f"{field} must be at most {written}",
        lambda item: (value := getattr(item, name)) is None or value <= longest,
        field=f".{field}",
    )


_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_MONTH = timedelta(days=30)


def _keyed_by(pattern: str, longest: int, message: str) -> Rule:
    """What the keys of matchLabels must look like; the schema of a map speaks of its values only."""
    return Rule(
        f"self.matchLabels.all(l, l.size() <= {longest} && l.matches('{pattern}'))",
        message,
        lambda item: all(len(key) <= longest and re.fullmatch(pattern, key) for key in item.match_labels),
        field=".matchLabels",
    )


class LabelSelector(Resource):
    """Chooses workloads of the policy's namespace by their labels."""

    RULES: ClassVar = (
        _keyed_by(LABEL_KEY, 317, "matchLabels must be keyed by names of labels, such as app.kubernetes.io/name"),
    )
    match_labels: Annotated[Mapping[str, LabelValue], Field(min_length=1, max_length=16)]
    """Labels that a workload must carry, all of them."""


class Target(Resource):
    """The workloads a policy speaks of, always in the policy's own namespace."""

    RULES: ClassVar = (
        Rule(
            cel_exactly_one("name", "selector"),
            "set exactly one of name and selector",
            exactly_one("name", "selector"),
        ),
    )
    kind: WorkloadKind
    """Deployment, StatefulSet or DaemonSet."""
    name: DnsName | None = None
    """Name of one workload."""
    selector: LabelSelector | None = None
    """Labels of many workloads; each is judged and healed by itself."""


class Threshold(Resource):
    """A bound on a value. The value itself is still inside."""

    RULES: ClassVar = (
        Rule(
            cel_exactly_one("above", "below"),
            "set exactly one of above and below",
            exactly_one("above", "below"),
        ),
    )
    above: Decimal | None = None
    """Crossed when the value is greater than this. A whole number, or a decimal in a string: "0.05"."""
    below: Decimal | None = None
    """Crossed when the value is less than this. A whole number, or a decimal in a string: "0.05"."""

    @property
    def limit(self) -> float:
        """The number, on whichever side it is."""
        return self.above if self.above is not None else self.below or 0.0

    def crossed_by(self, value: float) -> bool:
        """Whether `value` lies beyond the bound; NaN never does."""
        if self.above is not None:
            return value > self.above
        return self.below is not None and value < self.below

    def lies_opposite(self, other: "Threshold") -> bool:
        """Whether nothing can be beyond both this bound and the other."""
        if other.above is not None:
            return self.below is not None and self.below <= other.above
        return self.above is not None and other.below is not None and self.above >= other.below

    def __str__(self) -> str:
        """`above 0.05`."""
        word = "above" if self.above is not None else "below"
        return f"{word} {self.limit:.6g}"


def names_target(text: str) -> bool:
    """Whether a query, or a label, is of one workload alone."""
    return "$target" in text or "$pods" in text


def _cel_names_target(text: str) -> str:
    return f"({text}.contains('$target') || {text}.contains('$pods'))"


class Alert(Resource):
    """An alert that the team already has in Prometheus."""

    RULES: ClassVar = (
        Rule(
            "!['alertname', 'alertstate'].exists(l, l in self.matchLabels)",
            "matchLabels cannot set alertname or alertstate: Salus does",
            lambda a: not {"alertname", "alertstate"} & set(a.match_labels),
            field=".matchLabels",
        ),
        Rule(
            "!('namespace' in self.matchLabels) || self.matchLabels['namespace'] == ''",
            'matchLabels.namespace can be "" only, for an alert that has no such label: else it is the policy\'s',
            lambda a: not a.match_labels.get("namespace"),
            field=".matchLabels",
        ),
        _keyed_by(METRIC_LABEL, 128, "matchLabels must be keyed by names of Prometheus labels, such as severity"),
    )
    name: Annotated[str, Field(min_length=1, max_length=128)]
    """The alert's name (the label `alertname`)."""
    match_labels: Annotated[Mapping[str, ShortText], Field(max_length=16)] = {}
    """Labels that the alert has, with `$namespace` and `$target`, or `$pods` alone; "" for one that it has not;
    `namespace` is the policy's, or ""."""

    @property
    def names_target(self) -> bool:
        """Whether it is asked for by the name of a workload, or by those of its pods."""
        return any(names_target(text) for text in (self.name, *self.match_labels.values()))


class Ratio(Resource):
    """A share of something, such as failures in all requests; a part that was never counted is none of it."""

    of: Annotated[str, Field(min_length=1, max_length=2048)]
    """PromQL for the part, such as failed requests. Empty: 0, as long as `in` has data; no data where `unhealthy` is
    below, since 0 would be a breach."""
    in_: Annotated[str, Field(alias="in", min_length=1, max_length=2048)]
    """PromQL for the whole, such as all requests, with the same labels. Empty, or 0: no data."""


class Volume(Resource):
    """How much there must be for a check to say anything: below it, it is Quiet."""

    query: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    """PromQL that answers with a number, such as the requests of the last minutes. Default of a ratio: its `in`,
    counted over its range."""
    at_least: Decimal | None = None
    """Below this the check is Quiet. A whole number, or a decimal in a string. Default of a ratio: ceil(3 / bound), so
    that it takes three failures to cross the bound; 0: never quiet."""


class Check(Resource):
    """One question to Prometheus with a bound on its answer."""

    RULES: ClassVar = (
        Rule(
            cel_exactly_one("query", "ratio", "preset", "alert"),
            "set exactly one of query, ratio, preset and alert",
            exactly_one("query", "ratio", "preset", "alert"),
        ),
        Rule(
            "!(has(self.query) || has(self.ratio)) || has(self.unhealthy)",
            "a query or a ratio needs unhealthy.above or unhealthy.below",
            lambda c: (c.query is None and c.ratio is None) or c.unhealthy is not None,
            field=".unhealthy",
        ),
        Rule(
            "!has(self.alert) || (!has(self.unhealthy) && !has(self.healthy) && !has(self.onNoData))",
            "an alert brings its own threshold: leave out unhealthy, healthy and onNoData",
            lambda c: c.alert is None or (c.unhealthy is None and c.healthy is None and c.on_no_data is None),
        ),
        Rule(
            "!has(self.healthy) || !has(self.unhealthy) || (has(self.unhealthy.above) ? "
            "has(self.healthy.below) && double(self.healthy.below) <= double(self.unhealthy.above) : "
            "has(self.healthy.above) && double(self.healthy.above) >= double(self.unhealthy.below))",
            "healthy must lie on the other side of unhealthy: below it where unhealthy is above, and the reverse",
            lambda c: c.healthy is None or c.unhealthy is None or c.healthy.lies_opposite(c.unhealthy),
            field=".healthy",
        ),
        Rule(
            "has(self.preset) || (!has(self.variant) && !has(self.with))",
            "variant and with are of a preset",
            lambda c: c.preset is not None or (c.variant is None and c.with_ is None),
        ),
        Rule(
            "!has(self.volume) || has(self.ratio) || has(self.preset) || "
            "(has(self.volume.query) && has(self.volume.atLeast))",
            "volume needs query and atLeast; a ratio brings its own",
            lambda c: (
                c.volume is None
                or c.ratio is not None
                or c.preset is not None
                or (c.volume.query is not None and c.volume.at_least is not None)
            ),
            field=".volume",
        ),
        Rule(
            "!has(self.onNoData) || self.onNoData != 'Quiet'",
            "onNoData must be Unknown, Healthy or Unhealthy",
            lambda c: c.on_no_data is not Verdict.QUIET,
            field=".onNoData",
        ),
        _at_most("for", _DAY, "for_"),
        _at_most("window", _MONTH),
    )
    name: DnsLabel
    """Name of the check, unique in the policy."""
    query: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    """PromQL that answers with one number per target. `$namespace`, `$target` and, behind =~, `$pods` (a regular
    expression for the names of its pods) are replaced, inside quotes only."""
    ratio: Ratio | None = None
    """A share, by two queries: the one for the commonest query of all, errors by requests."""
    preset: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """Name of a check that Salus brings along."""
    variant: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """In which vocabulary a preset asks, such as istio. Needed where it has several."""
    with_: Annotated[Mapping[str, Parameter] | None, Field(alias="with", max_length=8)] = None
    """What a preset is told besides, by name: {slowerThan: "0.5"}."""
    alert: Alert | None = None
    """An alert that the team already has; unhealthy while it fires."""
    unhealthy: Threshold | None = None
    """Beyond this the check is unhealthy."""
    healthy: Threshold | None = None
    """Beyond this an unhealthy check is healthy again. Default: as soon as it is no longer unhealthy."""
    for_: Annotated[Duration | None, Field(alias="for")] = None
    """How long the value must stay beyond the threshold before it counts, at most 24h. Default 0s, or the preset's."""
    window: Duration | None = None
    """How far back the answer looks, at most 720h. Default: as the query says, or the names of recorded series do."""
    on_no_data: Verdict | None = None
    """What an empty answer means. Default Unknown, which never acts."""
    volume: Volume | None = None
    """How much traffic there must be for the check to say anything. Default: any; a ratio of rates brings its own."""
    target_label: MetricLabel | None = None
    """Label that names the workload, for a query without `$target` and `$pods`, which answers for all at once."""


class Rollback(Resource):
    """Go back to the newest release that was known healthy."""

    RULES: ClassVar = (_at_most("within", _WEEK),)
    within: Duration = timedelta(minutes=30)
    """Only for a release that began at most this long before the breach; at most 168h."""


class Restart(Resource):
    """Replace the pods one by one, as `kubectl rollout restart` does."""


class Size(StrEnum):
    """Sizes that have a name."""

    LAST_HEALTHY = "LastHealthy"


def parse_size(value: object) -> int | Size:
    """`6` or `LastHealthy`. Raises ValueError with what was expected."""
    match value:
        case Size.LAST_HEALTHY:
            return Size.LAST_HEALTHY
        case int() if not isinstance(value, bool):
            if 1 <= value <= MOST_REPLICAS:
                return value
            raise ValueError(f"expected {'at least 1' if value < 1 else f'at most {MOST_REPLICAS}'}, got {value}")
    raise ValueError(f"expected a whole number or {Size.LAST_HEALTHY}, got {quote(value)}")


class Scale(Resource):
    """Change the number of replicas; under an autoscaler, raise its minimum."""

    RULES: ClassVar = (
        Rule(
            cel_exactly_one("to", "by", "perReplica"),
            "set exactly one of to, by and perReplica",
            exactly_one("to", "by", "per_replica"),
        ),
        Rule(
            "!has(self.to) || type(self.to) != int || self.to <= self.max",
            "to must not exceed max",
            lambda s: not isinstance(s.to, int) or s.to <= s.max,
            field=".to",
        ),
        Rule(
            "!has(self.to) || type(self.to) == int || !has(self.revertAfter)",
            "what is back at its last healthy size stays there: leave out revertAfter",
            lambda s: s.to is not Size.LAST_HEALTHY or s.revert_after is None,
            field=".revertAfter",
        ),
        Rule("self.min <= self.max", "min must not exceed max", lambda s: s.min <= s.max, field=".min"),
        Rule(
            "!has(self.perReplica) || double(self.perReplica) > 0.0",
            "perReplica must be greater than 0",
            lambda s: s.per_replica is None or s.per_replica > 0,
            field=".perReplica",
        ),
        _at_most("revertAfter", _WEEK, "revert_after"),
    )
    to: Annotated[
        int | Size | None,
        PlainValidator(parse_size),
        WithJsonSchema(
            {
                "x-kubernetes-int-or-string": True,
                "minimum": 1,
                "maximum": MOST_REPLICAS,
                "maxLength": len(Size.LAST_HEALTHY),
                "pattern": f"^{Size.LAST_HEALTHY}$",
            }
        ),
    ] = None
    """This many replicas; or LastHealthy: up to as many as the live release had when all was well, also from 0."""
    by: Annotated[str, Field(max_length=6, pattern=r"^[1-9][0-9]{0,3}%?$")] | None = None
    """This many more, from the live number: "2", or a share of it, rounded up: "50%"."""
    per_replica: Decimal | None = None
    """One replica for so much of the check's value: ceil(value / perReplica). A whole number, or a decimal in a
    string."""
    max: Replicas
    """Never more than this."""
    min: Replicas = 1
    """Never fewer than this."""
    revert_after: Duration | None = None
    """Put back what was there once all checks were healthy for so long, at most 168h. Default: keep."""


class Notify(Resource):
    """Tell people, change nothing."""

    severity: Severity = Severity.WARNING
    """info, warning or critical."""


_ACTIONS = ("rollback", "restart", "scale", "notify")
"""The fields of a remedy that say what may be done."""


class Remedy(Resource):
    """A rung of the ladder: one thing that may be done."""

    RULES: ClassVar = (
        Rule(
            cel_exactly_one(*_ACTIONS),
            f"set exactly one of {', '.join(_ACTIONS[:-1])} and {_ACTIONS[-1]}",
            exactly_one(*_ACTIONS),
        ),
    )
    name: DnsLabel
    """Name of the remedy, unique in the policy."""
    checks: Annotated[tuple[DnsLabel, ...], Field(min_length=1, max_length=16)] | None = None
    """Only when one of these checks is unhealthy. Default: any check."""
    mode: Mode | None = None
    """A mode of its own, never bolder than the policy's."""
    rollback: Rollback | None = None
    """Go back to the newest release that was known healthy."""
    restart: Restart | None = None
    """Replace the pods one by one."""
    scale: Scale | None = None
    """Change the number of replicas; under an autoscaler, raise its minimum instead."""
    notify: Notify | None = None
    """Tell people."""


class Limits(Resource):
    """How often this policy may act on one target."""

    RULES: ClassVar = (
        Rule(
            "duration(self.per) >= duration('1m')",
            "per must be at least 1m, or maxActions would limit nothing",
            lambda limits: limits.per >= timedelta(minutes=1),
            field=".per",
        ),
        _at_most("per", _WEEK),
        _at_most("cooldown", _DAY),
    )
    cooldown: Duration = timedelta(minutes=5)
    """Pause between two actions on one target, at most 24h."""
    max_actions: Annotated[Count, Field(ge=1, le=100)] = 3
    """At most so many actions on one target …"""
    per: Duration = timedelta(hours=1)
    """… in any window of this length, 1m to 168h."""


class Verify(Resource):
    """How an action proves that it helped."""

    RULES: ClassVar = (
        Rule(
            "duration(self.settle) + duration(self.stable) <= duration(self.timeout)",
            "settle and stable together must fit into timeout",
            lambda v: v.settle + v.stable <= v.timeout,
            field=".timeout",
        ),
        _at_most("settle", timedelta(hours=1)),
        _at_most("stable", timedelta(hours=1)),
        _at_most("timeout", timedelta(hours=6)),
    )
    settle: Duration = timedelta(seconds=30)
    """Samples younger than this after the action do not count; at most 1h."""
    stable: Duration = timedelta(minutes=1)
    """The checks must stay healthy for so long; at most 1h."""
    timeout: Duration = timedelta(minutes=5)
    """After this the action did not help; at most 6h."""
    on_failure: OnFailure = OnFailure.UNDO
    """Undo or Keep an action that did not help."""


class ChangeInfo(Resource):
    """What the change records say to change management."""

    type: ChangeType = ChangeType.STANDARD
    """Standard, Normal or Emergency, as in ITIL 4."""
    model: ShortText = ""
    """Id of the change model or template."""
    service: ShortText = ""
    """The business service."""
    ticket: ShortText = ""
    """A ticket to refer to."""


SinkNames = Annotated[tuple[DnsLabel, ...], Field(max_length=8), SetList()]


class HealthPolicySpec(Resource):
    """What healthy means, and what may be done."""

    RULES: ClassVar = (
        Rule(
            "duration(self.interval) >= duration('5s') && duration(self.interval) <= duration('1h')",
            "interval must be between 5s and 1h",
            lambda s: timedelta(seconds=5) <= s.interval <= timedelta(hours=1),
            field=".interval",
        ),
        Rule(
            "self.remedies.all(r, !has(r.checks) || r.checks.all(n, self.checks.exists(c, c.name == n)))",
            "remedies[].checks must name checks of this policy",
            lambda s: {n for r in s.remedies for n in r.checks or ()} <= {c.name for c in s.checks},
            field=".remedies",
        ),
        Rule(
            "self.mode == 'Enforce' || "
            "self.remedies.all(r, !has(r.mode) || r.mode == 'Observe' || r.mode == self.mode)",
            "remedies[].mode must not be bolder than mode (Observe, Approve, Enforce)",
            lambda s: all(r.mode is None or r.mode.rank <= s.mode.rank for r in s.remedies),
            field=".remedies",
        ),
        Rule(
            "has(self.target.name) || "
            f"self.checks.all(c, !has(c.query) || has(c.targetLabel) || {_cel_names_target('c.query')})",
            "with target.selector a query needs $target, $pods or targetLabel",
            lambda s: (
                s.target.name is not None
                or all(c.query is None or c.target_label or names_target(c.query) for c in s.checks)
            ),
            field=".checks",
        ),
        Rule(
            "has(self.target.name) || self.checks.all(c, !has(c.volume) || !has(c.volume.query) || "
            f"has(c.targetLabel) || {_cel_names_target('c.volume.query')})",
            "with target.selector volume.query needs $target or $pods, or the check needs targetLabel",
            lambda s: (
                s.target.name is not None
                or all(
                    c.volume is None or c.volume.query is None or c.target_label or names_target(c.volume.query)
                    for c in s.checks
                )
            ),
            field=".checks",
        ),
        Rule(
            "has(self.target.name) || self.checks.all(c, !has(c.ratio) || has(c.targetLabel) || "
            f"({_cel_names_target('c.ratio.of')} && {_cel_names_target('c.ratio.__in__')}))",
            "with target.selector both parts of a ratio need $target or $pods, or the check needs targetLabel",
            lambda s: (
                s.target.name is not None
                or all(
                    c.ratio is None or c.target_label or (names_target(c.ratio.of) and names_target(c.ratio.in_))
                    for c in s.checks
                )
            ),
            field=".checks",
        ),
        Rule(
            "has(self.target.name) || !has(self.target.selector) || self.checks.all(c, !has(c.alert) || "
            "c.alert.name.contains('$target') || "
            f"c.alert.matchLabels.exists(l, {_cel_names_target('c.alert.matchLabels[l]')}))",
            "with target.selector an alert needs $target or $pods in matchLabels, such as deployment: $target",
            lambda s: s.target.selector is None or all(c.alert is None or c.alert.names_target for c in s.checks),
            field=".checks",
        ),
        _at_most("bake", _WEEK),
        _at_most("escalateAfter", _DAY, "escalate_after"),
    )
    mode: Mode = Mode.OBSERVE
    """Observe (default) records what it would do; Approve asks a person first; Enforce acts."""
    suspend: Flag = False
    """Stop acting for this policy; it goes on measuring."""
    target: Target
    """The workloads this policy speaks of."""
    service_account_name: DnsName | None = None
    """The account that acts, in this namespace. Default: from the operator's configuration."""
    source: DnsLabel = "default"
    """Name of a metrics source of the operator's configuration."""
    sinks: SinkNames = ()
    """Names of sinks of the operator's configuration that records are sent to, besides those that get all records."""
    interval: Duration = timedelta(seconds=15)
    """How often to measure, 5s to 1h."""
    checks: Annotated[tuple[Check, ...], Field(min_length=1, max_length=16), MapList("name")]
    """What healthy means: the workload is unhealthy when any of these is."""
    remedies: Annotated[tuple[Remedy, ...], Field(max_length=8), MapList("name")] = ()
    """What may be done, in this order. Empty: open incidents, change nothing."""
    escalate_after: Duration = timedelta(minutes=5)
    """People are told of an incident that has lasted so long with no change under way; at most 24h."""
    limits: Limits = Limits()
    """How often this policy may act on one target."""
    verify: Verify = Verify()
    """How an action proves that it helped."""
    bake: Duration = timedelta(minutes=10)
    """A release that was fully rolled out and healthy for so long, at most 168h, is worth going back to."""
    git_ops: GitOps = GitOps.RESPECT
    """Respect: a field that Git owns is not changed, the change is advised."""
    change: ChangeInfo = ChangeInfo()
    """What the change records say to change management."""


class TargetCounts(Resource):
    """How many targets are in which state."""

    total: Count = 0
    """Workloads that the policy speaks of."""
    healthy: Count = 0
    """All checks healthy, or quiet but for one at least."""
    unhealthy: Count = 0
    """At least one check unhealthy."""
    unknown: Count = 0
    """At least one check without a trustworthy answer, none unhealthy."""
    quiet: Count = 0
    """Too little traffic for any check to say anything."""
    summary: ShortText = ""
    """How many there are, and how many of them are unhealthy: `12/1`. For the column of `kubectl get`."""


class CheckStatus(Resource):
    """What a check said at its last transition, on the worst target."""

    name: DnsLabel
    """Name of the check."""
    verdict: Verdict
    """Healthy, Unhealthy, Unknown or Quiet."""
    value: ShortText | None = None
    """The value then."""
    since: Time | None = None
    """Since when."""
    reason: Reason
    """Why, in one word."""
    message: LongText = ""
    """Why, in a sentence."""
    query: LongText = ""
    """What is asked, on the worst target."""


class LastChange(Resource):
    """The newest change event of this policy."""

    name: DnsName
    """Name of the ChangeEvent."""
    action: ShortText = ""
    """What it did."""
    decision: ShortText = ""
    """Act, DryRun, AwaitApproval, Advise or Refuse."""
    outcome: ShortText = ""
    """How it ended; empty while it is under way."""
    at: Time | None = None
    """When it was decided."""


class HealthPolicyStatus(Resource):
    """What Salus last saw. Written on transitions, not on every measurement."""

    observed_generation: Generation = -1
    """The spec generation that this status speaks of; -1 until it was seen."""
    conditions: Conditions = ()
    """Ready, Reconciling, Stalled speak of the spec; Healthy, MetricsAvailable, Throttled, Overlapping of targets."""
    targets: TargetCounts | None = None
    """How many targets are in which state."""
    checks: Annotated[tuple[CheckStatus, ...], Field(max_length=16), MapList("name")] = ()
    """The checks, on the worst target."""
    held_by: Reason | None = None
    """What holds an action back, in one word; absent: nothing. As the condition Throttled says, while that is True."""
    open_incident: DnsName | None = None
    """Name of the incident that is open, of the worst target that has one."""
    last_change: LastChange | None = None
    """The newest change event."""
