"""The operator's configuration: one YAML file, read at start and again whenever it changes.

Only the operator's administrator writes it; policies choose sources and sinks by name and never give a URL.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError

from salus.bounded_yaml import UnreadableError, read_bytes, value_of
from salus.core.guards.freeze import check_cron, zone_of
from salus.core.guards.permissions import REMEDIATOR
from salus.core.objects.stamps import KNOWN, too_wide
from salus.core.policy.exporters import Exporter, Trusted
from salus.core.records.release_retention import ShelfLife
from salus.core.records.retention import Retention
from salus.core.remedy.approvals import DEFAULT_EXPIRY
from salus.endpoints.settings import BasicAuth as EndpointAuth
from salus.endpoints.settings import NotTheBase, check_header, check_url
from salus.model.change import ActionKind
from salus.model.problems import problems
from salus.model.scalars import (
    DnsLabel,
    DnsName,
    Duration,
    LongText,
    MapList,
    MetricLabel,
    Resource,
    Rule,
    SetList,
    ShortText,
    quote,
)
from salus.model.values.configuration import (
    Binding,
    Bounds,
    Brake,
    Budget,
    Freeze,
    Marks,
    Minimums,
    Sink,
    Stamps,
    Switches,
)
from salus.sources.settings import SourceSettings, base_of, check_source_url

DEFAULT_SOURCE = "default"


class SettingsError(Exception):
    """The configuration cannot be used; the message names file, path and reason."""


MountedFile = Annotated[str, Field(min_length=1, max_length=256)]
"""Path of a file; none at all is left out, and not empty."""


class BasicAuth(Resource):
    """User and password for a server."""

    username: ShortText
    """User name."""
    password_file: MountedFile
    """Mounted file that holds the password; read again when it changes."""


def _http_url(text: str) -> str:
    """The URL of a server. Raises ValueError."""
    if not text.startswith(("http://", "https://")):
        raise ValueError("url must begin with http:// or https://")
    return check_url(text)


HeaderText = Annotated[ShortText, AfterValidator(check_header)]


class EndpointConfig(Resource):
    """One HTTP server."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["url"]}, {"required": ["urlFile"]}]})
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "",
            "set at most one of bearerTokenFile and basicAuth",
            lambda s: s.bearer_token_file is None or s.basic_auth is None,
        ),
        Rule("", "set exactly one of url and urlFile", lambda s: (s.url is None) != (s.url_file is None)),
        Rule(
            "",
            "a header stands in one place only: headers, headerFiles, or Authorization in bearerTokenFile or basicAuth",
            lambda s: not _twice(s),
            field=".headerFiles",
        ),
        Rule("", "set certFile and keyFile together", lambda s: (s.cert_file is None) == (s.key_file is None)),
        Rule("", "timeout must be longer than 0s", lambda s: s.timeout > timedelta(0), field=".timeout"),
    )
    url: Annotated[str, Field(min_length=8, max_length=2048), AfterValidator(_http_url)] | None = None
    """Where it is."""
    url_file: MountedFile | None = None
    """Mounted file that holds the URL, in place of `url`; read again when it changes."""
    timeout: Duration = timedelta(seconds=5)
    """After this a request counts as not answered."""
    bearer_token_file: MountedFile | None = None
    """Mounted file that holds a bearer token; read again when it changes."""
    basic_auth: BasicAuth | None = None
    """User and password."""
    ca_file: MountedFile | None = None
    """CA certificates to trust, in place of the system's."""
    cert_file: MountedFile | None = None
    """Client certificate to show, with those between it and its authority; read again when it changes."""
    key_file: MountedFile | None = None
    """Its private key, without a passphrase."""
    headers: Mapping[HeaderText, Annotated[str, Field(max_length=4096), AfterValidator(check_header)]] = {}
    """Further headers of every request."""
    header_files: Mapping[HeaderText, MountedFile] = {}
    """Further ones, each with the mounted file that holds its value; read again when it changes."""

    def endpoint(self, name: str) -> dict[str, Any]:
        """What the settings of sources and sinks have in common."""
        auth = self.basic_auth
        return {
            "name": name,
            "url": self.url or "",
            "url_file": _path(self.url_file),
            "timeout": self.timeout,
            "bearer_token_file": _path(self.bearer_token_file),
            "basic_auth": EndpointAuth(auth.username, Path(auth.password_file)) if auth else None,
            "ca_file": _path(self.ca_file),
            "cert_file": _path(self.cert_file),
            "key_file": _path(self.key_file),
            "headers": self.headers,
            "header_files": {header: Path(file) for header, file in self.header_files.items()},
        }


def _path(file: str | None) -> Path | None:
    return Path(file) if file else None


def _twice(endpoint: EndpointConfig) -> bool:
    """A header from a file that is set elsewhere too: who should win would be anybody's guess."""
    elsewhere = {name.lower() for name in endpoint.headers}
    if endpoint.bearer_token_file or endpoint.basic_auth:
        elsewhere.add("authorization")
    from_files = [name.lower() for name in endpoint.header_files]
    return len(set(from_files)) < len(from_files) or not elsewhere.isdisjoint(from_files)


def _not_filled_in(text: str) -> str:
    """The value of a label, which is taken as it stands. Raises ValueError."""
    if "$" in text:
        raise ValueError(f"a value is taken as it stands, and must hold no $, got {quote(text)}")
    return text


MOST_OF_AN_EXPORTER = 384
"""Characters, as they are written in a query: a preset asks with them in each of up to two dozen selectors."""
_ESCAPED = re.compile(r"[\"\\\n]")


def _of_an_exporter(labels: Mapping[str, str]) -> Mapping[str, str]:
    """Labels that tell an exporter's series from others. Raises ValueError."""
    if wrong := {"__name__", "namespace"} & labels.keys():
        raise ValueError(f"{min(wrong)} tells no exporter from another; use a label that the scrape sets, such as job")
    written = sum(len(name) + len(_ESCAPED.sub("..", value)) for name, value in labels.items())
    if written > MOST_OF_AN_EXPORTER:
        raise ValueError(f"names and values of {written} characters in all, at most {MOST_OF_AN_EXPORTER}")
    return labels


ExporterLabels = Annotated[
    Mapping[MetricLabel, Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_not_filled_in)]],
    Field(min_length=1, max_length=4),
    AfterValidator(_of_an_exporter),
]


def _source_url(text: str) -> str:
    """The URL of a source. Raises ValueError, which says the right form where it can be told."""
    try:
        return check_source_url(_http_url(text))
    except NotTheBase as error:
        raise ValueError(f"{error}: write {base_of(text)}") from error


class Method(StrEnum):
    """How a source is asked."""

    POST = "POST"
    GET = "GET"


def _of_a_source(labels: Mapping[str, str]) -> Mapping[str, str]:
    """Labels that all series of a source are asked for with. Raises ValueError."""
    if "namespace" in labels:
        raise ValueError("namespace: every policy asks for its own; set enforceNamespace")
    if "__name__" in labels:
        raise ValueError("__name__: every query names its own metrics")
    return labels


SourceLabel = Annotated[str, Field(max_length=128), AfterValidator(_not_filled_in)]


class SourceConfig(EndpointConfig):
    """One Prometheus-compatible server; its URL is the part before `/api/v1/…`."""

    RULES: ClassVar = (
        *EndpointConfig.RULES,
        Rule(
            "",
            "an exporter's label has another value in matchLabels, so presets would find nothing",
            lambda s: all(
                s.match_labels.get(label, value) == value
                for labels in s.exporters.values()
                for label, value in labels.items()
            ),
            field=".exporters",
        ),
    )

    url: Annotated[str, Field(min_length=8, max_length=2048), AfterValidator(_source_url)] | None = None
    """The part before `/api/v1/…`."""
    method: Method = Method.POST
    """How it is asked: POST (default), or GET where a proxy lets nothing else pass."""
    tenant_header: HeaderText | None = None
    """Header that carries the policy's namespace, such as X-Scope-OrgID."""
    enforce_namespace: bool = False
    """Whether every selector of a query gets `namespace="<the policy's>"`; a query that names another is refused."""
    match_labels: Annotated[Mapping[MetricLabel, SourceLabel], Field(max_length=8), AfterValidator(_of_a_source)] = {}
    """Labels that every selector is sent with, presets and alerts included: `{cluster: eu-1}`."""
    exporters: Mapping[Exporter, ExporterLabels] = {}
    """By exporter, the labels of the only series of it that presets believe: `{kube-state-metrics: {job: …}}`."""

    def binding(self) -> Binding:
        """What every selector is bound to."""
        return Binding(self.enforce_namespace, self.match_labels)

    def value(self, name: str) -> SourceSettings:
        """As sources take it."""
        return SourceSettings(
            **self.endpoint(name),
            method=self.method.value,
            tenant_header=self.tenant_header or "",
            binding=self.binding(),
        )


class Audience(StrEnum):
    """Whose records a sink takes."""

    ALL = "All"
    NAMING = "Naming"


class SinkConfig(EndpointConfig):
    """A place that records are sent to, each as a CloudEvent by POST."""

    policies: Audience = Audience.ALL
    """All: of every policy (default). Naming: of those that name it in spec.sinks."""
    namespaces: Annotated[tuple[DnsLabel, ...], SetList()] = ()
    """Only records of these namespaces, and only their policies may name it. Default: all."""
    actions: Annotated[tuple[ActionKind, ...], SetList()] = ()
    """Only records of these actions: Scale, Restart, Rollback, Notify. Default: all."""

    def value(self) -> Sink:
        """As the choice of sinks takes it."""
        return Sink(self.policies is Audience.ALL, frozenset(self.namespaces), frozenset(self.actions))


class KillSwitch(Resource):
    """Stops every new action, in all namespaces, within seconds."""

    enabled: bool = False
    """Whether it is on."""
    message: LongText = ""
    """Why; shown in every refusal."""


_YEARS = range(1970, 3000)
"""Of freezes; nobody can tell a time zone's offset at either end of what a date can say."""


def _local_time(written: object) -> date:
    """A date, or a time of day without offset, as YAML or a person writes it. Raises ValueError."""
    found = _parsed(written) if isinstance(written, str) else written
    if isinstance(found, datetime) and found.tzinfo is not None:
        raise ValueError("leave out the offset: timeZone says it")
    if isinstance(found, date) and found.year not in _YEARS:
        raise ValueError(f"expected a year from {_YEARS[0]} to {_YEARS[-1]}, got {found.year}")
    if isinstance(found, date):
        return found
    raise ValueError(f"expected a date such as 2026-12-24, or 2026-12-24T18:00:00, got {quote(written)}")


def _parsed(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == len("2026-12-24") else datetime.fromisoformat(text)
    except ValueError:
        return None


def _share_or_number(written: object) -> int | str:
    """20, or 10%. Raises ValueError."""
    number = isinstance(written, int) and not isinstance(written, bool) and written > 0
    if not number and not (isinstance(written, str) and re.fullmatch(r"([1-9][0-9]?|100)%", written)):
        raise ValueError(f"expected a number such as 20, or a share of the targets such as 10%, got {quote(written)}")
    return written if isinstance(written, int) else str(written)


def _time_zone(name: str) -> str:
    zone_of(name)
    return name


def _cron(expression: str) -> str:
    check_cron(expression)
    return expression


LocalTime = Annotated[date, PlainValidator(_local_time)]


class FreezeWindow(Resource):
    """A window in which nothing new is done; undos, reverts and notifications pass."""

    RULES: ClassVar = (
        Rule(
            "",
            "set either from and to, or cron and duration",
            lambda f: (
                (f.cron is None) != (f.from_ is None)
                and (f.cron is None) == (f.duration is None)
                and (f.from_ is None) == (f.to is None)
            ),
        ),
        Rule(
            "",
            "from must come before to",
            lambda f: f.from_ is None or f.to is None or _begin(f.from_) < _end(f.to),
        ),
    )
    name: DnsLabel
    """Shown in every refusal."""
    time_zone: Annotated[ShortText, AfterValidator(_time_zone)] = "UTC"
    """IANA name, as Europe/Berlin; all times here are local."""
    from_: Annotated[LocalTime | None, Field(alias="from")] = None
    """First day, or the time at which it begins."""
    to: LocalTime | None = None
    """Last day, whole; or the time at which it ends."""
    cron: Annotated[ShortText, AfterValidator(_cron)] | None = None
    """When it begins, again and again: minute, hour, day, month, weekday."""
    duration: Duration | None = None
    """How long it lasts from each beginning."""
    message: LongText = ""
    """Why; shown in every refusal."""

    def value(self) -> Freeze:
        """As the guards judge it."""
        return Freeze(
            name=self.name,
            time_zone=self.time_zone,
            begins=_begin(self.from_) if self.from_ is not None else None,
            ends=_end(self.to) if self.to is not None else None,
            cron=self.cron or "",
            lasts=self.duration or timedelta(0),
            message=self.message,
        )


def _begin(day: date) -> datetime:
    return day if isinstance(day, datetime) else datetime.combine(day, time())


def _end(day: date) -> datetime:
    """A last day counts to its end."""
    return day if isinstance(day, datetime) else datetime.combine(day + timedelta(days=1), time())


class BudgetLimit(Resource):
    """At most so many actions in any window of this length."""

    RULES: ClassVar = (
        Rule("", "per must be longer than 0s, or nothing is limited", lambda b: b.per > timedelta(0), field=".per"),
    )
    actions: Annotated[int | str, BeforeValidator(_share_or_number)]
    """A number, or a share of the targets (`10%`, rounded down, at least one)."""
    per: Duration = timedelta(hours=1)
    """Length of the window, which slides."""

    def value(self) -> Budget:
        """As the guards judge it."""
        if isinstance(self.actions, int):
            return Budget(actions=self.actions, per=self.per)
        return Budget(percent=int(self.actions.removesuffix("%")), per=self.per)


class FleetBrake(Resource):
    """Slows everything down while so much is unhealthy that the cause is likely a shared one."""

    enabled: bool = True
    """Whether there is a brake."""
    percent: Annotated[int, Field(strict=True, ge=1, le=100)] = 55
    """It is on while this share of the targets that can be judged is unhealthy …"""
    targets: Annotated[int, Field(strict=True, ge=1)] = 5
    """… of at least so many."""
    pause: Duration = timedelta(seconds=100)
    """While it is on, at most one action in this time."""

    def value(self) -> Brake | None:
        """As the guards judge it."""
        return Brake(self.percent, self.targets, self.pause) if self.enabled else None


Many = Annotated[int, Field(strict=True, ge=1)]


class Limits(Resource):
    """What may be done to many targets together, and how much of Salus one namespace may take.

    The policies' own limits hold besides.
    """

    namespace: BudgetLimit | None = None
    """Budget of each namespace."""
    global_: Annotated[BudgetLimit | None, Field(alias="global")] = None
    """Budget of all namespaces that this operator watches."""
    fleet_brake: FleetBrake = FleetBrake()
    """Slows everything down in a shared outage."""
    policies_per_namespace: Many = Bounds().policies
    """So many policies of a namespace are measured, the oldest; those beyond are Stalled."""
    targets_per_namespace: Many = Bounds().targets
    """So many targets the measured policies of a namespace may have together; those beyond are Stalled."""
    records_per_hour: Many = Bounds().records_per_hour
    """So many refusals, rehearsals and incidents are recorded a namespace and hour; the rest is counted in one."""


_HOUR = timedelta(hours=1)
_LONGEST: Mapping[str, timedelta] = {
    "interval": _HOUR,
    "for_": 24 * _HOUR,
    "cooldown": 24 * _HOUR,
    "per": 168 * _HOUR,
    "settle": _HOUR,
    "stable": _HOUR,
    "bake": 168 * _HOUR,
}
"""What a policy may say at most, by field."""


class MinimumWindows(Resource):
    """Windows that no policy goes below: a shorter one is raised, and the policy's status says so."""

    RULES: ClassVar = (
        Rule(
            "",
            "a minimum must not be longer than what a policy may say at most",
            lambda m: all(getattr(m, name) <= longest for name, longest in _LONGEST.items()),
        ),
    )
    interval: Duration = timedelta(seconds=5)
    """Of interval."""
    for_: Annotated[Duration, Field(alias="for")] = timedelta(0)
    """Of checks[].for."""
    cooldown: Duration = timedelta(seconds=30)
    """Of limits.cooldown."""
    per: Duration = timedelta(minutes=1)
    """Of limits.per."""
    settle: Duration = timedelta(0)
    """Of verify.settle."""
    stable: Duration = timedelta(seconds=30)
    """Of verify.stable."""
    bake: Duration = timedelta(minutes=1)
    """Of bake."""

    def value(self) -> Minimums:
        """As policies are compiled with."""
        return Minimums(self.interval, self.for_, self.cooldown, self.per, self.settle, self.stable, self.bake)


class Defaults(Resource):
    """What holds where a policy says nothing."""

    RULES: ClassVar = (
        Rule(
            "",
            "approvalExpiry must be between 1m and 24h",
            lambda d: timedelta(minutes=1) <= d.approval_expiry <= timedelta(hours=24),
            field=".approvalExpiry",
        ),
    )
    service_account_name: DnsName = REMEDIATOR
    """The account of a policy's namespace that acts where the policy names none."""
    approval_expiry: Duration = DEFAULT_EXPIRY
    """How long people may take to answer a change that awaits approval."""


class ReleaseRetention(Resource):
    """How long kept releases are kept; what a rollback of a workload that is there would go back to stays."""

    RULES: ClassVar = (
        Rule("", "maxAge must be at least 1h", lambda r: r.max_age >= timedelta(hours=1), field=".maxAge"),
    )
    max_age: Duration = ShelfLife().max_age
    """Those that were last proven healthy, or kept, longer ago are deleted."""
    orphaned: Duration = ShelfLife().orphaned
    """Those of a workload that was deleted are deleted so long after it."""

    def value(self) -> ShelfLife:
        """As the choice of releases takes it."""
        return ShelfLife(self.max_age, self.orphaned)


class RetentionConfig(Resource):
    """How long records are kept. Policies have no say in it."""

    RULES: ClassVar = (
        Rule("", "maxAge must be at least 1h", lambda r: r.max_age >= timedelta(hours=1), field=".maxAge"),
        Rule("", "interval must be at least 10s", lambda r: r.interval >= timedelta(seconds=10), field=".interval"),
        Rule("", "maxWindow must be at least 1h", lambda r: r.max_window >= timedelta(hours=1), field=".maxWindow"),
    )
    max_age: Duration = Retention().max_age
    """Finished records older than this are deleted."""
    max_per_namespace: Annotated[int, Field(strict=True, ge=1)] = Retention().per_namespace
    """Beyond so many Incidents and ChangeEvents in a namespace, the oldest finished ones are deleted."""
    max_window: Duration = Retention().max_window
    """How long the limits of policies may keep actions beyond that number; a longer `limits.per` keeps none longer."""
    interval: Duration = timedelta(minutes=10)
    """How often to look."""
    releases: ReleaseRetention = ReleaseRetention()
    """How long the releases are kept that a rollback may go back to."""

    def value(self) -> Retention:
        """As the choice of records takes it."""
        return Retention(self.max_age, self.max_per_namespace, self.max_window)


class LeaderElection(Resource):
    """Lets several replicas run of which one acts. Read at start only."""

    enabled: bool = False
    """Whether to take part; off, this process acts, and must be the only one for its namespaces."""
    namespace: DnsLabel = "salus-system"
    """Where the Lease is kept."""
    name: DnsName = "salus"
    """Name of the Lease, the same for all replicas."""


def _pattern(text: str) -> str:
    """A pattern for names. Raises ValueError for one that would make releases the same which are not."""
    if wrong := too_wide(text):
        raise ValueError(f"{quote(text)} {wrong}")
    return text


Patterns = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=253), AfterValidator(_pattern)], ...],
    SetList(),
    Field(max_length=64),
]


class MarkPatterns(Resource):
    """Names in a pod template; `*` stands for anything."""

    annotations: Patterns = ()
    """Of annotations."""
    labels: Patterns = ()
    """Of labels."""
    env: Patterns = ()
    """Of environment variables."""

    def value(self) -> Marks:
        """As templates are read with."""
        return Marks(self.annotations, self.labels, self.env)


class ReleaseIdentity(Resource):
    """What in a pod template makes no release. Read at start only."""

    known: bool = True
    """Whether the stamps and checksums of the tools in use count among them, beside those that are listed here."""
    stamps: MarkPatterns = MarkPatterns()
    """What a redeploy leaves in a template, and changes nothing that runs."""
    checksums: MarkPatterns = MarkPatterns()
    """What says that the content of a ConfigMap or Secret has changed, which no rollback brings back."""

    def value(self) -> Stamps:
        """As templates are read with."""
        known = KNOWN if self.known else Stamps()
        stamps, checksums = self.stamps.value(), self.checksums.value()
        return Stamps(_both(known.stamps, stamps), _both(known.checksums, checksums), known.moments)


def _both(known: Marks, added: Marks) -> Marks:
    return Marks(known.annotations + added.annotations, known.labels + added.labels, known.env + added.env)


class Settings(Resource):
    """The whole file."""

    RULES: ClassVar = (
        Rule("", "holdDown must be at most 24h", lambda s: s.hold_down <= 24 * _HOUR, field=".holdDown"),
    )
    cluster: ShortText = "default"
    """Name of this cluster in records and events."""
    sources: Mapping[DnsLabel, SourceConfig] = {}
    """Metric sources by name; policies use `default` unless they say otherwise."""
    sinks: Annotated[Mapping[DnsLabel, SinkConfig], Field(max_length=8)] = {}
    """Places that records are sent to, by name."""
    kill_switch: KillSwitch = KillSwitch()
    """Stops every new action."""
    freezes: Annotated[tuple[FreezeWindow, ...], MapList("name"), Field(max_length=64)] = ()
    """Windows in which nothing new is done."""
    limits: Limits = Limits()
    """What may be done to many targets together, and how much of Salus one namespace may take."""
    minimums: MinimumWindows = MinimumWindows()
    """Windows that no policy goes below."""
    hold_down: Duration = timedelta(minutes=5)
    """An incident stays open until its target was healthy for so long, or for verify.stable where that is longer."""
    defaults: Defaults = Defaults()
    """What holds where a policy says nothing."""
    retention: RetentionConfig = RetentionConfig()
    """How long records are kept."""
    releases: ReleaseIdentity = ReleaseIdentity()
    """What in a pod template makes no release."""
    leader_election: LeaderElection = LeaderElection()
    """Lets several replicas run of which one acts."""

    def switches(self) -> Switches:
        """What the guards ask of the configuration."""
        limits = self.limits
        return Switches(
            kill_switch=self.kill_switch.enabled,
            kill_switch_message=self.kill_switch.message,
            freezes=tuple(freeze.value() for freeze in self.freezes),
            namespace_budget=limits.namespace.value() if limits.namespace else None,
            global_budget=limits.global_.value() if limits.global_ else None,
            fleet_brake=limits.fleet_brake.value(),
        )

    def exporters(self) -> dict[str, Trusted]:
        """By source, whose series the presets believe."""
        return {name: source.exporters for name, source in self.sources.items() if source.exporters}

    def bindings(self) -> dict[str, Binding]:
        """By source, what its queries are bound to."""
        return {name: source.binding() for name, source in self.sources.items()}

    def bounds(self) -> Bounds:
        """What one namespace may take."""
        limits = self.limits
        return Bounds(
            policies=limits.policies_per_namespace,
            targets=limits.targets_per_namespace,
            records_per_hour=limits.records_per_hour,
            hold_down=self.hold_down,
        )

    def sink_values(self) -> dict[str, Sink]:
        """The sinks, as policies may name them."""
        return {name: sink.value() for name, sink in self.sinks.items()}


def read_settings(path: Path) -> Settings:
    """Read and check the file. Raises SettingsError naming file, path of the field, and reason."""
    try:
        return settings_in(read_bytes(path), str(path))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error


def settings_in(raw: bytes, title: str) -> Settings:
    """What a file holds. Raises SettingsError naming it, path of the field, and reason."""
    try:
        document = value_of(raw)
    except UnreadableError as error:
        line = f" (line {error.line})" if error.line else ""
        raise SettingsError(f"{title}: {error}{line}") from error
    try:
        return Settings.parse(document or {})
    except ValidationError as error:
        listed = "; ".join(f"{p.path}: {p.message}" if p.path else p.message for p in problems(error, ""))
        raise SettingsError(f"{title}: {listed}") from error
