"""The operator's configuration: what it says when left out, and what is told of a bad one."""

from datetime import timedelta
from pathlib import Path

import pytest

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
    assert shown == {"url", "timeout", "bearer_token_file", "ca_file", "tenant_header", "basic_auth"}
    assert settings.sources["fleet"].timeout == timedelta(seconds=10)
    assert settings.kill_switch == KillSwitch(enabled=False)


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "sources:\n"])
def test_an_empty_configuration_has_no_source_and_no_kill_switch(text: str, tmp_path: Path) -> None:
    assert read_settings(written(tmp_path, text)) == Settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("sorces: {}", "sorces: unknown field", id="a misspelt field"),
        pytest.param("sources: {default: {}}", "sources.default.url: is required", id="a source without url"),
        pytest.param(
            "sources: {default: {url: 'ftp://a.example'}}",
            "sources.default: url must begin with http:// or https://",
            id="a url that is not HTTP",
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
            "cluster: expected text, got a list; killSwitch.message: expected text, got 5",
            id="all problems are told at once",
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
