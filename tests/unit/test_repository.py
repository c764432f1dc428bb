"""The repository itself: layers that a tool holds, pins without addresses, targets that say what they do."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def test_the_package_root_does_not_shadow_the_standard_library() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the package, to be spoiled, with the contracts beside it as in the repository."""
    shutil.copytree(ROOT / "operator", tmp_path / "operator", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """The command of `make lint`, over the package under `root`."""
    return subprocess.run(
        [str(LINT_IMPORTS), "--config", "../pyproject.toml", "--no-cache"],
        cwd=root / "operator",
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "COLUMNS": "200"},  # names of contracts on one line
        check=False,
    )


def test_the_import_contracts_hold(copied: Path) -> None:
    ended = lint_imports(copied)

    assert ended.returncode == 0, ended.stdout
    assert " 0 broken" in ended.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        pytest.param(
            "core/remedy/ladder.py", "import aiohttp", "The core, the models and the ports", id="I/O in a decision"
        ),
        pytest.param(
            "core/guards/chain.py", "from salus.adapters import clock", "Layers: ", id="an adapter in the core"
        ),
        pytest.param("reconcile/tick.py", "import kubernetes", "Only one module", id="the client library in the loop"),
        pytest.param("store.py", "from tools import crds", "Salus knows neither its tools", id="a tool in the package"),
        pytest.param("store.py", "import kopf", "Only one module", id="kopf behind the door"),
        pytest.param(
            "adapters/recorder.py", "from salus.adapters import api", "One way to the API server", id="a way around it"
        ),
        pytest.param(
            "adapters/cluster.py",
            "from salus.adapters import workload_writes",
            "One way to write",
            id="writes to workloads for anybody",
        ),
    ],
)
def test_a_planted_wrong_import_is_seen(module: str, line: str, contract: str, copied: Path) -> None:
    planted = copied / "operator" / "salus" / module
    planted.write_text(f"{planted.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")

    ended = lint_imports(copied)

    assert ended.returncode != 0
    broken = [text for text in ended.stdout.splitlines() if text.endswith("BROKEN")]
    assert len(broken) == 1
    assert broken[0].startswith(contract)


def test_pins_name_versions_and_no_address() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]

    assert pins
    assert [line for line in lines if "://" in line or line.startswith("-")] == []
    assert [line for line in pins if not re.match(r"[A-Za-z0-9._-]+==[^ ]+( ; |$)", line)] == []


def test_every_make_target_says_what_it_does() -> None:
    rules = re.findall(r"^([a-z0-9-]+):(?!=)(.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    assert len(rules) > 3
    assert [target for target, rest in rules if not re.search(r"## \S", rest)] == []


def test_make_alone_lists_the_targets() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout

    rules = re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert [line.split()[0] for line in listed.splitlines() if line.startswith("  ")] == rules
