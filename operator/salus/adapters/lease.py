"""Leader election: one Lease that this process holds, renews and gives back, and the fence before every write.

Who is to lead is decided by `core.leadership`; what is to be done when this process begins to lead is the operator's.
The Lease itself is written through a Cluster without a fence.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta

import structlog

from salus.core.leadership import (
    Lease,
    Move,
    Sighting,
    Timing,
    held_spec,
    lease_from,
    may_act,
    next_move,
    released_spec,
    sighted,
)
from salus.ports import LEASES, Clock, Cluster, ClusterError, Conflict, Invalid, NotFound, Ref, Unavailable

PATIENCE = timedelta(seconds=4)
"""For one request of an election: two of them fit between the last renewal and its deadline."""

_log = structlog.get_logger(__name__)


class NotLeading(Unavailable):
    """Nothing was sent, since this process does not lead (any more); whoever leads may have done it."""


def passing_time() -> float:
    """Seconds on a clock that never goes back and, where the system has one, goes on while the machine is suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Leadership:
    """This process in an election.

    Each time it comes to hold the Lease, a new *term* begins. Writes pass the fence only after `begin(term)`: what was
    under way in an earlier term, or before, is to end first.
    """

    def __init__(
        self,
        cluster: Cluster,
        ref: Ref,
        me: str,
        clock: Clock,
        passing: Callable[[], float] = passing_time,
    ) -> None:
        self._cluster, self._ref, self._me, self._clock = cluster, ref, me, clock
        self._timing = Timing()
        self._passing = passing
        self._seen: Sighting | None = None
        self._renewed: float | None = None
        self._term = 0
        self._begun = 0
        self._gained = asyncio.Event()
        self._said: tuple[bool, str] = (False, "")

    @property
    def leader(self) -> str:
        """Who holds the Lease, as last seen; empty: nobody."""
        return self._seen.lease.holder if self._seen and self._seen.lease else ""

    @property
    def has_looked(self) -> bool:
        """Whether the Lease, or that there is none, was ever seen."""
        return self._seen is not None

    @property
    def leads(self) -> bool:
        """Whether the fence is open."""
        return self.holds(self._begun)

    def holds(self, term: int) -> bool:
        """Whether the Lease is ours, without a break since the beginning of this term."""
        return term == self._term and may_act(self._renewed, self._passing(), self._timing.deadline)

    def fence(self) -> None:
        """Raise NotLeading unless this process may write."""
        if not self.leads:
            raise NotLeading(f"not sent: this process does not lead; the leader is {self.leader or 'not known'}")

    async def next_term(self) -> int:
        """Wait for a term to begin."""
        await self._gained.wait()
        self._gained.clear()
        return self._term

    def begin(self, term: int) -> bool:
        """Open the fence for a term. False if it is over already."""
        if not self.holds(term):
            return False
        self._begun = term
        return True

    async def run(self) -> None:
        """Take part until cancelled."""
        while True:
            trouble = ""
            try:
                await self.step()
            except ClusterError as error:
                trouble = str(error)
            self._say(trouble)
            await asyncio.sleep(self._timing.retry.total_seconds())

    async def step(self) -> None:
        """Look at the Lease, and do what is next. Raises ClusterError."""
        self._seen = seen = await self._look()
        move = next_move(seen, self._me, self._passing())
        if move is not Move.RENEW:
            self._renewed = None
        if move is Move.WAIT:
            return
        asked = self._passing()
        try:
            lease = await self._write(seen)
        except (Conflict, Invalid) as error:
            if isinstance(error, Invalid) and error.causes:
                raise
            _log.debug("someone else wrote the lease first", lease=self._ref.name, error=str(error))
            return
        self._seen = sighted(None, lease, self._passing())
        self._hold(asked)

    async def release(self) -> None:
        """Close the fence and give the Lease back, if it is ours; a failure is logged: then it has to run out."""
        self._term += 1
        try:
            seen = await self._look()
            if seen.lease is not None and seen.lease.holder == self._me:
                await self._replace(seen.lease, released_spec(seen.lease, self._clock.now()))
                _log.info("the lease is given back", lease=self._ref.name)
        except ClusterError as error:
            _log.warning("the lease could not be given back, it has to run out", error=str(error))

    async def _look(self) -> Sighting:
        try:
            lease = lease_from(await self._cluster.get(self._ref), self._timing.duration)
        except NotFound:
            lease = None
        return sighted(self._seen, lease, self._passing())

    async def _write(self, seen: Sighting) -> Lease:
        spec = held_spec(seen, self._me, self._clock.now(), self._timing)
        if seen.lease is not None:
            return await self._replace(seen.lease, spec)
        metadata = {"namespace": self._ref.namespace, "name": self._ref.name}
        body = await self._cluster.create(LEASES, {"metadata": metadata, "spec": spec})
        return lease_from(body, self._timing.duration)

    async def _replace(self, lease: Lease, spec: object) -> Lease:
        """Write the spec if nobody has written the Lease meanwhile; else Invalid without causes, or Conflict."""
        unchanged = {"op": "test", "path": "/metadata/resourceVersion", "value": lease.version}
        body = await self._cluster.patch(self._ref, [unchanged, {"op": "add", "path": "/spec", "value": spec}])
        return lease_from(body, self._timing.duration)

    def _hold(self, asked: float) -> None:
        """The Lease is ours as of `asked`; after a break that is a new term, even if nobody else had it meanwhile."""
        if not self.holds(self._term):
            self._term += 1
            self._gained.set()
        self._renewed = asked

    def _say(self, trouble: str) -> None:
        """Log what has changed."""
        said, holds = self._said, self.holds(self._term)
        if trouble and trouble != said[1]:
            _log.warning("the lease cannot be looked after", lease=self._ref.name, error=trouble)
        if holds and not said[0]:
            _log.info("the lease is ours", lease=self._ref.name, term=self._term)
        if said[0] and not holds:
            _log.warning("leadership is lost, nothing is done any more", lease=self._ref.name, leader=self.leader)
        self._said = (holds, trouble)
