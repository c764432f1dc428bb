"""Who leads: the choice by a table, and two replicas on one Lease with clocks that the test sets."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from salus.adapters.lease import Leadership, NotLeading
from salus.core.leadership import Lease, Move, Sighting, Timing, held_spec, lease_from, may_act, next_move, sighted
from salus.model.scalars import Body
from salus.ports import LEASES, Forbidden, Ref, Unavailable
from salus.rehearsal.ports import VirtualClock
from tests.fakes.cluster import FakeCluster

REF = Ref(LEASES, "salus-system", "salus")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
FIFTEEN = timedelta(seconds=15)


def lease(holder: str = "b", renewed: str = "r1", duration: timedelta = FIFTEEN) -> Lease:
    return Lease(version="1", duration=duration, holder=holder, renewed=renewed)


@pytest.mark.parametrize(
    ("seen", "now", "move"),
    [
        pytest.param(Sighting(None, 100.0), 100.0, Move.CREATE, id="a lease that is not there is created"),
        pytest.param(Sighting(lease(""), 100.0), 100.0, Move.TAKE, id="a lease that was given back is taken at once"),
        pytest.param(Sighting(lease("a"), 100.0), 100.0, Move.RENEW, id="our own is renewed"),
        pytest.param(Sighting(lease("a"), 100.0), 900.0, Move.RENEW, id="our own is renewed however late"),
        pytest.param(Sighting(lease("b"), 100.0), 100.0, Move.WAIT, id="another's is left alone when first seen"),
        pytest.param(Sighting(lease("b"), 100.0), 114.9, Move.WAIT, id="and for as long as it lasts"),
        pytest.param(Sighting(lease("b"), 100.0), 115.0, Move.TAKE, id="and taken when it stood still so long"),
        pytest.param(
            Sighting(lease("b", duration=timedelta(seconds=60)), 100.0), 130.0, Move.WAIT, id="the holder says how long"
        ),
        pytest.param(
            Sighting(lease("b", renewed="1999-01-01T00:00:00.000000Z"), 100.0),
            101.0,
            Move.WAIT,
            id="a holder whose clock is years behind still holds it",
        ),
        pytest.param(
            Sighting(lease("b", renewed="2099-01-01T00:00:00.000000Z"), 100.0),
            115.0,
            Move.TAKE,
            id="a dead holder whose clock was years ahead does not hold it for ever",
        ),
    ],
)
def test_next_move(seen: Sighting, now: float, move: Move) -> None:
    assert next_move(seen, "a", now) is move


@pytest.mark.parametrize(
    ("found", "since"),
    [
        pytest.param(lease("b", "r1"), 100.0, id="the same renewal stands since it was first seen"),
        pytest.param(lease("b", "r2"), 110.0, id="a renewal starts the count anew"),
        pytest.param(lease("c", "r1"), 110.0, id="another holder starts the count anew"),
        pytest.param(None, 110.0, id="a lease that is gone"),
        pytest.param(Lease("7", FIFTEEN, "b", "r1"), 100.0, id="a label on the lease renews nothing"),
    ],
)
def test_a_lease_is_watched_on_ones_own_clock(found: Lease | None, since: float) -> None:
    assert sighted(Sighting(lease("b", "r1"), 100.0), found, 110.0) == Sighting(found, since)


@pytest.mark.parametrize(
    ("renewed", "now", "may"),
    [
        pytest.param(None, 100.0, False, id="never renewed"),
        pytest.param(100.0, 109.9, True, id="within the deadline"),
        pytest.param(100.0, 110.0, False, id="past it"),
    ],
)
def test_may_act(renewed: float | None, now: float, may: bool) -> None:
    assert may_act(renewed, now, Timing().deadline) is may


def test_a_renewal_keeps_what_an_acquisition_wrote() -> None:
    taken = held_spec(Sighting(lease("b"), 0.0), "a", NOON, Timing())
    body = {"metadata": {"resourceVersion": "2"}, "spec": taken}
    renewed = held_spec(
        Sighting(lease_from(body, FIFTEEN), 0.0), "a", NOON + timedelta(seconds=2, microseconds=5), Timing()
    )

    assert taken["leaseTransitions"] == renewed["leaseTransitions"] == 1
    assert taken["renewTime"] == renewed["acquireTime"] == "2026-11-22T12:00:00.000000Z"
    assert renewed["renewTime"] == "2026-11-22T12:00:02.000005Z"


class SlowCluster(FakeCluster):
    """A cluster on the way to which something happens."""

    def __init__(self) -> None:
        super().__init__()
        self.before_patch: list[Callable[[], Awaitable[None]]] = []

    async def patch(self, ref: Ref, operations: Sequence[Mapping[str, Any]], *, subresource: str = "") -> Body:
        """Patch, after what is to happen before."""
        if self.before_patch:
            await self.before_patch.pop()()
        return await super().patch(ref, operations, subresource=subresource)


@dataclass
class Stage:
    """A Lease in memory, a clock on the wall, and time that passes for all replicas alike."""

    cluster: SlowCluster = field(default_factory=SlowCluster)
    wall: VirtualClock = field(default_factory=lambda: VirtualClock(NOON))
    passed: float = 1000.0

    def replica(self, name: str, *, years_ahead: int = 0) -> Leadership:
        """A replica, whose clocks may both be wrong, but run as fast as the others'."""
        ahead = timedelta(days=365 * years_ahead)
        wall = VirtualClock(self.wall.present + ahead)
        return Leadership(self.cluster, REF, name, wall, passing=lambda: self.passed + ahead.total_seconds())

    async def leader(self, name: str = "a") -> Leadership:
        """A replica that leads."""
        one = self.replica(name)
        await one.step()
        assert one.begin(await one.next_term())
        return one


async def test_the_first_leads_and_the_second_stands_by() -> None:
    stage = Stage()
    first, second = await stage.leader("a"), stage.replica("b")

    await second.step()

    assert (first.leads, second.leads) == (True, False)
    assert second.leader == "a"
    first.fence()
    with pytest.raises(NotLeading, match="the leader is a"):
        second.fence()


async def test_the_fence_stays_closed_until_a_term_is_begun() -> None:
    replica = Stage().replica("a")
    await replica.step()

    assert replica.holds(1)
    with pytest.raises(NotLeading):
        replica.fence()


async def test_a_leader_that_cannot_renew_stops_before_another_may_begin() -> None:
    stage = Stage()
    first, second = await stage.leader("a"), stage.replica("b", years_ahead=3)
    await second.step()
    lapsed = False
    for _ in range(15):
        stage.passed += 1
        await second.step()
        lapsed = lapsed or not first.leads
        assert not (first.leads and second.holds(1))
    assert lapsed
    assert second.holds(1)
    with pytest.raises(NotLeading):
        first.fence()


async def test_a_leader_that_slept_past_its_deadline_begins_a_new_term_even_if_nobody_took_the_lease() -> None:
    stage = Stage()
    leader = await stage.leader()
    stage.passed += 12
    await leader.step()

    assert not leader.leads, "what was under way in the old term must not go on"
    assert leader.begin(await leader.next_term())
    leader.fence()


async def test_a_reply_that_comes_after_the_deadline_gives_no_right_to_act() -> None:
    stage = Stage()
    leader = await stage.leader()

    async def late() -> None:
        stage.passed += 11

    stage.cluster.before_patch.append(late)
    await leader.step()

    assert not leader.leads


async def test_a_lease_taken_by_another_closes_the_fence_at_once() -> None:
    stage = Stage()
    leader = await stage.leader()
    stage.cluster.edit(REF, lambda body: body["spec"].update(holderIdentity="someone"))
    await leader.step()

    with pytest.raises(NotLeading, match="the leader is someone"):
        leader.fence()


async def test_an_exit_gives_the_lease_back() -> None:
    stage = Stage()
    first, second = await stage.leader("a"), stage.replica("b")
    await second.step()
    await first.release()
    await second.step()

    assert second.holds(await second.next_term())
    with pytest.raises(NotLeading):
        first.fence()


async def test_a_standby_that_exits_leaves_the_lease_alone() -> None:
    stage = Stage()
    first, second = await stage.leader("a"), stage.replica("b")
    await second.step()
    await second.release()
    await first.step()

    assert first.leads


async def test_the_lease_is_written_only_as_it_was_read() -> None:
    """Two replicas see it run out at the same moment: one of them gets it."""
    stage = Stage()
    metadata = {"namespace": REF.namespace, "name": REF.name}
    stage.cluster.put({"apiVersion": LEASES.api_version, "kind": "Lease", "metadata": metadata, "spec": {}})
    first, second = stage.replica("a"), stage.replica("b")
    stage.cluster.before_patch.append(second.step)
    await first.step()

    assert second.holds(1)
    assert not first.holds(1)


async def test_a_lost_reply_is_found_on_the_lease() -> None:
    stage = Stage()
    replica = stage.replica("a")
    stage.cluster.fail_next(Unavailable("no answer in time"), after_effect=True)
    with pytest.raises(Unavailable):
        await replica.step()
    await replica.step()

    assert replica.holds(await replica.next_term())


async def test_missing_rights_are_told() -> None:
    stage = Stage()
    stage.cluster.fail_next(Forbidden("leases is forbidden"))
    with pytest.raises(Forbidden):
        await stage.replica("a").step()
