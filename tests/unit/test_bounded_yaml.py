"""What a few hundred bytes of YAML may stand for; and whatever is wrong is one error, in bounded memory and time."""

import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.bounded_yaml import LARGEST, MOST_NODES, UnreadableError, read_bytes, trees, value_of
from salus.settings import SettingsError, read_settings

HOSTILE = Path(__file__).parent / "data" / "hostile"
LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))
"""Ten times as many with every line, and nothing is copied before somebody looks at it."""
CHAIN = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{b: *a{n - 1}}}\n" for n in range(1, 2_000))
MERGES = (HOSTILE / "merge6.yaml").read_text(encoding="utf-8")

WRONG = [
    pytest.param(MERGES, "aliases that stand for more than 250000 values", id="merges of merges"),
    pytest.param(LAUGHS, "aliases that stand for more than 250000 values", id="a billion laughs"),
    pytest.param("b: 1\n" + CHAIN, "nested deeper than 100 levels, by aliases", id="aliases, one within the other"),
    pytest.param("[" * 100_000, "nested deeper than 100 levels", id="brackets without end"),
    pytest.param("- " * 5_000 + "x", "nested deeper than 100 levels", id="lists without end"),
    pytest.param("[1" + ",1" * MOST_NODES + "]", "a document of more than 250000 values; split it", id="a long list"),
    pytest.param("a: " + "9" * 5_000, "a number of 5000 characters", id="a long number"),
    pytest.param("a: 1" + ":59" * 5_000, "a number of 15001 characters", id="a long number to the base of sixty"),
    pytest.param("x" * (LARGEST + 1), "larger than 16 MiB; split it", id="a large file"),
    pytest.param("a: !!bool x", "not YAML: a value that does not fit its tag (KeyError)", id="no bool"),
    pytest.param("a: !!timestamp x", "not YAML: a value that does not fit its tag (AttributeError)", id="no time"),
    pytest.param("a: !!int ''", "not YAML: a value that does not fit its tag (IndexError)", id="no number"),
    pytest.param("a: !!float x", "not YAML: could not convert string to float: 'x'", id="no fraction"),
    pytest.param("a: 2026-99-99", "not YAML: month must be in 1..12", id="no date"),
    pytest.param("a: !!python/object/apply:os.system [x]", "could not determine a constructor", id="a tag that runs"),
    pytest.param("a: \x00", "control characters are not allowed", id="a character that none may write"),
    pytest.param("a: *b", "undefined alias", id="an alias of nothing"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_is_too_much_or_nothing_at_all_is_one_error(text: str, said: str) -> None:
    with pytest.raises(UnreadableError, match=re.escape(said)):
        value_of(text.encode())


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_the_configuration_says_the_same_with_its_file(text: str, said: str, tmp_path: Path) -> None:
    config = tmp_path / "salus.yaml"
    config.write_text(text, encoding="utf-8")

    with pytest.raises(SettingsError) as error:
        read_settings(config)

    assert said in str(error.value)
    assert str(error.value).startswith(str(config))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("a: &a {x: 1}\nb: {<<: *a, y: 2}", {"a": {"x": 1}, "b": {"x": 1, "y": 2}}, id="a merge"),
        pytest.param("a: &a [1]\nb: [*a, *a]", {"a": [1], "b": [[1], [1]]}, id="an alias that is used twice"),
        pytest.param("a: '" + "9" * 5_000 + "'", {"a": "9" * 5_000}, id="a long text of digits"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_what_people_write_is_read(text: str, value: object) -> None:
    assert value_of(text.encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a: &a [*a, *a]", id="a list"),
        pytest.param("a: &a {<<: [*a, *a], b: 1}", id="a merge"),
        pytest.param("a: &a [&b [*a, *a], *b, *b]", id="a list in a list"),
    ],
)
def test_what_stands_within_itself_is_read_once(text: str) -> None:
    assert "a" in value_of(text.encode())


@given(st.text(alphabet=st.sampled_from("ab01&*<>!:{}[],-? \n'\"|#%@=~."), max_size=120))
def test_nothing_else_is_ever_raised(text: str) -> None:
    with suppress(UnreadableError):
        for tree in trees(text.encode(), times=False):
            tree.value()


def test_a_file_without_end_is_not_read_to_its_end() -> None:
    assert len(read_bytes(Path("/dev/zero"))) == LARGEST + 1


CHILD = """
import io, resource, sys
from pathlib import Path
from salus.cli.findings import AnyName
from salus.cli.progress import Progress
from salus.cli.validate import validate
from salus.core.policy.compile import Catalog
from tests.memory import peak

before = peak()
space = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (space + (512 << 20), -1))
resource.setrlimit(resource.RLIMIT_CPU, (60, -1))
report = validate(sys.argv[1:], Catalog({}, AnyName()), Progress(io.StringIO()))
print(len(report.unreadable), (peak() - before) // 1024)
"""


def test_the_worst_files_take_bounded_memory_and_time(tmp_path: Path) -> None:
    """In a child with limits of both; the last is within all bounds and is read."""
    texts = {
        "merges": MERGES,
        "laughs": LAUGHS,
        "chain": CHAIN,
        "deep": "[" * 1_000_000,
        "long": "[1" + ",1" * 4_000_000 + "]",
        "large": "[1" + ",1" * (MOST_NODES - 3) + "]",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    files = [str(tmp_path / f"{name}.yaml") for name in texts]
    done = subprocess.run([sys.executable, "-c", CHILD, *files], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-500:]
    unreadable, growth = map(int, done.stdout.split())
    assert unreadable == len(texts) - 1
    assert growth * 1024 <= 384 << 20
