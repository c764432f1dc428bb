"""Ticks that are left out change nothing: whatever the past was, the records and what the checks said are the same."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from salus.model.scalars import Body, parse_time
from salus.model.values.configuration import Bounds, Brake, Switches
from salus.ports import DEPLOYMENTS, Ref
from salus.rehearsal.engine import Rehearsed
from salus.rehearsal.history import Gaps, always_empty, always_unknown
from salus.rehearsal.world import Happening, Past, edited, released, scaled
from tests.builders import NAMESPACE, PAGE, RESTART, ROLLBACK, a_deployment_body, a_template
from tests.unit.rehearsal.scenes import (
    BEFORE,
    CATALOG,
    REF,
    Scene,
    a_check,
    a_health_policy,
    a_history,
    a_shop,
    course,
    tick,
)

TICKS = 160
GROW = {"name": "grow", "scale": {"by": "50%", "max": 12, "revertAfter": "3m"}}
CART = Ref(DEPLOYMENTS, NAMESPACE, "cart")
BACK = {"name": "back", "scale": {"to": "LastHealthy", "max": 9}}


@dataclass(frozen=True)
class Story:
    """A past, and the policies that look at it."""

    errors: Sequence[tuple[int, float | None]]
    slow: Sequence[tuple[int, float | None]]
    volume: Sequence[tuple[int, float | None]]
    on_no_data: str
    gaps: Gaps
    remedies: Sequence[Mapping[str, Any]]
    second: str
    """The interval of another policy of the same target; empty: there is none."""
    others: Sequence[Happening]
    beside: Sequence[Happening] | None
    """What happens to another workload, of a policy of its own; None: there is none."""
    hold_down: float
    takes: float
    braked: bool
    shown: bool
    """The past itself shows each scaling, so that it is verified and given back."""
    records: int
    """Of an hour, at most."""
    hold: str
    """The first check's `for`."""

    def policies(self) -> list[Body]:
        checks = [
            a_check(healthy={"below": "0.02"}, onNoData=self.on_no_data, hold=self.hold),
            a_check("slow", hold="30s", volume={"query": "sum(requests)", "atLeast": "10"}),
        ]
        quick = {"limits": {"cooldown": "15s", "maxActions": 10}, "bake": "2m"}
        found = [a_health_policy(checks=checks, remedies=list(self.remedies), **quick)]
        if self.second:
            other = {"checks": [a_check("slow", hold="45s")], "remedies": [RESTART], "interval": self.second}
            found.append(a_health_policy(name="other", bake="3m", **other))
        if self.beside is not None:
            target = {"kind": "Deployment", "name": CART.name}
            apart = {"target": target, "checks": [a_check("slow", hold="45s")], "remedies": [ROLLBACK, RESTART]}
            found.append(a_health_policy(name="cart", bake="3m", **apart))
        return found


async def played(story: Story, *, all_of_it: bool, shown: Iterable[Happening] = ()) -> Rehearsed:
    world = a_shop(Past, takes=timedelta(seconds=story.takes))
    if story.beside is not None:
        cart = a_deployment_body(name=CART.name)
        del cart["status"]
        world.put(cart)
    world.will(*story.others, *(story.beside or ()), *shown)
    policies = [world.policy(body, CATALOG) for body in story.policies()]
    told = {"error-ratio": story.errors, "slow": story.slow, "slow volume": story.volume}
    history = a_history(world, policies, {name: course(*stretches) for name, stretches in told.items()}, story.gaps)
    switches = Switches(fleet_brake=Brake(percent=50, targets=1, pause=timedelta(minutes=8)) if story.braked else None)
    bounds = Bounds(hold_down=timedelta(seconds=story.hold_down), records_per_hour=story.records)
    return await Scene(world, policies, history, None if all_of_it else history, switches, bounds).play(TICKS)


def courses(*values: float | None) -> st.SearchStrategy[list[tuple[int, float | None]]]:
    """Long stretches and short ones, after a while that is well."""
    stretch = st.tuples(st.sampled_from((1, 2, 3, 6, 20, 50)), st.sampled_from(values))
    begins = st.sampled_from((0, BEFORE, BEFORE + 30))
    return st.builds(lambda calm, rest: [(calm, 0.0), *rest], begins, st.lists(stretch, max_size=8))


def happenings(ref: Ref = REF) -> st.SearchStrategy[list[Happening]]:
    at = st.floats(-BEFORE, TICKS).map(tick)
    return st.lists(
        st.one_of(
            st.builds(lambda at, image: released(at, ref, a_template(f"shop:{image}")), at, st.sampled_from("abc")),
            st.builds(lambda at, size: scaled(at, ref, size), at, st.sampled_from((0, 2, 3, 6))),
            st.builds(lambda at: edited(at, ref, lambda body: body["spec"].update(paused=True)), at),
        ),
        max_size=3,
    )


STORIES = st.builds(
    Story,
    errors=courses(0.0, 0.03, 0.3, None),
    slow=courses(0.0, 0.3, None),
    volume=courses(100.0, 100.0, 3.0, None).map(lambda found: [(found[0][0], 100.0), *found[1:], (TICKS, 100.0)]),
    on_no_data=st.sampled_from(("Unknown", "Healthy", "Unhealthy")),
    gaps=st.sampled_from((always_unknown, always_empty)),
    remedies=st.sampled_from(([ROLLBACK, RESTART, PAGE], [GROW, PAGE], [BACK, RESTART], [RESTART], [])),
    second=st.sampled_from(("", "", "15s", "20s", "30s")),
    others=happenings(),
    beside=st.one_of(st.none(), happenings(CART)),
    hold_down=st.sampled_from((0, 120)),
    takes=st.sampled_from((0, 0, 40)),
    braked=st.booleans(),
    shown=st.booleans(),
    records=st.sampled_from((1, 3, 120)),
    hold=st.sampled_from(("0s", "1m", "1m")),
)


def scalings(found: Rehearsed) -> list[Happening]:
    """Whoever has scaled it then."""
    done = [body for body in found.changes if body["spec"]["action"] == "Scale" and body["status"].get("appliedAt")]
    return [scaled(parse_time(one["status"]["appliedAt"]), REF, one["spec"]["intended"]["replicas"]) for one in done]


CALM = BEFORE + 40
BRAKED = [(CALM, 0.0), (8, 0.3), (8, 0.0), (12, 0.3), (50, 0.0), (8, 0.3), (8, 0.0), (12, 0.3), (100, 0.0)]


def a_story(errors: Sequence[tuple[int, float | None]], remedies: Sequence[Mapping[str, Any]], **more: Any) -> Story:  # noqa: ANN401 - fields
    """One check of one policy."""
    usual: dict[str, Any] = {"slow": [(400, 0.0)], "volume": [(400, 100.0)], "on_no_data": "Unknown", "second": ""}
    around = {
        "gaps": always_unknown,
        "others": (),
        "beside": None,
        "hold_down": 0,
        "takes": 0,
        "records": 120,
        "hold": "1m",
    }
    return Story(errors=errors, remedies=remedies, **{**usual, **around, "braked": False, "shown": False, **more})


def compared(found: Rehearsed) -> dict[str, Any]:
    """All that may not differ: everything but how often the objects were written."""
    return {
        "said": found.said,
        "changes": [_timeless(body) for body in found.changes],
        "incidents": [_timeless(body) for body in found.incidents],
    }


def _timeless(body: Body) -> dict[str, Any]:
    metadata = {key: value for key, value in body["metadata"].items() if key != "resourceVersion"}
    return {**body, "metadata": metadata}


@settings(max_examples=40)
@given(STORIES)
@example(a_story([(CALM, 0.0), (8, 0.3), (300, 0.0)], [GROW, PAGE], shown=True)).via(
    "a scaling goes back while all is well"
)
@example(a_story(BRAKED, [RESTART], braked=True, hold="0s")).via("the brake lifts while all is well")
@example(a_story(BRAKED, [ROLLBACK], records=1)).via("what was withheld is over while all is well")
async def test_what_is_left_out_changes_nothing(story: Story) -> None:
    shown = scalings(await played(story, all_of_it=True)) if story.shown else []
    whole, quick = [await played(story, all_of_it=all_of_it, shown=shown) for all_of_it in (True, False)]

    assert compared(quick) == compared(whole)
    assert (whole.left_out, quick.ticks + quick.left_out) == (0, whole.ticks)


async def test_what_happens_to_another_workload_wakes_nobody_else() -> None:
    """Each of its releases takes the tick that sees it and the one after, of its own policy alone."""
    moves = [released(tick(10 * number), CART, a_template(f"cart:v{number}")) for number in range(1, 12)]

    async def ticks(beside: Sequence[Happening]) -> int:
        story = a_story([(500, 0.0)], [RESTART], slow=[(500, 0.0)], volume=[(500, 100.0)], beside=beside)
        return (await played(story, all_of_it=False)).ticks

    assert await ticks(moves) - await ticks(()) <= 2 * (len(moves) + 1)
