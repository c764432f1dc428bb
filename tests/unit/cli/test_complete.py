"""What is offered for a line that is being typed: by tables where no cluster is asked, else as names come from one."""

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.cli import commands as imported
from salus.cli.app import app
from salus.cli.complete.command import answer, patience
from salus.cli.complete.line import Command, Parameter, Place, place
from salus.cli.complete.live import MOST
from salus.cli.complete.tree import commands
from salus.cli.complete.vocabulary import NOTHING, takes
from salus.cli.lint.command import KNOWN_FORMS
from salus.cli.look.get_command import KNOWN
from salus.cli.look.patience import Wanted
from salus.cli.reports.history import What
from salus.cli.show import Color, Form
from salus.model.change import Decision, Outcome
from salus.model.policy import Mode
from salus.ports import CHANGE_EVENTS, Ref
from salus.presets import load_presets
from salus.reasons import load_reasons
from tests.unit.cli.worlds import World, a_world
from tests.unit.stage import NAMESPACE

assert imported.__all__
COMMANDS = commands(app)
LONG = timedelta(seconds=60)


def offered(line: str, kubeconfig: Path | None = None) -> list[str]:
    """The candidates for a line; it ends with a blank where a new word begins."""
    words = shlex.split(line)[1:] + ([""] if line.endswith(" ") else [])
    if kubeconfig is not None:
        words[1:1] = ["--kubeconfig", str(kubeconfig)]
    lines, is_waiting = answer(COMMANDS, words, LONG)
    assert not is_waiting
    assert lines[-1] in {":0", ":4"}
    return [one.partition("\t")[0] for one in lines[:-1]]


# --- where a line is

TABLE = {
    "get": Command(
        "List",
        (
            Parameter("namespace", "NAME", flags=("--namespace", "-n")),
            Parameter("everywhere", flags=("--all", "-A"), takes_value=False),
            Parameter("label", "TEXT", flags=("--label", "-l"), is_repeatable=True),
        ),
        (Parameter("kind", "KIND"), Parameter("names", "NAME", is_repeatable=True)),
    ),
    "check": Command("Check", (Parameter("inputs", "FILE", flags=("-f", "--filename"), is_required=True),)),
}


def at(*words: str) -> Place:
    return place(TABLE, words)


@pytest.mark.parametrize(
    ("words", "parameter", "begun"),
    [
        pytest.param(["get", ""], "kind", "", id="the first argument"),
        pytest.param(["get", "po", "ch"], "names", "ch", id="the second argument"),
        pytest.param(["get", "po", "a", "b", ""], "names", "", id="an argument that is taken many times"),
        pytest.param(["get", "-n", "sh"], "namespace", "sh", id="the value of an option"),
        pytest.param(["get", "--namespace", ""], "namespace", "", id="an empty value"),
        pytest.param(["get", "--namespace=sh"], "namespace", "sh", id="a value in the same word"),
        pytest.param(["get", "-An", "sh"], "namespace", "sh", id="the last of several letters has the value"),
        pytest.param(["get", "-nshop", ""], "kind", "", id="a value right behind its letter"),
        pytest.param(["get", "-n", "-A", ""], "kind", "", id="a value that looks like an option"),
        pytest.param(["get", "--all", "", ""], "names", "", id="a flag takes no value, an empty word is one"),
        pytest.param(["get", "--", "-A"], "kind", "-A", id="after two dashes all are arguments"),
        pytest.param(["-x", "get", "--label=a=b", "-l", "c="], "label", "c=", id="equals signs in values"),
        pytest.param(["get", "--nothing", ""], "kind", "", id="an option that is not known takes no value"),
        pytest.param(["get", "--all=x"], None, "x", id="a flag that is given a value"),
        pytest.param(["check", ""], None, "", id="no argument is wanted"),
        pytest.param(["nothing", ""], None, "", id="a command that is not there"),
        pytest.param(["ge"], None, "ge", id="a command that is being typed"),
    ],
)
def test_which_parameter_a_word_is_for(words: list[str], parameter: str | None, begun: str) -> None:
    found = at(*words)

    assert (found.parameter.name if found.parameter else None, found.begun) == (parameter, begun)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        pytest.param(["get", "-"], ["namespace", "everywhere", "label"], id="all of the command"),
        pytest.param(["get", "-A", "-n", "x", "-"], ["label"], id="but those that are there"),
        pytest.param(["get", "-l", "a", "-"], ["namespace", "everywhere", "label"], id="and one may be there twice"),
        pytest.param(["get", ""], [], id="none before a dash is typed"),
        pytest.param(["check", ""], ["inputs"], id="but one that is needed"),
        pytest.param(["check", "-f", "a", ""], [], id="until it is there"),
        pytest.param(["-"], ["help", "version"], id="those of the program"),
    ],
)
def test_which_options_may_follow(words: list[str], options: list[str]) -> None:
    assert [one.name for one in at(*words).options] == options


def test_what_is_said_before_is_known() -> None:
    found = at("get", "-An", "shop", "-l", "a=b", "--label=c", "policies", "")

    assert found.said == {"everywhere": ["-A"], "namespace": ["shop"], "label": ["a=b", "c"]}
    assert (found.command, found.before) == ("get", ["policies"])


# --- words that need no cluster


@pytest.mark.parametrize(
    ("line", "candidates"),
    [
        pytest.param("salus sta", ["status"], id="a command"),
        pytest.param("salus nothing", [], id="no command begins so"),
        pytest.param("salus --v", ["--version"], id="an option of the program"),
        pytest.param("salus status --wa", ["--watch", "--wait-for"], id="options of a command"),
        pytest.param("salus status --wait-for ", ["healthy", "resolved", "idle"], id="words that an option takes"),
        pytest.param("salus status --wait-for=i", ["idle"], id="of a value in the same word, only the value"),
        pytest.param("salus run --log-format ", ["json", "text"], id="a choice that Typer knows"),
        pytest.param("salus lint -o s", ["sarif"], id="a form that one command has"),
        pytest.param("salus get re", ["releases", "reasons"], id="a kind"),
        pytest.param("salus get presets Er", ["ErrorRatio"], id="a preset"),
        pytest.param("salus get changes --reason Cool", ["CooldownActive"], id="a reason of changes"),
        pytest.param("salus explain Cool", ["CooldownActive"], id="a reason"),
        pytest.param("salus history --only act,un", ["act,undo"], id="the last of several words"),
        pytest.param("salus validate ", ["--filename"], id="an option that is needed"),
        pytest.param("salus completion z", ["zsh"], id="a shell"),
        pytest.param("salus demo --speed ", [], id="nobody knows which number"),
    ],
)
def test_what_is_offered_without_a_cluster(line: str, candidates: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere")

    assert offered(line) == candidates


def test_what_a_candidate_is_stands_behind_a_tab() -> None:
    lines, _ = answer(COMMANDS, ["get", "presets", "ErrorR"], LONG)

    assert lines == ["ErrorRatio\tWhich share of the requests failed by the server's fault", ":4"]


@pytest.mark.parametrize("line", [["validate", "-f", ""], ["demo", "--html", "x"], ["run", "--config=x"]], ids=str)
def test_where_a_file_is_meant_the_shell_may_offer_files(line: list[str]) -> None:
    assert answer(COMMANDS, line, LONG)[0] == [":0"]


def test_contexts_are_those_of_all_files_that_kubectl_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("contexts: [{name: prod-eu, context: {namespace: shop}}, {name: prod-us}]\n")
    (tmp_path / "b").write_text("contexts: [{name: lab}]\n")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'a'}{os.pathsep}{tmp_path / 'b'}")

    assert offered("salus status --context ") == ["prod-eu", "prod-us", "lab"]
    assert answer(COMMANDS, ["run", "--context=l"], LONG)[0] == ["lab", ":4"]


def test_presets_and_reasons_are_all_that_there_are() -> None:
    assert sorted(offered("salus get presets ")) == sorted(load_presets())
    assert sorted(offered("salus get reasons ")) == sorted(load_reasons())


def words_of(command: str, parameter: str) -> set[str]:
    options = [*COMMANDS[command].options, *COMMANDS[command].arguments]
    return set(takes(Place("", command, next(one for one in options if one.name == parameter))).words)


def test_the_words_are_those_that_the_commands_take() -> None:
    assert words_of("get", "kind") == set(KNOWN)
    assert words_of("get", "decision") == set(Decision)
    assert words_of("get", "outcome") == set(Outcome)
    assert words_of("get", "form") == {*Form, "csv"}
    assert words_of("status", "form") == {*Form} - {"name"}
    assert words_of("lint", "form") == set(KNOWN_FORMS)
    assert words_of("replay", "mode") == set(Mode)
    assert words_of("status", "color") == set(Color)
    assert words_of("status", "wait_for") == set(Wanted)
    assert words_of("history", "only") == set(What)


CLOSED = {"WORD", "FORM", "MODE", "KIND", "SHELL", "FILE", "DIR"}
PARAMETERS = [
    (name, parameter)
    for name, command in COMMANDS.items()
    for parameter in (*command.options, *command.arguments)
    if parameter.takes_value and (parameter.choices or parameter.metavar in CLOSED)
]


@pytest.mark.parametrize(("command", "parameter"), PARAMETERS, ids=lambda one: getattr(one, "name", one))
def test_where_only_some_words_are_taken_they_are_offered(command: str, parameter: Parameter) -> None:
    """Else: a line in salus.cli.complete.vocabulary."""
    here = Place("", command, parameter, before=["policies"])

    assert takes(here) != NOTHING


LETTERS = st.text(st.sampled_from("-=/,: \t\n'\"$aAnof"), max_size=8)
BEGUN = st.sampled_from([*COMMANDS, "--", "-n", "--namespace", "-o", "-A", "-f", "--only", "inc/", "\x00", "é"])


@given(st.lists(BEGUN | LETTERS, max_size=6))
def test_whatever_is_typed_is_read(words: Sequence[str]) -> None:
    found = place(COMMANDS, words)

    assert (words[-1] if words else "").endswith(found.begun)
    assert takes(found) is not None


# --- names in the cluster


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("world")) as found:
        for name in ("shop", "bank"):
            found.stage.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        yield found


@pytest.mark.parametrize(
    ("line", "candidates"),
    [
        pytest.param("salus status ", ["checkout", "deploy/checkout"], id="policies, and what they are about"),
        pytest.param("salus status dep", ["deploy/checkout"], id="a workload that a policy is about"),
        pytest.param("salus status checkout ", ["checkout", "deploy/checkout"], id="one more policy"),
        pytest.param("salus get policies ", ["checkout"], id="policies alone"),
        pytest.param("salus get incidents ", ["{incident}"], id="incidents"),
        pytest.param("salus get changes ", ["{question}"], id="changes"),
        pytest.param("salus get releases deploy/", ["deploy/checkout"], id="workloads of a kind"),
        pytest.param("salus get releases sts/", [], id="workloads of another kind"),
        pytest.param("salus get changes --target ", ["deploy/checkout"], id="workloads of all kinds"),
        pytest.param("salus explain inc/", ["inc/{incident}"], id="an incident by its type"),
        pytest.param("salus explain ch", ["checkout", "chev/{question}"], id="a name, or a type"),
        pytest.param("salus report ", ["period", "inc/{incident}"], id="a word or an incident"),
        pytest.param("salus approve ", ["{question}"], id="open questions"),
        pytest.param("salus deny no", [], id="a question that is not there"),
        pytest.param("salus withdraw ", ["--reason", "{kept}"], id="releases that are kept"),
        pytest.param("salus status -n ", ["shop", "bank"], id="namespaces"),
        pytest.param("salus status -n bank ", [], id="nothing is in another namespace"),
        pytest.param("salus status -n bank -A ", ["checkout", "deploy/checkout"], id="all namespaces"),
        pytest.param("salus status --context=pr", ["prod-eu"], id="contexts of the kubeconfig that is typed"),
    ],
)
def test_names_come_from_the_cluster(line: str, candidates: list[str], world: World) -> None:
    names = {"question": world.question, "incident": world.incident, "kept": world.kept}

    assert sorted(offered(line, world.kubeconfig)) == sorted(one.format(**names) for one in candidates)


def test_what_is_in_the_cluster_says_how_it_stands(world: World) -> None:
    words = ["approve", "--kubeconfig", str(world.kubeconfig), ""]

    assert answer(COMMANDS, words, LONG)[0] == [f"{world.question}\tAwaitApproval Rollback, deploy/checkout", ":4"]


@pytest.fixture
def own_world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as found:
        yield found


def test_without_rights_without_a_server_and_without_a_file_nothing_is_offered(own_world: World) -> None:
    own_world.api.allowed = set()
    assert offered("salus status ", own_world.kubeconfig) == []

    own_world.api.answers = False
    assert offered("salus status ", own_world.kubeconfig) == []
    assert offered("salus report ", own_world.kubeconfig) == ["period"]

    own_world.kubeconfig.write_text("}")
    assert offered("salus status ", own_world.kubeconfig) == []
    assert offered("salus status --context ", own_world.kubeconfig) == []


def test_an_answered_question_is_none(own_world: World) -> None:
    (question,) = own_world.stage.changes
    ref = Ref(CHANGE_EVENTS, NAMESPACE, question["metadata"]["name"])
    own_world.edit(ref, lambda body: body["spec"].update(approval={"decision": "Denied"}))

    assert offered("salus approve ", own_world.kubeconfig) == []


def test_of_very_many_names_some_are_offered(own_world: World) -> None:
    for number in range(MOST + 20):
        metadata = {"name": f"tenant-{number}"}
        own_world.stage.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    assert len(offered("salus status -n ", own_world.kubeconfig)) == MOST
    assert offered("salus status -n tenant-317", own_world.kubeconfig) == ["tenant-317"]


# --- the program


@pytest.mark.parametrize(
    ("said", "waits"),
    [("", 1.0), ("2.5", 2.5), ("soon", 1.0), ("1e99", 600.0), ("nan", 1.0), ("-1", 0.0)],
    ids=["by default a second", "as it is said", "no number", "not for ever", "not a number", "not at all"],
)
def test_how_long_a_cluster_is_waited_for(said: str, waits: float) -> None:
    assert patience({"SALUS_COMPLETION_TIMEOUT": said}) == timedelta(seconds=waits)


def program(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "salus", "__complete", *words]
    return subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=True)


@pytest.mark.parametrize("words", [["explain", "Cool"], ["status", ""], ["approve", "--bad", ""], []], ids=str)
def test_the_program_says_nothing_but_candidates(words: list[str], tmp_path: Path) -> None:
    broken = tmp_path / "kubeconfig"
    broken.write_text("}")

    ended = program(*words, KUBECONFIG=str(broken))

    assert (ended.stderr, ended.stdout.splitlines()[-1]) == ("", ":4")


def test_a_server_that_is_silent_is_not_waited_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        path = tmp_path / "kubeconfig"
        server = f"http://127.0.0.1:{silent.getsockname()[1]}"
        path.write_text(
            f"{{clusters: [{{name: c, cluster: {{server: '{server}'}}}}], users: [{{name: u, user: {{}}}}],"
            " contexts: [{name: x, context: {cluster: c, user: u}}], current-context: x}"
        )
        ended = program("report", "", KUBECONFIG=str(path), SALUS_COMPLETION_TIMEOUT="0.1")

    assert (ended.stdout, ended.stderr) == ("period\n:4\n", "")


def test_a_word_of_the_program_takes_neither_a_client_nor_yaml() -> None:
    code = (
        "import sys; from salus.cli import main; sys.argv = ['', '__complete', 'status', '--wait-for', '']; main();"
        " sys.stderr.write(' '.join({'aiohttp', 'kubernetes', 'pydantic', 'rich', 'yaml'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert (ended.stdout, ended.stderr) == ("healthy\nresolved\nidle\n:4\n", "")
