"""The demo: each fault goes as it is told, by the operator's own code, and the page shows it."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from salus.cli.app import app
from salus.cli.demo.play import Play, the_policies
from salus.cli.demo.story import FAULTS, Fault
from salus.cli.reports.demo import DemoReport
from salus.model.policy import HealthPolicySpec

AT_ONCE = ["--speed", "1000000"]


async def played(faults: Sequence[Fault]) -> DemoReport:
    play = Play(faults)
    async for _ in play.ticks():
        pass
    return play.report()


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.name) for fault in FAULTS])
async def test_each_fault_goes_as_told_by_itself(fault: Fault) -> None:
    (fared,) = (await played([fault])).faults

    assert fared.became == fault.expected


async def test_all_of_them_go_as_told_one_after_the_other() -> None:
    report = await played(FAULTS)

    assert [one.became for one in report.faults] == [fault.expected for fault in FAULTS]
    assert all(one.failed < one.failed_without for one in report.faults if one.expected == "healed")


async def test_the_same_demo_is_played_each_time() -> None:
    assert (await played(FAULTS)).lines == (await played(FAULTS)).lines


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        pytest.param(["--fault", "1"], 0, ["Act Rollback", "1 fault: 1 healed"], id="one of them"),
        pytest.param(["--fault", "9"], 2, ["there is no fault 9", "1 a bad release"], id="one that is not there"),
        pytest.param(["--speed", "0"], 2, ["--speed"], id="a speed that is none"),
        pytest.param(["-o", "json", "--fault", "4"], 0, ['"became": "refused"'], id="for programs"),
    ],
)
def test_what_it_says(arguments: list[str], status: int, said: list[str]) -> None:
    ended = CliRunner().invoke(app, ["demo", *AT_ONCE, *arguments])

    assert ended.exit_code == status, ended.output
    assert all(words in ended.output for words in said)
    assert "\x1b[" not in ended.output
    assert max(map(len, ended.stdout.splitlines()), default=0) <= 80 or "json" in arguments


def test_the_page_shows_plots_and_holds_the_document(tmp_path: Path) -> None:
    file = tmp_path / "demo.html"

    ended = CliRunner().invoke(app, ["demo", *AT_ONCE, "--fault", "1", "--html", str(file)])
    text = file.read_text(encoding="utf-8")

    assert ended.exit_code == 0
    assert text.count('role="img"') == 5
    data = text.partition('id="salus-report">')[2].partition("</script>")[0]
    assert json.loads(data)["kind"] == "DemoReport"


def test_the_policies_of_the_demo_are_such_as_people_may_write() -> None:
    assert [HealthPolicySpec.parse(body["spec"]).checks[0].name for body in the_policies()] == ["error-ratio", "slow"]
