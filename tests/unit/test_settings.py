"""The operator's configuration: what it says when left out, and what is told of a bad one."""

from datetime import timedelta
from pathlib import Path

import pytest

from salus.model.values.configuration import Brake, Budget, Marks, Stamps, Switches
from salus.settings import KillSwitch, Settings, SettingsError, read_settings

EXAMPLE = Path(__file__).parents[2] / "examples" / "operator.yaml"


def written(folder: Path, text: str) -> Path:
    path = folder / "operator.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_shows_every_field() -> None:
    settings = read_settings(EXAMPLE)

    assert set(settings.model_fields_set) == set(Settings.model_fields)
    shown = {field for source in settings.sources.values() for field in source.model_fields_set}
    assert shown == {
        "url",
        "timeout",
        "bearer_token_file",
        "ca_file",
        "cert_file",
        "key_file",
        "match_labels",
        "method",
        "tenant_header",
        "basic_auth",
        "enforce_namespace",
        "exporters",
        "header_files",
    }
    shown = {field for sink in settings.sinks.values() for field in sink.model_fields_set}
    assert {"url", "url_file", "headers", "policies", "namespaces", "actions"} <= shown
    assert settings.sources["fleet"].timeout == timedelta(seconds=10)
    assert settings.kill_switch == KillSwitch(enabled=False)


def test_what_is_listed_as_a_stamp_counts_beside_the_known_ones() -> None:
    listed = read_settings(EXAMPLE).releases.value()

    assert {"example.com/build-*", "flagger-id"} <= set(listed.stamps.annotations)
    assert {"BUILD_ID", "LAST_MANUAL_RESTART"} <= set(listed.stamps.env)
    assert {"example.com/settings", "*checksum*"} <= set(listed.checksums.annotations)


def test_the_known_stamps_can_be_left_out(tmp_path: Path) -> None:
    listed = read_settings(written(tmp_path, "releases: {known: false, stamps: {labels: [build]}}")).releases.value()

    assert listed == Stamps(Marks(labels=("build",)))


def test_the_guards_get_what_the_example_says() -> None:
    christmas, weekend = (freeze.value() for freeze in read_settings(EXAMPLE).freezes)
    switches = read_settings(EXAMPLE).switches()

    assert (str(christmas.begins), str(christmas.ends)) == ("2026-12-24 00:00:00", "2026-12-28 00:00:00")
    assert (weekend.cron, weekend.lasts) == ("0 18 * * 5", timedelta(hours=62))
    assert switches.freezes == (christmas, weekend)
    assert switches.namespace_budget == Budget(actions=10)
    assert switches.global_budget == Budget(percent=10)
    assert switches.fleet_brake == Brake()


@pytest.mark.parametrize(
    ("text", "brake"),
    [
        pytest.param("", Brake(), id="the brake is there unless it is taken away"),
        pytest.param("limits: {fleetBrake: {enabled: false}}", None, id="taken away"),
        pytest.param(
            "limits: {fleetBrake: {percent: 30, targets: 9, pause: 5m}}",
            Brake(30, 9, timedelta(minutes=5)),
            id="stronger",
        ),
    ],
)
def test_the_fleet_brake(text: str, brake: Brake | None, tmp_path: Path) -> None:
    assert read_settings(written(tmp_path, text)).switches() == Switches(fleet_brake=brake)


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "sources:\n"])
def test_an_empty_configuration_has_no_source_and_no_kill_switch(text: str, tmp_path: Path) -> None:
    assert read_settings(written(tmp_path, text)) == Settings()


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://a.example/api/v1/namespaces/m/services/prometheus:web/proxy", id="the API server's proxy"),
        pytest.param("http://a.example/prometheus", id="a prefix"),
        pytest.param("http://a.example/query", id="a prefix that is also the name of a page"),
    ],
)
def test_a_base_of_more_parts_is_taken_as_it_is(url: str) -> None:
    assert Settings.parse({"sources": {"a": {"url": url}}}).sources["a"].url == url


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("sorces: {}", "sorces: unknown field", id="a misspelt field"),
        pytest.param(
            "sources: {default: {}}", "sources.default: set exactly one of url and urlFile", id="a source without url"
        ),
        pytest.param(
            "sinks: {a: {url: 'http://a.example', urlFile: /run/url}}",
            "sinks.a: set exactly one of url and urlFile",
            id="a sink with two",
        ),
        pytest.param(
            "sinks: {a: {urlFile: /run/url, headers: {X-Key: a}, headerFiles: {x-key: /run/key}}}",
            "sinks.a.headerFiles: a header stands in one place only: headers, headerFiles, or Authorization in "
            "bearerTokenFile or basicAuth",
            id="a header that stands in two places",
        ),
        pytest.param(
            "sinks: {a: {urlFile: /run/url, bearerTokenFile: /run/token, headerFiles: {Authorization: /run/key}}}",
            "sinks.a.headerFiles: a header stands in one place only",
            id="two ways to authorize",
        ),
        pytest.param(
            "sinks: {a: {urlFile: /run/url, headerFiles: {X-Key: /run/a, x-key: /run/b}}}",
            "sinks.a.headerFiles: a header stands in one place only",
            id="a header from two files",
        ),
        pytest.param(
            "sources: {default: {url: 'ftp://a.example'}}",
            "sources.default.url: url must begin with http:// or https://",
            id="a url that is not HTTP",
        ),
        pytest.param(
            "sources: {a: {url: 'http://:9090'}}",
            "sources.a.url: expected a URL such as http://prometheus.monitoring:9090",
            id="a url without a host",
        ),
        pytest.param(
            "sources: {a: {url: 'http://user:secret@a.example'}}",
            "sources.a.url: no passwords in the URL; use basicAuth with a password file",
            id="a url with a password",
        ),
        pytest.param(
            "sources: {a: {url: 'http://a.example/api/v1/query'}}",
            "sources.a.url: the URL of a source is the part before /api/v1/…, without a path of the API or of a page "
            "below it: write http://a.example",
            id="a url of the API",
        ),
        pytest.param(
            "sources: {a: {url: 'http://a.example', headers: {X-Scope-OrgID: 42}}}",
            'sources.a.headers.X-Scope-OrgID: expected text, got 42; quote it: "42"',
            id="a number that lacks its quotes",
        ),
        pytest.param(
            "sources: {a: {url: 'http://a.example', method: PUT}}",
            'sources.a.method: expected POST or GET, got "PUT"',
            id="a method that asks nothing",
        ),
        pytest.param(
            "sinks: {a: {url: 'http://a.example', certFile: /run/tls.crt}}",
            "sinks.a: set certFile and keyFile together",
            id="a certificate without its key",
        ),
        pytest.param(
            "sources: {a: {url: 'http://a.example', matchLabels: {namespace: shop}}}",
            "sources.a.matchLabels: namespace: every policy asks for its own; set enforceNamespace",
            id="a namespace for all",
        ),
        pytest.param(
            "sources: {a: {url: 'http://a.example', matchLabels: {'a-b': x}}}",
            "sources.a.matchLabels.a-b: expected the name of a Prometheus label",
            id="a label that is none",
        ),
        pytest.param(
            "sources: {a: {url: 'http://a.example', matchLabels: {cluster: eu}, exporters: {cadvisor: {cluster: us}}}}",
            "sources.a.exporters: an exporter's label has another value in matchLabels, so presets would find nothing",
            id="an exporter in another cluster",
        ),
        pytest.param(
            "sources: {A_b: {url: 'http://a.example'}}",
            'sources.A_b: expected lowercase letters, digits and "-", a letter or digit at both ends, got "A_b"',
            id="a name that is none",
        ),
        pytest.param(
            "sources: {a: {url: 'http://a.example', exporters: {node-exporter: {job: x}}}}",
            'sources.a.exporters.node-exporter: expected kube-state-metrics or cadvisor, got "node-exporter"',
            id="an exporter that no preset reads",
        ),
        pytest.param(
            "sources: {a: {url: 'http://a.example', exporters: {cadvisor: {'a-b': x}}}}",
            "sources.a.exporters.cadvisor.a-b: expected the name of a Prometheus label: "
            'letters, digits and "_", no digit first, got "a-b"',
            id="an exporter's label that is none",
        ),
        pytest.param(
            "sources: {a: {url: 'http://a.example', exporters: {cadvisor: {'job=\"x\"} or up{a': x}}}}",
            'sources.a.exporters.cadvisor.job="x"} or up{a: expected the name of a Prometheus label: '
            'letters, digits and "_", no digit first, got "job=\\"x\\"} or up{a"',
            id="an exporter's label that would be a query",
        ),
        pytest.param(
            "sources: {a: {url: 'http://a.example', exporters: {cadvisor: "
            f"{{job: {'x' * 128}, a: {'y' * 128}, b: {'z' * 128}}}}}}}}}",
            "sources.a.exporters.cadvisor: names and values of 389 characters in all, at most 384",
            id="longer than a query of a preset may bear",
        ),
        pytest.param(
            "sources: {a: {url: 'http://a.example', exporters: {cadvisor: {namespace: x}}}}",
            "sources.a.exporters.cadvisor: namespace tells no exporter from another; "
            "use a label that the scrape sets, such as job",
            id="an exporter known by a label of the workload",
        ),
        pytest.param(
            "sources: {a: {url: 'http://a.example', exporters: {cadvisor: {job: $target}}}}",
            'sources.a.exporters.cadvisor.job: a value is taken as it stands, and must hold no $, got "$target"',
            id="an exporter's label with a placeholder",
        ),
        pytest.param(
            "sources: {a: {url: 'http://a.example', matchLabels: {cluster: $target}}}",
            'sources.a.matchLabels.cluster: a value is taken as it stands, and must hold no $, got "$target"',
            id="a source's label with a placeholder",
        ),
        pytest.param(
            "sources: {a: {url: 'http://a.example', exporters: foo}}",
            'sources.a.exporters: expected an object, got "foo"',
            id="exporters that are a word",
        ),
        pytest.param(
            "sources: {a: {url: 'http://a.example', exporters: {cadvisor: [foo]}}}",
            "sources.a.exporters.cadvisor: expected an object, got a list",
            id="an exporter's labels that are a list",
        ),
        pytest.param(
            "releases: {stamps: {annotations: ['**']}}",
            'releases.stamps.annotations[0]: "**" matches nearly every name; say which, by at least 3 characters in '
            "a row",
            id="a stamp by which every release is the same",
        ),
        pytest.param(
            "releases: {checksums: {labels: [build, '*.io/*']}}",
            'releases.checksums.labels[1]: "*.io/*" matches names as different as app.kubernetes.io/name and '
            "sidecar.istio.io/inject; say which are meant",
            id="a checksum by which releases are the same that are not",
        ),
        pytest.param(
            "releases: {checksums: {env: STAKATER_*}}",
            'releases.checksums.env: expected a list, got "STAKATER_*"',
            id="a pattern that stands alone",
        ),
        pytest.param(
            "leaderElection: {enabled: maybe}",
            'leaderElection.enabled: expected true or false, got "maybe"',
            id="a switch that is a word",
        ),
        pytest.param(
            "sources: {a: {url: 'http://a.example', exporters: {cadvisor: {}}}}",
            "sources.a.exporters.cadvisor: expected at least 1 item, got 0",
            id="an exporter known by nothing",
        ),
        pytest.param(
            "sinks: {a: {url: 'https://user@a.example'}}",
            "sinks.a.url: no passwords in the URL; use basicAuth with a password file",
            id="a sink's url with a user",
        ),
        pytest.param(
            'sinks: {a: {url: "http://a.example", headers: {X-A: "b\\nX-C: d"}}}',
            "sinks.a.headers.X-A: a header holds a character that cannot be printed",
            id="a header that would be two",
        ),
        pytest.param(
            "sinks: {a: {url: 'http://a.example', policies: Some}}",
            'sinks.a.policies: expected All or Naming, got "Some"',
            id="an audience that is none",
        ),
        pytest.param(
            "sinks: {a: {url: 'http://a.example', namespaces: [shop, shop]}}",
            'sinks.a.namespaces[1]: "shop" stands here twice',
            id="a namespace that stands twice",
        ),
        pytest.param(
            "sinks: {" + ", ".join(f"s{n}: {{url: 'http://a.example'}}" for n in range(9)) + "}",
            "sinks: expected at most 8 items, got 9",
            id="nine sinks",
        ),
        pytest.param(
            "sources: {a: {url: 'http://a.example', timeout: 5}}",
            "sources.a.timeout: expected a duration such as 30s, 5m or 1h30m, got 5",
            id="a timeout without unit",
        ),
        pytest.param(
            "sources: {a: {url: 'http://a.example', bearerTokenFile: t, basicAuth: {username: u, passwordFile: p}}}",
            "sources.a: set at most one of bearerTokenFile and basicAuth",
            id="two ways to log in",
        ),
        pytest.param(
            "cluster: [a]\nkillSwitch: {message: 5}",
            'cluster: expected text, got a list; killSwitch.message: expected text, got 5; quote it: "5"',
            id="all problems are told at once",
        ),
        pytest.param(
            "freezes: [{name: a, from: 2026-12-24, to: 2026-12-23}]",
            "freezes[0]: from must come before to",
            id="a freeze that ends before it begins",
        ),
        pytest.param(
            "freezes: [{name: a, from: 2026-12-24T18:00:00Z, to: 2026-12-31}]",
            "freezes[0].from: leave out the offset: timeZone says it",
            id="a time with an offset",
        ),
        pytest.param(
            "freezes: [{name: a, from: tomorrow, to: 2026-12-31}]",
            'freezes[0].from: expected a date such as 2026-12-24, or 2026-12-24T18:00:00, got "tomorrow"',
            id="a date that is none",
        ),
        pytest.param(
            "freezes: [{name: a, cron: '0 18 * * 5'}]",
            "freezes[0]: set either from and to, or cron and duration",
            id="a cron without duration",
        ),
        pytest.param(
            "freezes: [{name: a, cron: '0 18 * *', duration: 1h}]",
            'freezes[0].cron: expected five fields such as "0 22 * * 5", got "0 18 * *"',
            id="a cron that is none",
        ),
        pytest.param(
            "freezes: [{name: a, timeZone: Europe/Berln, cron: '0 18 * * 5', duration: 1h}]",
            'freezes[0].timeZone: time zone "Europe/Berln" is not known',
            id="a time zone that nobody knows",
        ),
        pytest.param(
            "freezes: [{name: a, from: 2026-12-24, to: 2026-12-31}, {name: a, from: 2027-12-24, to: 2027-12-31}]",
            'freezes[1]: name "a" is taken',
            id="two freezes of one name",
        ),
        pytest.param(
            "limits: {global: {actions: 400%}}",
            'limits.global.actions: expected a number such as 20, or a share of the targets such as 10%, got "400%"',
            id="more than all targets",
        ),
        pytest.param(
            "limits: {namespace: {actions: 0}}",
            "limits.namespace.actions: expected a number such as 20, or a share of the targets such as 10%, got 0",
            id="a budget of nothing is the kill switch's task",
        ),
        pytest.param(
            "freezes: [{name: a, from: 2026-12-24, to: 9999-12-31}]",
            "freezes[0].to: expected a year from 1970 to 2999, got 9999",
            id="a freeze for ever",
        ),
        pytest.param(
            "freezes: [{name: a, timeZone: Europe/Berlin, from: 0001-01-01, to: 2026-12-31}]",
            "freezes[0].from: expected a year from 1970 to 2999, got 1",
            id="a freeze since ever",
        ),
        pytest.param(
            "sources: {a: {urlFile: ''}}",
            "sources.a.urlFile: expected at least 1 character, got 0",
            id="a file without a name",
        ),
        pytest.param(
            "sinks: {a: {url: 'http://a.example', headerFiles: {X-A: ''}}}",
            "sinks.a.headerFiles.X-A: expected at least 1 character, got 0",
            id="a header's file without a name",
        ),
        pytest.param(
            "sources: {a: {url: 'http://a.example', timeout: 0s}}",
            "sources.a.timeout: timeout must be longer than 0s",
            id="no timeout at all",
        ),
        pytest.param(
            "limits: {global: {actions: 3, per: 0s}}",
            "limits.global.per: per must be longer than 0s, or nothing is limited",
            id="a budget of no time",
        ),
        pytest.param("- a\n", "expected an object, got a list", id="a list"),
        pytest.param("a: [", "not YAML: ", id="no YAML"),
    ],
)
def test_a_bad_configuration_names_file_field_and_reason(text: str, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)

    with pytest.raises(SettingsError) as caught:
        read_settings(path)

    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_missing_configuration_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nothing\.yaml: No such file or directory"):
        read_settings(tmp_path / "nothing.yaml")
