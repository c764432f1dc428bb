"""What all commands keep to: exit statuses, errors in one shape, marks, forms, and options that are declared once."""

import io
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
import typer
from rich.console import RenderableType
from rich.table import Table
from typer.testing import CliRunner

from salus.cli.contract import CannotBeAsked, Exit, ends, without_secrets
from salus.cli.marks import MARKS, State, state_of
from salus.cli.names import named, resembling
from salus.cli.options import grouped
from salus.cli.person import Where
from salus.cli.reports.document import Document
from salus.cli.show import Color, Form, Look, Screen, screen, show, show_objects
from salus.model.incident import Phase
from salus.model.policy import Verdict

AT = datetime(2026, 11, 30, 18, 12, 4, tzinfo=UTC)


class Terminal(io.StringIO):
    """A stream that says that it is one."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Greeting(Document):
    kind: Literal["Greeting"] = "Greeting"
    name: str


def greeting(document: Greeting, shown: Screen) -> Iterator[RenderableType]:
    yield f"{shown.heading(document.at)}  hello {document.name}"
    table = Table(box=None)
    table.add_column("STATE")
    table.add_row(shown.mark(State.BAD, "Unhealthy"))
    yield table


HELLO = Greeting(at=AT, cluster="prod-eu", name="shop")


# --- how a command ends


def cannot() -> int:
    raise CannotBeAsked(
        "Prometheus cannot be asked",
        [("found", "service monitoring/prometheus"), ("why", "two\nlines")],
        ["kubectl port-forward", "ask for a right"],
    )


def interrupted() -> int:
    raise KeyboardInterrupt


def defect() -> int:
    raise RuntimeError("Authorization: Bearer abc.def of https://ines:secret@prom")


@pytest.mark.parametrize(
    ("command", "status"),
    [
        pytest.param(lambda: Exit.YES, 0, id="yes"),
        pytest.param(lambda: Exit.NO, 1, id="no"),
        pytest.param(cannot, 2, id="it could not be asked"),
        pytest.param(lambda: Exit.UNKNOWN, 3, id="nobody knows"),
        pytest.param(interrupted, 130, id="Ctrl-C"),
        pytest.param(defect, 2, id="a defect"),
    ],
)
def test_how_a_command_ends(command: Callable[[], int], status: int) -> None:
    assert ends(command, io.StringIO()) == status


def test_an_error_says_what_then_facts_then_what_to_try() -> None:
    said = io.StringIO()

    ends(cannot, said)

    assert said.getvalue() == (
        "salus: error: Prometheus cannot be asked\n"
        "  found     service monitoring/prometheus\n"
        "  why       two\n"
        "            lines\n"
        "  try       kubectl port-forward\n"
        "  or        ask for a right\n"
    )


def test_a_defect_leaves_a_file_and_shows_no_trace() -> None:
    said = io.StringIO()

    ends(defect, said)
    file = Path(re.findall(r"trace +(\S+)", said.getvalue())[0])
    trace = file.read_text()
    file.unlink()

    assert "Traceback" not in said.getvalue()
    assert "please report it" in said.getvalue()
    assert "RuntimeError" in trace
    assert not re.search(r"abc\.def|secret", trace)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Authorization: Bearer abc", "Authorization: …", id="a token"),
        pytest.param("https://a:b@prom:9090/x", "https://…prom:9090/x", id="a password in an address"),
        pytest.param("GET /x?token=abc", "GET /x?token=…", id="a token in a query"),
    ],
)
def test_credentials_are_left_out(text: str, expected: str) -> None:
    assert without_secrets(text) == expected


# --- what a state looks like


def test_each_state_differs_from_all_others_without_its_colour() -> None:
    assert set(MARKS) == set(State)
    for looks in ([mark.sign for mark in MARKS.values()], [mark.plain for mark in MARKS.values()]):
        assert len(set(looks)) == len(looks)


@pytest.mark.parametrize("verdict", Verdict)
def test_each_verdict_has_a_mark(verdict: Verdict) -> None:
    assert state_of(verdict) is not None


def test_a_word_that_needs_none_has_none() -> None:
    assert state_of(Phase.OPEN) is None


# --- forms


@pytest.mark.parametrize(
    ("look", "stream", "environ", "colored"),
    [
        pytest.param(Look(), Terminal(), {}, True, id="a terminal"),
        pytest.param(Look(), io.StringIO(), {}, False, id="a pipe"),
        pytest.param(Look(), Terminal(), {"NO_COLOR": "1"}, False, id="NO_COLOR"),
        pytest.param(Look(), Terminal(), {"NO_COLOR": ""}, True, id="NO_COLOR without a value"),
        pytest.param(Look(), Terminal(), {"TERM": "dumb"}, False, id="a terminal that knows none"),
        pytest.param(Look(color=Color.ALWAYS), io.StringIO(), {}, True, id="a pipe, and they are asked for"),
        pytest.param(Look(color=Color.NEVER), Terminal(), {}, False, id="a terminal, and they are not wanted"),
    ],
)
def test_when_there_are_colours(look: Look, stream: io.StringIO, environ: dict[str, str], colored: bool) -> None:
    shown = screen(look, stream, environ)
    shown.write(greeting(HELLO, shown))

    assert ("\x1b[" in stream.getvalue()) is colored
    assert "Unhealthy" in stream.getvalue()


class Latin(Terminal):
    encoding = "iso-8859-1"


def test_without_utf_8_the_marks_are_plain() -> None:
    stream = Latin()
    shown = screen(Look(color=Color.NEVER), stream, {})
    shown.write(greeting(HELLO, shown))

    assert "!! Unhealthy" in stream.getvalue()


def test_nothing_is_in_the_text_that_is_not_in_the_json() -> None:
    seen: list[Greeting] = []

    def remembered(document: Greeting, shown: Screen) -> Iterator[RenderableType]:
        seen.append(document)
        return greeting(document, shown)

    out = io.StringIO()
    show(HELLO, Look(utc=True), remembered, out)
    (shown,) = seen

    assert shown == HELLO
    assert shown is not HELLO
    assert out.getvalue().splitlines() == ["30 Nov 18:12 UTC  hello shop", " STATE", " ✖ Unhealthy"]


def test_json_and_yaml_are_the_document() -> None:
    out, text = io.StringIO(), io.StringIO()
    show(HELLO, Look(Form.JSON), greeting, out)
    show(HELLO, Look(Form.YAML), greeting, text)

    assert Greeting.from_json(out.getvalue().encode()) == HELLO
    assert "apiVersion: cli.salus.dev/v1alpha1\nkind: Greeting\ncluster: prod-eu\n" in text.getvalue()


def test_objects_are_printed_as_kubectl_does() -> None:
    body = {"apiVersion": "salus.dev/v1alpha1", "kind": "Incident", "metadata": {"name": "a-1"}}
    names, listed = io.StringIO(), io.StringIO()
    show_objects([body], Look(Form.NAME), names)
    show_objects([body], Look(Form.JSON), listed)

    assert names.getvalue() == "incident.salus.dev/a-1\n"
    assert '"kind": "List"' in listed.getvalue()


# --- names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("checkout", "hp/checkout", id="a policy"),
        pytest.param("deploy/checkout", "deploy/checkout", id="a workload"),
        pytest.param("deployment/checkout", "deploy/checkout", id="in full"),
        pytest.param("StatefulSets/db", "sts/db", id="in the plural"),
        pytest.param("inc/checkout-1", "inc/checkout-1", id="an incident"),
    ],
)
def test_what_a_name_means(text: str, expected: str) -> None:
    assert str(named(text)) == expected


@pytest.mark.parametrize("text", ["pod/checkout-1", "deploy/", "/checkout"])
def test_a_name_that_means_nothing_is_told_with_what_there_is(text: str) -> None:
    with pytest.raises(CannotBeAsked) as caught:
        named(text)

    assert any("deploy/NAME" in line for line in caught.value.lines())


def test_names_that_resemble_it() -> None:
    assert resembling("chekout", ["orders", "checkout", "checkout-cart"]) == ["checkout", "checkout-cart"]


# --- options of many commands


def test_options_of_many_commands_are_declared_once() -> None:
    app, seen = typer.Typer(), []

    @app.command()
    @grouped
    def command(name: str, *, where: Where, look: Look) -> None:
        seen.append((name, where, look))

    assert CliRunner().invoke(app, ["a", "-n", "shop", "-o", "json", "--utc", "--as", "ines"]).exit_code == 0
    assert seen == [("a", Where("shop", as_user="ines"), Look("json", utc=True))]
    refused = CliRunner().invoke(app, ["a", "--color", "green"])
    assert refused.exit_code == 2
    assert "expected auto, always or never" in refused.output
