"""What a person may type of which Prometheus is meant, and what each way to it takes."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from salus.cli.metrics.wanted import RIGHTS, Prometheus, Way
from salus.cli.options import grouped


def typed(*words: str, env: Mapping[str, str] | None = None) -> tuple[Prometheus | None, Result]:
    app, seen = typer.Typer(), []

    @app.command()
    @grouped
    def command(*, prometheus: Prometheus) -> None:
        seen.append(prometheus)

    result = CliRunner().invoke(app, words, env=env)
    return (seen[0] if seen else None), result


def test_all_of_it(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    prometheus, _ = typed(
        "--prometheus", "https://prom.example.com", "--prometheus-token-file", str(file), "--prometheus-ca", str(file),
        "--prometheus-header", "X-Scope-OrgID: shop", "--prometheus-header", "X-At: 12:30",
        "--match", "cluster=eu-1", "--match", "tier=a=b",
    )  # fmt: skip

    assert prometheus is not None
    assert (prometheus.at, prometheus.token_file, prometheus.ca) == ("https://prom.example.com", file, file)
    assert prometheus.headers == {"X-Scope-OrgID": "shop", "X-At": "12:30"}
    assert prometheus.match == {"cluster": "eu-1", "tier": "a=b"}


def test_a_configuration_and_one_of_its_sources(tmp_path: Path) -> None:
    file = tmp_path / "salus.yaml"
    file.touch()
    prometheus, _ = typed("--config", str(file), "--source", "long")

    assert prometheus is not None
    assert (prometheus.config, prometheus.source) == (file, "long")


@pytest.mark.parametrize(
    ("words", "env", "expected"),
    [
        pytest.param([], {"SALUS_PROMETHEUS": "http://env"}, "http://env", id="the environment"),
        pytest.param(
            ["--prometheus", "http://typed"],
            {"SALUS_PROMETHEUS": "http://env"},
            "http://typed",
            id="what is typed wins",
        ),
        pytest.param([], {}, "", id="nothing: it is looked for"),
    ],
)
def test_where_it_is(words: list[str], env: Mapping[str, str], expected: str) -> None:
    prometheus, _ = typed(*words, env=env)

    assert prometheus is not None
    assert prometheus.at == expected


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(["--match", "cluster"], "--match: expected LABEL=VALUE", id="a label without a value"),
        pytest.param(
            ["--prometheus", "http://p", "--prometheus-header", "secret"],
            "--prometheus-header: expected 'NAME: VALUE'",
            id="a header without a value, which is not shown",
        ),
        pytest.param(
            ["--prometheus-header", "A: b"], "--prometheus-header goes with --prometheus URL", id="a header for nobody"
        ),
    ],
)
def test_what_means_nothing(words: list[str], says: str) -> None:
    prometheus, result = typed(*words)

    assert (prometheus, result.exit_code) == (None, 2)
    assert says in " ".join(result.output.replace("│", "").split())
    assert "secret" not in result.output


def test_advice_repeats_what_was_typed_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/salus", "lint", "-f", "a b", "--x", "Bearer abc"])
    prometheus, _ = typed()

    assert prometheus is not None
    assert prometheus.command.startswith("salus lint -f 'a b'")
    assert "abc" not in prometheus.command


def test_what_each_way_takes() -> None:
    """As the table of rights in people.md has it, but for `create` on services/proxy: only GET is sent."""
    taken = {way: sorted(map(str, rights)) for way, rights in RIGHTS.items()}

    assert taken == {
        Way.URL: ["list pods"],
        Way.CONFIG: ["list pods"],
        Way.CONFIG_MAP: ["get services/proxy", "list configmaps", "list pods"],
        Way.LABEL: ["get services/proxy", "list pods", "list services"],
    }
