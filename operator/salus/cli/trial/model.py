"""PolicyTest: what stands in a file `*.test.yaml`. Reading it, and saying where it is wrong, is left to `files`."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from salus.cli.reports.document import CLI_VERSION
from salus.cli.trial import notation
from salus.model.change import ActionKind, Decision, Outcome
from salus.model.meta import WorkloadKind
from salus.model.scalars import (
    Count,
    DnsName,
    Duration,
    LabelValue,
    MapList,
    Resource,
    Rule,
    ShortText,
    Time,
    parse_duration,
    quote,
)

KIND: Literal["PolicyTest"] = "PolicyTest"
BEGINS = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""Of a test that does not say: a Monday, at noon."""
_OFFSET = re.compile(r"(?P<sign>-?)(?:(?P<days>[0-9]{1,4})d)?(?P<rest>(?:[0-9]+[hms])*)")


def parse_offset(text: object) -> timedelta:
    """`6m`, `-2d`, `1d12h`: a time from the test's beginning. Raises ValueError with the expected form."""
    if isinstance(text, timedelta):
        return text
    found = _OFFSET.fullmatch(text) if isinstance(text, str) else None
    if not found or not (found["days"] or found["rest"]):
        raise ValueError(f"expected a time from the beginning, such as 6m, 7m30s or -2d, got {quote(text)}")
    rest = parse_duration(found["rest"]) if found["rest"] else timedelta(0)
    total = timedelta(days=int(found["days"] or 0)) + rest
    return -total if found["sign"] else total


def format_offset(value: timedelta) -> str:
    """The same as people write it."""
    seconds, parts = abs(round(value.total_seconds())), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        parts += [f"{count}{unit}"] if count else []
    return f"{'-' if value < timedelta(0) and parts else ''}{''.join(parts) or '0s'}"


def _later(text: object) -> timedelta:
    found = parse_offset(text)
    if found < timedelta(0):
        raise ValueError(f"expected a time from the beginning on, got {quote(text)}")
    return found


def _notation(text: object) -> notation.Values:
    if isinstance(text, int | float) and not isinstance(text, bool):
        text = repr(text)
    if isinstance(text, str):
        return notation.parse(text)
    if isinstance(text, tuple):
        return text
    raise ValueError(f"expected values such as 0.001x20, got {quote(text)}")


def _notation_text(text: object) -> str:
    """As it is written: promtool reads it."""
    if not isinstance(text, str):
        raise ValueError(f"expected values such as 0+600x60, got {quote(text)}")  # noqa: TRY004 — pydantic reads ValueErrors
    notation.parse(text)
    return text


def words_of(text: str) -> tuple[Decision, ActionKind | None]:
    """`Act Rollback`, or `Refuse` for any action. Raises ValueError with the words that there are."""
    first, _, second = " ".join(text.split()).partition(" ")
    if first not in set(Decision):
        raise ValueError(f"expected {', '.join(Decision)}, and perhaps an action, got {quote(text)}")
    if second and second not in set(ActionKind):
        raise ValueError(f"expected one of {', '.join(ActionKind)} after {first}, got {quote(second)}")
    return Decision(first), ActionKind(second) if second else None


def _record(text: object) -> str:
    if not isinstance(text, str):
        raise ValueError(f"expected a decision and an action, such as Act Rollback, got {quote(text)}")  # noqa: TRY004 — pydantic reads ValueErrors
    words_of(text)
    return " ".join(text.split())


def _expectations(written: object) -> object:
    """`none` is said, and not left out: a test that expects nothing by mistake would pass for ever."""
    if written == "none":
        return ()
    if isinstance(written, list) and written:
        return written
    raise ValueError(f"expected none, or a list of what is to be on record, got {quote(written)}")


_TIME = {"type": "string", "pattern": r"^-?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"}
Offset = Annotated[
    timedelta, BeforeValidator(parse_offset), PlainSerializer(format_offset), WithJsonSchema({**_TIME, "minLength": 2})
]
Later = Annotated[
    timedelta, BeforeValidator(_later), PlainSerializer(format_offset), WithJsonSchema({**_TIME, "minLength": 2})
]
Notation = Annotated[
    tuple[float | None, ...],
    BeforeValidator(_notation),
    PlainSerializer(notation.write),
    WithJsonSchema({"type": ["string", "number"]}),
]
NotationText = Annotated[str, BeforeValidator(_notation_text)]
RecordWords = Annotated[str, BeforeValidator(_record)]


class Release(Resource):
    """A release of the workload."""

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
    """What expectations call it; the tag of its image."""
    at: Offset
    """When it was, or will be, rolled out."""
    good: bool = False
    """It was known healthy before the test began: a rollback may go back to it."""


class Size(Resource):
    """Somebody else changes the number of replicas."""

    at: Later
    """When."""
    replicas: Count
    """To how many."""


class WorkloadPart(Resource):
    """What is said of the workload; what a test says replaces what its file says, field by field."""

    kind: WorkloadKind | None = None
    """Default: that of the policies' target."""
    name: DnsName | None = None
    """Default: that of the policies' target."""
    namespace: DnsName | None = None
    """Default: that of the policies."""
    replicas: Count | None = None
    """At the beginning. Default: 3."""
    labels: Mapping[str, LabelValue] | None = None
    """Default: those that the policies' selector asks for."""
    releases: Annotated[tuple[Release, ...], MapList("name"), Field(min_length=1, max_length=16)] | None = None
    """Oldest first. Default: one, v1, two days old and known healthy."""
    scaled: Annotated[tuple[Size, ...], Field(max_length=64)] | None = None
    """What others do to its size."""
    takes: Duration | None = None
    """From another template or size until all pods are ready. Default: 20s."""


class Series(Resource):
    """A series, as promtool's `input_series`."""

    series: Annotated[str, Field(min_length=1, max_length=4096)]
    """Its name and labels: `up{job="a"}`."""
    values: NotationText


class Expected(Resource):
    """Something that is to be on record; a field that is left out may be anything."""

    RULES: ClassVar = (
        Rule(
            "",
            "set at or by, not both",
            lambda one: one.at is None or one.by is None,
            field=".by",
        ),
        Rule(
            "",
            "set one of record, outcome, to, reason and remedy at least",
            lambda one: any(value is not None for value in (one.record, one.outcome, one.to, one.reason, one.remedy)),
        ),
    )
    at: Later | None = None
    """Decided then, or within an interval after it; without `record`: ended then."""
    by: Later | None = None
    """Decided by then; without `record`: ended by then."""
    record: RecordWords | None = None
    """Decision and action: Act Rollback, Refuse Restart, DryRun Scale; or a decision alone."""
    outcome: Outcome | None = None
    """How it ended."""
    to: ShortText | int | None = None
    """The release, by its name here, or the number of replicas."""
    reason: ShortText | None = None
    """Why: of a refusal, the guard's reason."""
    remedy: ShortText | None = None
    """Name of the remedy."""
    policy: ShortText | None = None
    """Name of the policy."""
    times: Annotated[int, Field(strict=True, ge=1)] | None = None
    """So many records like this, no more. Default: one at least."""


class Case(Resource):
    """One test."""

    RULES: ClassVar = (
        Rule(
            "",
            "set values or series, not both",
            lambda one: not (one.values and one.series),
            field=".series",
        ),
    )
    name: Annotated[str, Field(min_length=1, max_length=200)]
    """A sentence that says what is to be."""
    values: Mapping[str, Notation] = {}
    """By check (or policy/check), what it answers from the beginning on, one value an interval. A check that is not
    told of is well."""
    volumes: Mapping[str, Notation] = {}
    """By check, how much there is of what it judges. Default: enough."""
    series: tuple[Series, ...] = ()
    """What Prometheus has, for the queries as they are written."""
    after: Mapping[ActionKind, Mapping[str, float]] = {}
    """By action, what checks answer from then on, unless it is taken back: the world answers to the deed."""
    expect: Annotated[tuple[Expected, ...] | None, BeforeValidator(_expectations)] = None
    """What is to be on record, in this order: `none`, or a list. Nothing is said of other records: see `never`."""
    never: tuple[RecordWords, ...] = ()
    """What must not be on record."""
    config: Mapping[str, Any] | None = None
    """Of the operator's configuration; each field in place of the file's."""
    workload: WorkloadPart = WorkloadPart()
    objects: tuple[Mapping[str, Any], ...] | None = None
    """Other objects of the cluster, such as an autoscaler; in place of the file's."""
    begins: Time | None = None
    lasts: Duration | None = None
    """Default: as long as there are values."""


class PolicyTest(Resource):
    """A file of tests."""

    api_version: Literal["cli.salus.dev/v1alpha1"] = CLI_VERSION
    kind: Literal["PolicyTest"] = KIND
    policies: Annotated[tuple[ShortText, ...], Field(min_length=1, max_length=64)]
    """Files with policies, from this file's folder; all of them are at work together."""
    config: Mapping[str, Any] = {}
    """Of the operator's configuration, what matters here: freezes, limits, killSwitch, …"""
    workload: WorkloadPart = WorkloadPart()
    """The policies' target."""
    objects: tuple[Mapping[str, Any], ...] = ()
    """Other objects of the cluster, such as an autoscaler or a PodDisruptionBudget."""
    promtool: Annotated[tuple[ShortText, ...], Field(max_length=16)] = ()
    """Files of `promtool test rules`: the series of their first test, and their rules, are there in tests without
    values, so that they need not be written twice."""
    begins: Time = BEGINS
    """When every test begins: freezes are of a day."""
    interval: Duration | None = None
    """From one value to the next. Default: the policies' shortest interval."""
    tests: Annotated[tuple[Case, ...], MapList("name"), Field(min_length=1, max_length=1000)]
