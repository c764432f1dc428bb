"""What `salus status` says of policies, by the objects that the operator itself has written."""

import io
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from salus.adapters.api import Connection
from salus.cli.contract import CannotBeAsked, Exit
from salus.cli.look import patience, status, status_text
from salus.cli.look.patience import Patience, Seen, Wanted
from salus.cli.person import Person
from salus.cli.reports.status import CheckLine, Happening, PolicyDetail, PolicyLine, StatusReport
from salus.cli.show import Look, show
from salus.model.scalars import Body
from salus.ports import HEALTH_POLICIES, Ref
from tests.builders import ago, later
from tests.unit.stage import NAME, NAMESPACE, Stage, a_stage

POLICY = Ref(HEALTH_POLICIES, NAMESPACE, NAME)
RESTART = [{"name": "restart", "restart": {}}, {"name": "page", "notify": {"severity": "critical"}}]


def never(_: Body) -> bool:
    return False


def always(_: Body) -> bool:
    return True


def person(stage: Stage, namespace: str | None = NAMESPACE) -> Person:
    nobody: Any = None
    connection: Connection = nobody
    return Person(stage.cluster, "prod-eu", namespace, connection)


async def report(stage: Stage, *names: str) -> StatusReport:
    return await status.look(person(stage), names, stage.clock.now())


def lines(document: StatusReport) -> list[str]:
    out = io.StringIO()
    show(document, Look(utc=True), status_text.text, out)
    return out.getvalue().splitlines()


async def with_mode(mode: str, is_cured: Callable[[Body], bool] = never, ticks: int = 3, **spec: Any) -> Stage:  # noqa: ANN401
    stage = a_stage(is_cured, *RESTART, mode=mode, **spec)
    await stage.ticks(ticks)
    return stage


@pytest.mark.parametrize(
    ("mode", "spec", "ticks", "health", "now"),
    [
        pytest.param("Enforce", {}, 3, "Unhealthy", "proving: Restart", id="a change is being proven"),
        pytest.param("Approve", {}, 3, "Unhealthy", "asks: Restart", id="a person is asked"),
        pytest.param("Observe", {}, 3, "Unhealthy", "1 rehearsal in 24h", id="it is rehearsed"),
        pytest.param("Enforce", {"suspend": True}, 3, "Unhealthy", "suspended", id="it is suspended"),
    ],
)
async def test_what_is_going_on(mode: str, spec: dict[str, Any], ticks: int, health: str, now: str) -> None:
    stage = await with_mode(mode, ticks=ticks, **spec)

    (line,) = (await report(stage)).policies

    assert (line.health, line.mode, line.target) == (health, mode, f"deploy/{NAME}")
    assert line.now.text.startswith(now)


async def test_a_healthy_policy_needs_no_word() -> None:
    stage = await with_mode("Enforce", always)

    said = await report(stage)

    assert (said.healthy, said.unhealthy, said.policies[0].now) == (1, 0, Happening())
    assert lines(said)[1] == "1 policies: 1 healthy, 0 unhealthy, 0 unknown"


async def test_a_spec_that_was_not_judged_yet_is_not_called_healthy() -> None:
    stage = await with_mode("Enforce", always)
    stage.cluster.edit(POLICY, lambda body: body["spec"].update(interval="30s"))

    (line,) = (await report(stage)).policies

    assert (line.health, line.now.text) == ("", "generation 2 is not judged yet")


async def test_a_policy_in_full_fits_on_a_screen_and_says_what_was_tried() -> None:
    stage = await with_mode("Enforce")

    text = lines(await report(stage, NAME))

    assert len(text) <= 24
    assert max(map(len, text)) <= 80
    assert any("errors" in line and "above" in line for line in text)
    assert any("restart" in line and "under way" in line for line in text)
    assert any(line.startswith("Limits") and "acts 1 of 10 in 1h" in line for line in text)


@pytest.mark.parametrize("name", [NAME, f"hp/{NAME}", f"deploy/{NAME}"])
async def test_a_policy_is_found_by_its_name_and_by_its_workload(name: str) -> None:
    stage = await with_mode("Enforce", always)

    assert [one.line.name for one in (await report(stage, name)).details] == [NAME]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("chekout", "like it   checkout", id="a name with a slip"),
        pytest.param("deploy/cart", "no policy has deploy/cart as its target", id="a workload that nobody speaks of"),
    ],
)
async def test_a_name_that_is_not_there_is_told_with_those_that_resemble_it(name: str, said: str) -> None:
    stage = await with_mode("Enforce", always)

    with pytest.raises(CannotBeAsked) as caught:
        await report(stage, name)

    assert any(said in line for line in caught.value.lines())


# --- waiting for it


def seen(
    seconds: float,
    health: str = "Healthy",
    *,
    rolling: str = "",
    since: datetime | None = None,
    incident: str = "",
    doing: str = "",
    judged: int = 1,
) -> Seen:
    at = later(seconds)
    now = Happening(state="asks", text=doing) if doing else Happening()
    line = PolicyLine(
        namespace="shop", name="web", target="deploy/web", health=health, mode="Enforce", since=since, now=now
    )
    detail = PolicyDetail(
        line=line,
        generation=1,
        judged_generation=judged,
        interval=timedelta(seconds=15),
        source="default",
        rolling=rolling,
        incident=incident,
        phase="Open" if incident else "",
        checks=(CheckLine(name="errors", verdict=health, value="0.08", bound="above 0.05"),),
    )
    return Seen(at, detail)


ROLLING = seen(0, rolling="2 of 6 updated")


@pytest.mark.parametrize(
    ("wanted", "looks", "ends", "said"),
    [
        pytest.param(
            "healthy", [ROLLING, seen(10), seen(70)], Exit.YES, "yes: healthy for 1m", id="healthy after the rollout"
        ),
        pytest.param("healthy", [ROLLING, seen(10), seen(69)], None, "healthy; 1m to go", id="not yet for long enough"),
        pytest.param(
            "healthy", [seen(0), ROLLING, seen(60)], None, "healthy; 1m to go", id="a new rollout begins anew"
        ),
        pytest.param(
            "healthy",
            [ROLLING, seen(10), seen(56, "Unhealthy", since=later(50))],
            Exit.NO,
            "no: errors is 0.08, above 0.05, 46s after the rollout",
            id="unhealthy after it",
        ),
        pytest.param(
            "healthy",
            [ROLLING, seen(10, "Unhealthy", since=ago(600)), seen(25, "Unhealthy", since=ago(600))],
            None,
            "Unhealthy: errors is 0.08, above 0.05",
            id="unhealthy since before it may only not be judged yet",
        ),
        pytest.param(
            "healthy",
            [ROLLING, seen(10, "Unhealthy", since=ago(600)), seen(41, "Unhealthy", since=ago(600))],
            Exit.NO,
            "no: errors is 0.08, above 0.05, 31s after the rollout",
            id="two intervals later it is judged",
        ),
        pytest.param(
            "healthy",
            [seen(0), seen(30, "Unknown"), seen(70)],
            None,
            "healthy; 1m to go",
            id="nobody knows in between: it begins anew",
        ),
        pytest.param(
            "healthy",
            [seen(0, judged=0), seen(100, judged=0)],
            None,
            "generation 1 of the policy is not judged yet",
            id="a policy that was just edited",
        ),
        pytest.param(
            "resolved",
            [seen(0, incident="web-1"), seen(5), seen(65)],
            Exit.YES,
            "yes: no incident for 1m",
            id="resolved",
        ),
        pytest.param("resolved", [seen(0, incident="web-1")], None, "incident web-1 is Open", id="still open"),
        pytest.param("idle", [seen(0, doing="asks: Restart")], None, "asks: Restart", id="something waits"),
        pytest.param("idle", [seen(0), seen(60)], Exit.YES, "yes: idle for 1m", id="nothing is going on"),
    ],
)
def test_what_is_waited_for(wanted: str, looks: Sequence[Seen], ends: Exit | None, said: str) -> None:
    known = Patience(Wanted(wanted), timedelta(minutes=1))
    for one in looks:
        known = patience.look(known, one)

    assert (known.ends, known.said) == (ends, said)
