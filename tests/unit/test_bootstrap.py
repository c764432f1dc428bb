"""How the parts of a running Salus are put together, as far as that can be seen without a cluster."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from salus.adapters.api import Connection, Page
from salus.adapters.informer import Informer, Watches, record_watches
from salus.adapters.lease import Leadership
from salus.bootstrap import Operator, Readiness, RunOptions, Server
from salus.core.leadership import Timing
from salus.core.policy.compile import Catalog, compile_policy
from salus.model.scalars import API_VERSION, Body
from salus.model.values.metrics import Error, Rule
from salus.model.values.policies import Policy
from salus.ports import HEALTH_POLICIES, LEASES, Forbidden, Ref, Unavailable, right
from salus.rehearsal.ports import VirtualClock
from salus.scheduler import FIRST_TICKS, SLOT
from salus.settings import Settings, SettingsError
from tests.builders import NOW, a_policy, a_policy_body
from tests.fakes.cluster import SPECIMENS, FakeAccounts, FakeCluster
from tests.fakes.records import WatchedStore
from tests.unit.jumping import JumpingLoop
from tests.unit.stage import MortalCluster

HOSTILE = Path(__file__).with_name("data") / "hostile"


def a_server(cluster: FakeCluster | None = None) -> Server:
    """A cluster, of which nothing was seen by a watch of workloads."""
    nowhere, cluster = cast("Connection", SimpleNamespace()), cluster or FakeCluster()
    records = WatchedStore(cluster)
    watches = record_watches(nowhere, records)
    return Server(cluster, FakeAccounts(cluster), Informer(nowhere), records, watches)


def an_operator(server: Server | None = None) -> Operator:
    """Salus without an election, which nobody has started yet."""
    return Operator(RunOptions(Path("none")), Settings(), server or a_server())


@dataclass
class SlowInformer:
    """Workloads whose first list takes so many seconds."""

    seconds: float

    async def wait_synced(self) -> None:
        await asyncio.sleep(self.seconds)


@dataclass
class Ticks:
    """A loop that only remembers when it was called."""

    at: list[float] = field(default_factory=list)

    async def tick(self, _due: Sequence[Policy], _late: float) -> None:
        self.at.append(asyncio.get_running_loop().time())


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(0, id="the workloads are known at once"),
        pytest.param(2, id="they are known after a policy was due"),
        pytest.param(70, id="the API server is slow"),
    ],
)
def test_policies_are_looked_at_soon_after_the_workloads_are_known_and_not_all_at_once(seconds: float) -> None:
    """Those that are due once an hour would else be looked at an hour later: their first tick came to nothing."""
    ticks = Ticks()

    async def main() -> float:
        slow, at_once = cast("Informer", SlowInformer(seconds)), cast("Watches", SlowInformer(0))
        operator = an_operator(replace(a_server(), workloads=slow, record_watches=at_once))
        operator.scheduler.tick = ticks.tick
        for policy in (a_policy(name="early", uid="z", interval="1h"), a_policy(name="late", uid="a", interval="1h")):
            operator.store.policies[policy.key] = policy
            operator.scheduler.add(policy)
        began = asyncio.get_running_loop().time()
        working = asyncio.create_task(operator.schedule())
        await asyncio.sleep(100)
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        return began

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        began = runner.run(main())

    early, late = ticks.at
    assert began + seconds <= early < late <= began + seconds + FIRST_TICKS + SLOT


async def test_a_reload_ties_presets_to_the_exporters_that_are_named_now() -> None:
    """Of every policy in use, without a new generation of it."""
    operator = an_operator()
    operator.store.put(a_policy_body(checks=[{"name": "c", "preset": "Unavailable"}]))
    source = {"url": "http://127.0.0.1:9"}
    seen = []
    for exporters in ({}, {"kube-state-metrics": {"job": "first"}}, {"kube-state-metrics": {"job": "second"}}):
        await operator.use(Settings.parse({"sources": {"default": {**source, "exporters": exporters}}}))
        (policy,) = operator.store.policies.values()
        (check,) = policy.checks
        seen.append([name for name in ("first", "second") if f'job="{name}"' in check.template])
    await operator.metrics.close()

    assert seen == [[], ["first"], ["second"]]


@dataclass
class Told:
    """A RuleBook of one answer after the other."""

    answers: list[Sequence[Rule] | Error]
    names: frozenset[str] = frozenset({"default"})
    asked: list[str] = field(default_factory=list)

    async def rules(self, source: str) -> Sequence[Rule] | Error:
        self.asked.append(source)
        return self.answers.pop(0)


async def test_what_a_source_told_of_its_rules_stays_where_it_tells_nothing_more() -> None:
    """Case 07: only the sources that policies name are asked, and a failure is no harm."""
    operator = an_operator()
    operator.store.catalog = Catalog({}, ("default", "other"))
    operator.store.put(a_policy_body(checks=[{"name": "c", "alert": {"name": "Down"}}]))
    rule = Rule("Down", "rate(errors[1h]) > 1", alert=True)
    book = Told([Error("HttpError", "404"), [rule], Error("Timeout", "late"), []], frozenset({"default", "other"}))
    operator.metrics = cast("Any", book)
    seen = []
    for _ in range(4):
        await operator.learn_rules()
        (policy,) = operator.store.policies.values()
        seen.append((policy.checks[0].window, bool(policy.checks[0].hidden)))

    unknown, told = (timedelta(0), True), (timedelta(hours=1), False)
    assert seen == [unknown, told, told, unknown]
    assert book.asked == ["default"] * 4


class Panic(BaseException):
    """As pyo3 raises them: no Exception."""


@pytest.mark.parametrize("escapes", [False, True], ids=["as it is", "and Salus fails at it as nobody thought of"])
async def test_a_policy_that_stopped_salus_does_not_keep_it_from_starting(
    escapes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a start, nor a term, nor another configuration; its author is told, and it is counted."""
    cluster = FakeCluster()
    pill = yaml.safe_load((HOSTILE / "pill.yaml").read_text(encoding="utf-8"))
    for body in (a_policy_body(name="a"), pill, a_policy_body(name="z")):
        cluster.put({"apiVersion": API_VERSION, "kind": "HealthPolicy", **body})

    def compile_or_panic(body: Body, catalog: Catalog) -> Policy:
        if escapes and body["metadata"]["name"] == "pill":
            raise Panic
        return compile_policy(body, catalog)

    monkeypatch.setattr("salus.store.compile_policy", compile_or_panic)
    operator = an_operator(a_server(cluster))
    settings = Settings.parse({"sources": {"default": {"url": "http://prometheus.example"}}})

    await operator.use(settings)
    assert await operator.policies_are_there(asyncio.create_task(asyncio.sleep(60)))
    await operator.use(Settings.parse({**settings.to_dict(), "cluster": "other", "sinks": {}}))
    await operator.take_up(cast("Leadership", SimpleNamespace(begin=lambda _: True)), 1)
    await asyncio.gather(*operator.under_way)
    await operator.metrics.close()

    assert [key.name for key in operator.store.policies] == ["a", "z"]
    (stored,) = (body for body in cluster.objects(HEALTH_POLICIES) if body["metadata"]["name"] == "pill")
    (stalled,) = (one for one in stored["status"]["conditions"] if one["type"] == "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "InternalError" if escapes else "InvalidSpec")
    counted = operator.telemetry.registry.get_sample_value("salus_errors_total", {"stage": "compile"})
    assert (counted or 0) == (3 if escapes else 0)


@pytest.mark.parametrize(
    "error",
    [SettingsError("no"), OverflowError("nobody thought of it"), Panic()],
    ids=lambda error: type(error).__name__,
)
async def test_no_configuration_that_cannot_be_used_ends_what_runs_with_the_one_before(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outcomes() -> Iterator[BaseException | Settings]:
        yield error
        yield Settings(cluster="mended")
        yield asyncio.CancelledError()

    def read(_: Path) -> Settings:
        outcome = next(read_so_far)
        if isinstance(outcome, Settings):
            return outcome
        raise outcome

    read_so_far, stamps = outcomes(), count()
    monkeypatch.setattr("salus.bootstrap.read_settings", read)
    monkeypatch.setattr("salus.bootstrap.stamp_of", lambda _: next(stamps))
    monkeypatch.setattr("salus.bootstrap.RELOAD_EVERY", timedelta(0))
    operator = an_operator()

    with suppress(asyncio.CancelledError):
        await operator.follow_configuration()
    await operator.metrics.close()

    assert operator.settings.cluster == "mended"
    assert operator.telemetry.registry.get_sample_value("salus_errors_total", {"stage": "configuration"}) == 1


async def test_a_namespace_whose_policies_may_not_be_listed_holds_up_no_other() -> None:
    """Neither a start nor a later list; and its own policies are not taken for deleted."""
    cluster = FakeCluster(closed={"gone"})
    operator = Operator(RunOptions(Path("none"), namespaces=("gone", "shop")), Settings(), a_server(cluster))
    theirs = a_policy_body(name="theirs")
    operator.store.put({**theirs, "metadata": {**theirs["metadata"], "namespace": "gone"}})
    operator.store.put(a_policy_body(name="old"))
    cluster.put({"apiVersion": API_VERSION, "kind": "HealthPolicy", **a_policy_body(name="new")})

    await operator.heal_store()
    await asyncio.gather(*operator.under_way)

    assert sorted(map(str, operator.store.keys())) == ["gone/theirs", "shop/new"]


async def informed(*namespaces: str) -> Informer:
    """After the first answers of the API server, which forbids all in `gone` and has nothing elsewhere."""

    async def pages(path: str, _: Mapping[str, str]) -> AsyncIterator[Page]:
        if "/gone/" in path:
            raise Forbidden("deployments.apps is forbidden")
        yield Page([], "1", 2)

    async def watch(*_: object) -> AsyncIterator[Body]:
        for event in silence:
            yield event
        raise Unavailable("the watch ended")

    silence: list[Body] = []
    connection = cast("Connection", SimpleNamespace(pages=pages, watch=watch))
    informer = Informer(connection, namespaces)
    following = asyncio.create_task(informer.run())
    await asyncio.wait_for(informer.wait_synced(), 5)
    following.cancel()
    return informer


async def test_a_namespace_whose_workloads_may_not_be_listed_holds_up_no_other() -> None:
    """Ticks begin; and what is not known is not taken for absent."""
    assert not (await informed("gone", "shop")).synced


@pytest.mark.parametrize(
    ("namespaces", "says"),
    [
        pytest.param(["gone", "shop"], None, id="one of two forbids"),
        pytest.param(["gone"], "the workloads are not listed yet", id="the only one forbids"),
        pytest.param(["shop"], None, id="none forbids"),
    ],
)
async def test_a_namespace_that_forbids_keeps_no_other_from_being_ready(
    namespaces: list[str], says: str | None
) -> None:
    listed = readiness(a_server().workloads)

    assert listed.lacks() == "the workloads are not listed yet", "not before the first answers"
    assert readiness(await informed(*namespaces)).lacks() == says


def readiness(watches: Watches) -> Readiness:
    """Of a process that knows and watches the policies."""
    ready = Readiness(watches, watches)
    ready.listed.set()
    ready.watched.set()
    return ready


def test_a_reload_of_the_sources_compiles_in_pieces_and_keeps_the_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute of compiling, six times what a holder may take to renew."""
    policies, each = 600, 0.1
    written: list[float] = []
    renewed: list[float] = []

    async def main() -> bool:
        reconciler = asyncio.get_running_loop()
        assert isinstance(reconciler, JumpingLoop)
        cluster = MortalCluster(
            rights=SPECIMENS | {right(verb, LEASES) for verb in ("create", "patch")},
            on_write=lambda _: written.append(reconciler.time()),
        )
        leadership = Leadership(
            cluster, Ref(LEASES, "salus", "salus"), "me", VirtualClock(NOW), passing=reconciler.time
        )
        operator = Operator(RunOptions(Path("none")), Settings(), a_server(), leadership)
        before, after = (Settings.parse({"sources": {"default": {"url": f"http://{name}"}}}) for name in ("a", "b"))
        await operator.use(before)
        for number in range(policies):
            operator.store.put(a_policy_body(name=f"p-{number}"))
        election = asyncio.create_task(leadership.run())
        leadership.begin(await leadership.next_term())

        def compile_slowly(body: Body, catalog: Catalog) -> Policy:
            reconciler.clock.now += each
            renewed.append(written[-1])
            return compile_policy(body, catalog)

        monkeypatch.setattr("salus.store.compile_policy", compile_slowly)
        await operator.use(after)
        leads = leadership.leads
        election.cancel()
        await operator.metrics.close()
        return leads and len(operator.store.policies) == policies

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        assert runner.run(main())
    assert len(renewed) == policies
    assert max(later - before for before, later in pairwise(renewed)) <= Timing().retry.total_seconds() + 3 * each
