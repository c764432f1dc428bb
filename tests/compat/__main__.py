"""`python -m tests.compat [SERVER…]`, behind `make compat`: every server that is asked in Prometheus' own words.

Each has the contract tests that ask a server whatever it is. What is otherwise than on Prometheus is known beforehand,
with what it means (`differences.py`): anything else fails, and so does a difference that is gone. The table of
docs/reference/compatibility.md is written from the run, where all servers were asked.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from xml.etree import ElementTree

from tests.compat.differences import DIFFERENCES, Difference
from tests.compat.page import PAGE, Answered, page
from tests.compat.servers import CHOSEN, SERVERS
from tools.devcluster.programs import PROMETHEUS, THANOS, TIERS, VICTORIAMETRICS, find, newest_prometheus
from tools.devcluster.progress import say_on_stderr

TESTS = ("tests/contract/test_sources.py", "tests/contract/test_presets.py")


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of one server's tests, by their ids."""

    passed: Sequence[str]
    failed: Sequence[str]

    @property
    def total(self) -> int:
        """How many were run."""
        return len(self.passed) + len(self.failed)


def main() -> int:
    """Ask them all, or those that are named; the exit status."""
    names = sys.argv[1:] or list(SERVERS)
    if unknown := [name for name in names if name not in SERVERS]:
        print(f"unknown server {unknown[0]!r}; known: {', '.join(SERVERS)}", file=sys.stderr)
        return 2
    say = say_on_stderr()
    find(TIERS["compat"], say)
    newest_prometheus(say)
    answered, is_as_known = [], True
    for name in names:
        say(f"asking {name}")
        ran = _ask(name)
        known = [one for one in DIFFERENCES if one.server == name]
        is_as_known &= _compare(name, ran, known)
        answered.append(Answered(name, _version(name), ran.total, [one.means for one in known]))
    if is_as_known and len(names) == len(SERVERS):
        PAGE.write_text(page(answered), encoding="utf-8")
    return 0 if is_as_known else 1


def _ask(name: str) -> Ran:
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "results.xml"
        command = [sys.executable, "-m", "pytest", *TESTS, "-q", "-p", "no:cacheprovider", f"--junitxml={told}"]
        environment = {**os.environ, CHOSEN: name}
        subprocess.run([*command, "-p", "tests.compat.chosen", "--tb=line"], env=environment, check=False)
        cases = list(ElementTree.parse(told).iter("testcase"))  # noqa: S314 - pytest wrote it just now
    ids = {case: f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}" for case in cases}
    failed = [ids[case] for case in cases if case.find("failure") is not None or case.find("error") is not None]
    left_out = {ids[case] for case in cases if case.find("skipped") is not None}
    return Ran([one for one in ids.values() if one not in {*failed, *left_out}], failed)


def _compare(name: str, ran: Ran, known: Sequence[Difference]) -> bool:
    """Whether it failed where it is known to, and nowhere else."""
    unknown = [one for one in ran.failed if not any(fnmatchcase(one, each) for diff in known for each in diff.tests)]
    always = [each for diff in known if diff.is_always for each in diff.tests]
    gone = [
        each
        for each in always
        if not any(fnmatchcase(one, each) for one in ran.failed) or any(fnmatchcase(one, each) for one in ran.passed)
    ]
    print(f"{name}: {ran.total} asked, {len(ran.failed)} otherwise")
    for one in unknown:
        print(f"  not known to be otherwise: {one}")
    for each in gone:
        print(f"  known to be otherwise, and is not: {each}")
    return bool(ran.total) and not unknown and not gone


def _version(name: str) -> str:
    """As people call it; Prometheus 3.16 is the module v0.316."""
    match name:
        case "thanos":
            return THANOS.version_of("github.com/thanos-io/thanos")
        case "victoriametrics":
            return VICTORIAMETRICS.version_of("github.com/VictoriaMetrics/VictoriaMetrics")
        case "prometheus-3":
            _, major_minor, patch = PROMETHEUS.version_of("github.com/prometheus/prometheus").split(".")
            return f"{major_minor[0]}.{int(major_minor[1:])}.{patch}"
    program = find(["prometheus"])["prometheus"]
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return str(re.findall(r"version ([0-9.]+)", said.stdout + said.stderr)[0])


if __name__ == "__main__":
    sys.exit(main())
