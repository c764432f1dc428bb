"""All policies compiled anew, on the real clock, while this process has a Lease to renew."""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from salus.adapters.lease import Leadership
from salus.core.policy.compile import Catalog, SpecError
from salus.model.meta import WorkloadKind
from salus.model.scalars import Body
from salus.model.values.keys import PolicyKey, TargetKey
from salus.model.values.policies import Policy
from salus.ports import LEASES, Ref
from salus.reconcile.cases import Case
from salus.reconcile.tick import Reconciler
from salus.rehearsal.ports import VirtualClock
from salus.scheduler import Scheduler
from salus.store import PolicyStore
from tests.bench.fleet import Canned, Seen, Servers, deployment, policy_body
from tests.fakes.cluster import FakeCluster
from tests.unit.stage import a_reconciler


class RealClock(VirtualClock):
    """The time of the machine."""

    def now(self) -> datetime:
        """As it is."""
        return datetime.now(UTC)


class Feeding:
    """The store's listener, as the operator is."""

    def __init__(self, loop: Reconciler) -> None:
        self.loop = loop
        self.scheduler = Scheduler(loop.tick, {})

    def accepted(self, policy: Policy, body: Body) -> None:
        """Hand it on."""
        self.loop.accept(policy, dict(body.get("status") or {}))
        self.scheduler.policies[policy.key] = policy
        self.scheduler.add(policy)

    def refused(self, _: Body, error: SpecError) -> None:
        """None is."""
        raise error

    def removed(self, key: PolicyKey) -> None:
        """None is."""

    def escaped(self, _: str, error: BaseException) -> None:
        """Nothing does."""
        raise error


class Renewals(FakeCluster):
    """The Lease, and the longest time between two renewals."""

    longest = 0.0
    last = 0.0

    def perform(self, write: Any, effect: Any) -> Body:  # noqa: ANN401 — handed on
        now = time.monotonic()
        self.longest, self.last = max(self.longest, now - self.last if self.last else 0.0), now
        return FakeCluster.perform(self, write, effect)


def reload(policies: int) -> dict[str, float]:
    """How long it takes, the longest turn of the event loop, and between two renewals of the Lease."""
    return asyncio.run(_reload(policies))


async def _reload(policies: int) -> dict[str, float]:
    clock = RealClock(datetime.now(UTC))
    cluster, seen = Servers(now=clock.now), Seen()
    loop = a_reconciler(cluster, Canned(clock.now), clock)
    feeding = Feeding(loop)
    store = PolicyStore(Catalog({}, ["default"]), feeding)
    for number in range(policies):
        seen.put(cluster.put(deployment(number)))
    await store.replace([policy_body(number) for number in range(policies)])
    for policy in store.policies.values():
        key = (policy.key, TargetKey(policy.key.namespace, WorkloadKind.DEPLOYMENT, policy.key.name))
        loop.cases[key] = Case(*key)
    lease = Renewals()
    leadership = Leadership(lease, Ref(LEASES, "salus", "salus"), "me", clock)
    electing, turns = asyncio.create_task(leadership.run()), [0.0]
    leadership.begin(await leadership.next_term())
    watching = asyncio.create_task(_turns(turns))
    await asyncio.sleep(0)
    started = time.monotonic()
    await store.use(Catalog({}, ["default", "another"]))
    seconds = time.monotonic() - started
    led = leadership.leads
    longest = max(lease.longest, time.monotonic() - lease.last)
    for task in (electing, watching):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    if not led:
        raise SystemExit("the lease was lost")
    return {"seconds": seconds, "longest_turn": turns[0], "longest_renewal": longest}


async def _turns(longest: list[float]) -> None:
    """Take a turn again and again, and note the longest wait for one."""
    while True:
        began = time.monotonic()
        await asyncio.sleep(0)
        longest[0] = max(longest[0], time.monotonic() - began)
