"""`salus replay` with other bounds, beside other versions of a policy, and as a page."""

import re
from datetime import timedelta
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from typer.testing import CliRunner

from salus.cli import commands
from salus.cli.app import app
from salus.cli.contract import CannotBeAsked
from salus.cli.pages import LARGEST
from salus.cli.replay.against import compared
from salus.cli.replay.breaches import breaches
from salus.cli.replay.drawing import MOST_PLOTS, points, replay_page
from salus.cli.replay.report import Title, report
from salus.cli.replay.sweep import EVERY, Variant, bounds_around, rewritten, sweeps
from salus.cli.replay.text import text
from salus.cli.reports.replay import Breach, Course, ReplayReport
from salus.cli.show import Look, show
from salus.model.policy import Threshold
from salus.model.scalars import parse_duration
from tests.builders import PAGE, RESTART
from tests.fakes.prometheus_api import prometheus_served
from tests.unit.cli.replays import BEGINS, ENDS, a_policy, played, replayed

IN_UTC = Look(utc=True)


def shown(said: ReplayReport) -> str:
    out = StringIO()
    show(said, IN_UTC, text, out)
    return out.getvalue()


# --- other bounds


async def test_a_sweep_is_what_a_replay_at_each_says() -> None:
    one = await played()
    (swept,) = await sweeps([one], "crashes", lambda _: None)

    check = next(check for check in one.watched[0].policy.checks if check.name == "crashes")
    for cell in swept.cells:
        side, _, value = cell.bound.partition(" ")
        bound = Threshold.model_validate({side: value})
        alone = await replayed(rewritten(a_policy(), check, Variant(bound, cell.hold)))
        assert (cell.acts, cell.by_itself) == (alone.acts, alone.alarms), cell
    assert (swept.bound, swept.hold) == ("above 0", parse_duration("30s"))
    assert len(swept.cells) == len(swept.bounds) * len(swept.holds)


async def test_a_sweep_as_people_read_it() -> None:
    one = await played()
    said = report([one], Title(ENDS)).model_copy(update={"sweeps": await sweeps([one], "error-ratio", lambda _: None)})

    lines = shown(said).splitlines()

    begins = lines.index("error-ratio: acts (of them on what ended by itself), by bound and for")
    assert lines[begins + 2].split() == ["0s", "30s", "1m*", "2m", "5m"]
    assert [line.split("  ")[0] for line in lines[begins + 3 :]] == ["above 0.02", "above 0.05*", "above 0.1"]
    assert "2 (1)" in lines[begins + 4]


async def test_all_checks_are_swept_where_none_is_named() -> None:
    found = await sweeps([await played(a_policy(PAGE))], EVERY, lambda _: None)

    assert [one.check for one in found] == ["error-ratio", "crashes"]


async def test_a_check_that_is_not_there_is_not_swept() -> None:
    with pytest.raises(CannotBeAsked, match="knows no check latency"):
        await sweeps([await played()], "latency", lambda _: None)


@pytest.mark.parametrize(
    ("bound", "found"),
    [
        pytest.param({"above": "0.05"}, ["above 0.02", "above 0.05", "above 0.1"], id="a share"),
        pytest.param({"above": "0.03"}, ["above 0.02", "above 0.03", "above 0.05"], id="between two steps"),
        pytest.param({"above": "0"}, ["above 0", "above 1", "above 2"], id="none at all"),
        pytest.param({"below": "1"}, ["below 0.5", "below 1", "below 2"], id="from below"),
        pytest.param({"above": "-3"}, ["above -3"], id="below zero there are no steps"),
    ],
)
def test_bounds_beside_a_bound(bound: dict[str, str], found: list[str]) -> None:
    assert [str(one) for one in bounds_around(Threshold.model_validate(bound))] == found


async def test_where_it_is_healthy_again_moves_along() -> None:
    body = a_policy()
    body["spec"]["checks"][0]["healthy"] = {"below": "0.02"}
    check = (await played(body)).watched[0].policy.checks[0]

    other = rewritten(body, check, Variant(Threshold.model_validate({"above": "0.1"}), timedelta(0)))

    assert other["spec"]["checks"][0]["healthy"] == {"below": "0.04"}


# --- another version


async def test_only_what_differs_is_told() -> None:
    here, there = await replayed(a_policy(RESTART)), await replayed(a_policy())
    told = shown(here.model_copy(update={"comparison": compared(here, there, "live")}))

    assert "5ccc00ff7e" in told
    assert "crashes" not in told
    assert "This change would have acted as often in 1d, and missed nothing that lasted." in " ".join(told.split())


async def test_what_is_missed_is_what_lasted() -> None:
    here, there = await replayed(a_policy(PAGE)), await replayed(a_policy())

    found = compared(here, there, "old.yaml")

    assert (found.acts, found.missed, found.only_here) == (2, 1, ())
    assert [one.here for one in found.differences] == ["Notify", "Notify"]
    assert "acted 2 times less in 1d, and missed 1 breach that lasted" in " ".join(
        shown(here.model_copy(update={"comparison": found})).split()
    )


async def test_the_same_policy_differs_in_nothing() -> None:
    one = await replayed()

    assert "No decision differs from those of live" in shown(
        one.model_copy(update={"comparison": compared(one, one, "live")})
    )


async def test_a_policy_that_the_other_side_does_not_have_is_named() -> None:
    here, there = await replayed(a_policy(), a_policy(RESTART, name="new")), await replayed()

    assert compared(here, there, "live").only_here == ("shop/new",)


# --- as a page


class Page(HTMLParser):
    """What would ask somebody else for something."""

    def __init__(self) -> None:
        super().__init__()
        self.images = 0
        self.asks: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.images += tag == "svg"
        self.asks += [value for name, value in attrs if name in {"src", "href"} and value]


async def test_a_page_asks_nobody_and_has_all_of_it() -> None:
    one = await played()
    said = report([one], Title(ENDS)).model_copy(update={"sweeps": await sweeps([one], "crashes", lambda _: None)})
    made, page = replay_page(said, IN_UTC), Page()
    page.feed(made)

    assert page.asks == []
    assert page.images == 2 + 1 + 3, "two checks, the lanes, three breaches"
    for words in ("Rollback to 5ccc00ff7e", "nothing", "no samples", "above 1", "sha256", "salus-report"):
        assert words in made
    assert all(f'class="band {kind}"' in made for kind in ("unknown", "for", "unhealthy"))


async def test_a_page_of_a_month_with_two_hundred_incidents_stays_small() -> None:
    """What does not fit is left out, and counted."""
    said = await replayed()
    many = tuple(said.breaches[index % 3].model_copy(update={"number": index + 1}) for index in range(200))
    checks = tuple(
        said.checks[0].model_copy(update={"check": "error-ratio" if not index else f"check-{index}"})
        for index in range(MOST_PLOTS + 4)
    )
    large = said.model_copy(update={"breaches": many, "checks": (*said.checks, *checks[1:])})

    made = replay_page(large, IN_UTC)

    assert len(made.encode()) <= LARGEST
    assert f"{len(large.checks) - MOST_PLOTS} checks more are not drawn" in made
    assert made.count("<h3>") == 50
    assert len(re.findall(r'<td class="number">\d+</td><td>', made)) == 150


def test_a_gap_of_a_course_stays_a_gap() -> None:
    course = Course(begins=BEGINS, every=timedelta(minutes=1), lows=(0.0, None, 1.0), highs=(0.5, None, 1.0))

    assert points(course) == [
        (BEGINS, 0.0),
        (BEGINS + timedelta(seconds=30), 0.5),
        (BEGINS + timedelta(minutes=2), 1.0),
    ]


async def test_only_the_fifty_that_matter_most_are_drawn_by_themselves() -> None:
    found = breaches(await played()).breaches

    assert all(one.course is not None for one in found)
    assert all(isinstance(one, Breach) for one in found)


# --- the command


def test_options_that_need_no_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert commands.__all__
    policy = tmp_path / "policy.yaml"
    policy.write_text((Path(__file__).parents[3] / "examples/policies/first.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))

    with prometheus_served() as url:
        asked = ["--prometheus", f"{url}/ill", "--since", "10m", "--sweep", "--html", "-f", str(policy), "--utc"]
        ended = CliRunner().invoke(app, ["replay", *asked])

    assert ended.exit_code == 0, ended.output
    assert "crash-looping: acts" in ended.stdout
    assert "written: salus-replay-checkout-first.html" in ended.stderr
    assert (tmp_path / "salus-replay-checkout-first.html").read_text().startswith("<!doctype html>")


def test_against_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[3] / "examples/policies/restart.yaml"
    policy, other = tmp_path / "new.yaml", tmp_path / "old.yaml"
    policy.write_text(root.read_text())
    other.write_text(root.read_text().replace('above: "2"', 'above: "99"'))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))

    with prometheus_served() as url:
        asked = ["--prometheus", f"{url}/ill", "--since", "30m", "-f", str(policy), "--against", str(other)]
        ended = CliRunner().invoke(app, ["replay", *asked, "-o", "md"])

    assert ended.exit_code == 0, ended.output
    assert "This change would have acted 1 time more in 30m, and missed nothing that lasted." in ended.stdout
