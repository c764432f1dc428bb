"""The Dockerfile as text: what anybody may hold it to without building it. `tests/e2e` builds and runs it."""

import re
from pathlib import Path

import pytest

from tests.package.pinned import dependencies, not_as_pinned, tools
from tools.devcluster import dockerfile

ROOT = Path(__file__).parents[2]


def instructions() -> list[tuple[str, str]]:
    """The instructions in order, such as ("USER", "65532:65532")."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    words = (line.partition(" ") for line in joined.splitlines() if line)
    return [(word, rest.strip()) for word, _, rest in words]


def stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage by its name; the last, which makes the image itself, has none."""
    found: dict[str, list[tuple[str, str]]] = {}
    stage = ""
    for word, rest in instructions():
        if word == "FROM":
            stage = rest.partition(" AS ")[2]
            found[stage] = []
        if found:
            found[stage].append((word, rest))
    return found


def last_stage() -> list[tuple[str, str]]:
    """The instructions that make the image itself."""
    return stages()[""]


def copied_into(*names: str) -> set[str]:
    """The files that these stages copy from the checkout."""
    copies = [rest.split() for name in names for word, rest in stages()[name] if word == "COPY"]
    return {file for words in copies if not words[0].startswith("--from") for file in words[:-1]}


def test_base_and_libraries_are_arguments_and_their_defaults_name_no_registry() -> None:
    defaults = dict(rest.split("=", 1) for word, rest in instructions() if word == "ARG" and not rest.endswith('=""'))

    assert defaults.keys() == {"BASE", "LIBRARIES"}
    assert re.fullmatch(r"[a-z]+:[\w.-]+", defaults["BASE"])
    assert stages()[defaults["LIBRARIES"]][0] == ("FROM", "${BASE} AS libraries")
    bases = {rest.partition(" AS ")[0] for word, rest in instructions() if word == "FROM"}
    assert bases - stages().keys() == {"${BASE}", "${LIBRARIES}"}


def test_libraries_have_a_layer_of_their_own_that_no_code_of_ours_changes() -> None:
    assert copied_into("libraries") == set(dockerfile.MAKE_THE_LIBRARIES) - {"Dockerfile"}
    assert [rest for word, rest in last_stage() if word == "COPY"] == [
        "--from=chosen-libraries /opt/salus /opt/salus",
        "--from=build /added/opt/salus /opt/salus",
    ]


REQUIREMENT = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[^ ;]+)(?P<marker> ; [^\\]+)? \\")


def pinned(file: str) -> dict[str, str]:
    """Name and version of what a file of requirements lets in; fails for a line that is neither that nor a hash."""
    found: dict[str, str] = {}
    for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
        if requirement := REQUIREMENT.fullmatch(line):
            found[requirement["name"]] = requirement["version"]
        else:
            assert re.fullmatch(r" {4}--hash=sha256:[0-9a-f]{64}( \\)?", line), f"{file}: {line}"
    return found


def test_nothing_is_installed_whose_hash_is_not_known() -> None:
    """The base brings pip itself; Salus is the wheel that was made of the sources that were copied."""
    runs = [rest for name in ("libraries", "build") for word, rest in stages()[name] if word == "RUN"]
    commands = [
        command for run in runs for command in run.split("&&") if re.search(r"\bpip\b.* (install|wheel)\b", command)
    ]

    from_elsewhere = [command for command in commands if "--no-deps" not in command]
    assert len(from_elsewhere) == 2
    for command in from_elsewhere:
        assert "--require-hashes --only-binary :all: -r requirements" in command
    for command in set(commands) - set(from_elsewhere):
        assert command.split()[-1] in {".", "/dist/*.whl"}


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-build.txt"])
def test_what_has_a_hash_is_what_development_has(file: str) -> None:
    assert pinned(file)
    assert not_as_pinned(pinned(file)) == {}


def test_everything_that_salus_declares_has_its_hash() -> None:
    assert dependencies() <= pinned("requirements.txt").keys()
    assert "hatchling" in pinned("requirements-build.txt")
    assert tools().isdisjoint(pinned("requirements.txt"))


def test_the_image_needs_no_shell() -> None:
    words = dict(last_stage())

    assert "RUN" not in words
    assert words["ENTRYPOINT"].startswith("[")
    assert "CMD" not in words


def test_it_runs_as_a_user_by_number_that_is_not_root() -> None:
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", dict(last_stage())["USER"])


def test_there_is_no_healthcheck() -> None:
    assert "HEALTHCHECK" not in dict(instructions())


def test_what_is_copied_in_is_let_in_and_counts_for_the_cache() -> None:
    """A file that is copied and not hashed would leave an old image in place."""
    copied = copied_into(*stages())
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert {line[1:] for line in ignore if line.startswith("!")} == copied
    assert copied - {"operator"} == set(dockerfile.COPIED) - {"Dockerfile", ".dockerignore"}


@pytest.mark.parametrize(
    ("listed", "settings"),
    [
        pytest.param("", {}, id="nothing is configured"),
        pytest.param("global.timeout='60'\n", {"timeout": "60"}, id="a file"),
        pytest.param(":env:.timeout='9'\nglobal.timeout='60'\n", {"timeout": "9"}, id="the environment wins"),
        pytest.param(
            "install.no-binary='x'\nlist.format='columns'\n", {"no-binary": "x"}, id="other commands' are left"
        ),
        pytest.param("global.find-links='/a b'\n", {"find-links": "/a b"}, id="a path with a space"),
    ],
)
def test_pip_in_the_build_is_configured_as_pip_here(listed: str, settings: dict[str, str]) -> None:
    assert dict(dockerfile.pip_settings(listed)) == settings


@pytest.mark.parametrize(
    ("listed", "mirror"),
    [
        pytest.param("", None, id="apt has no lists"),
        pytest.param("bookworm main https://a.example/\n", "https://a.example/", id="its only source"),
        pytest.param(
            "bookworm-updates main https://u.example/\nbookworm contrib https://c.example/\n", None, id="other parts"
        ),
        pytest.param(
            "bookworm main cdrom:[Debian 12]/\nbookworm main http://b.example/\n", "http://b.example/", id="not a disc"
        ),
    ],
)
def test_the_base_comes_from_where_apt_gets_this_release(
    listed: str, mirror: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dockerfile, "_codename", lambda: "bookworm")
    monkeypatch.setattr(dockerfile, "_run", lambda _command, _complaint: listed)

    assert dockerfile.known_mirror() == mirror
