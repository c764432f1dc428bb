"""The operator's configuration: one YAML file, read at start and again whenever it changes.

Only the operator's administrator writes it; policies choose a source by its name and never give a URL.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar

import yaml
from pydantic import Field, ValidationError

from salus.model.errors import problems
from salus.model.types import DnsLabel, DnsName, Duration, LongText, Resource, Rule, ShortText

DEFAULT_SOURCE = "default"


class SettingsError(Exception):
    """The configuration cannot be used; the message names file, path and reason."""


class BasicAuth(Resource):
    """User and password for a source."""

    username: ShortText
    """User name."""
    password_file: ShortText
    """Mounted file that holds the password; read again when it changes."""


class SourceConfig(Resource):
    """One Prometheus-compatible endpoint."""

    RULES: ClassVar = (
        Rule("", "url must begin with http:// or https://", lambda s: s.url.startswith(("http://", "https://"))),
        Rule(
            "",
            "set at most one of bearerTokenFile and basicAuth",
            lambda s: s.bearer_token_file is None or s.basic_auth is None,
        ),
    )
    url: Annotated[str, Field(min_length=8, max_length=2048)]
    """Base URL, as `http://prometheus.monitoring:9090`."""
    timeout: Duration = timedelta(seconds=5)
    """After this a query counts as not answered."""
    bearer_token_file: ShortText | None = None
    """Mounted file that holds a bearer token; read again when it changes."""
    basic_auth: BasicAuth | None = None
    """User and password."""
    ca_file: ShortText | None = None
    """CA certificates to trust, in place of the system's."""
    headers: Mapping[str, str] = {}
    """Further headers of every request."""
    tenant_header: ShortText | None = None
    """Header that carries the policy's namespace, such as X-Scope-OrgID."""


class KillSwitch(Resource):
    """Stops every new action, in all namespaces, within seconds."""

    enabled: bool = False
    """Whether it is on."""
    message: LongText = ""
    """Why; shown in every refusal."""


class Defaults(Resource):
    """What holds where a policy says nothing."""

    service_account_name: DnsName | None = None
    """The account that acts in a policy's namespace. Default: the operator's own."""


class LeaderElection(Resource):
    """Lets several replicas run of which one acts. Read at start only."""

    enabled: bool = False
    """Whether to take part; off, this process acts, and must be the only one for its namespaces."""
    namespace: DnsLabel = "salus-system"
    """Where the Lease is kept."""
    name: DnsName = "salus"
    """Name of the Lease, the same for all replicas."""


class Settings(Resource):
    """The whole file."""

    cluster: ShortText = "default"
    """Name of this cluster in records and events."""
    sources: Mapping[DnsLabel, SourceConfig] = {}
    """Metric sources by name; policies use `default` unless they say otherwise."""
    kill_switch: KillSwitch = KillSwitch()
    """Stops every new action."""
    defaults: Defaults = Defaults()
    """What holds where a policy says nothing."""
    leader_election: LeaderElection = LeaderElection()
    """Lets several replicas run of which one acts."""


def read_settings(path: Path) -> Settings:
    """Read and check the file. Raises SettingsError naming file, path of the field, and reason."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not YAML: {error}") from error
    try:
        return Settings.parse(document or {})
    except ValidationError as error:
        listed = "; ".join(f"{p.path}: {p.message}" if p.path else p.message for p in problems(error, ""))
        raise SettingsError(f"{path}: {listed}") from error
