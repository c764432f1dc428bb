"""The store of records: under the fake's watches and under real ones the same is known, and real ones survive."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from salus.adapters.api import Connection
from salus.adapters.cluster import ApiCluster
from salus.adapters.informer import Patience, Watches, record_watches
from salus.core.records.names import TARGET_LABEL, change_name, target_id
from salus.model.meta import WorkloadKind
from salus.model.values.keys import PolicyKey, TargetKey
from salus.ports import CHANGE_EVENTS, INCIDENTS, Cluster, Ref
from salus.reconcile.records.store import RecordStore
from tests.contract.conftest import Proxy, eventually
from tests.contract.test_informer import running
from tests.fakes.cluster import SPECIMENS, FakeCluster
from tests.fakes.records import WatchedStore

IMPATIENT = Patience(first_pause=timedelta(milliseconds=10), longest_pause=timedelta(milliseconds=50))


def target(namespace: str) -> TargetKey:
    return TargetKey(namespace, WorkloadKind.DEPLOYMENT, "web")


def change(namespace: str, sequence: int) -> dict[str, Any]:
    """A refusal."""
    key = target(namespace)
    return {
        "kind": "ChangeEvent",
        "metadata": {
            "namespace": namespace,
            "name": change_name(key, sequence),
            "labels": {TARGET_LABEL: target_id(key)},
        },
        "spec": {
            "decision": "Refuse",
            "action": "Restart",
            "reason": "CooldownActive",
            "message": "not yet",
            "policyRef": {"name": "web", "uid": "p", "generation": 1},
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "w"},
            "remedy": "restart",
            "sequence": sequence,
            "decidedAt": "2026-11-30T12:00:00Z",
        },
    }


def incident(namespace: str, number: int) -> dict[str, Any]:
    key = target(namespace)
    return {
        "kind": "Incident",
        "metadata": {
            "namespace": namespace,
            "name": f"web-0a1b2c3d-{number}",
            "labels": {TARGET_LABEL: target_id(key)},
        },
        "spec": {
            "policyRef": {"name": "web", "uid": "p", "generation": 1},
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "w"},
            "openedAt": "2026-11-30T12:00:00Z",
            "severity": "warning",
        },
    }


def known(store: RecordStore, namespace: str) -> list[tuple[int, int]]:
    return [(one.sequence, one.occurrences) for one in store.changes_of(target(namespace))]


def open_ones(store: RecordStore, namespace: str) -> list[str]:
    """Those of the namespace; the one of a policy and target is the newest of them."""
    found = sorted(body["metadata"]["name"] for body in store.all_open(namespace))
    newest = store.open_incident(PolicyKey(namespace, "web"), target(namespace))
    assert (newest["metadata"]["name"] if newest else None) == (found[-1] if found else None)
    return found


class RecordsContract:
    """What every watched store knows."""

    async def test_what_others_write_is_seen(self, cluster: Cluster, store: RecordStore, namespace: str) -> None:
        await cluster.create(CHANGE_EVENTS, change(namespace, 1))
        await cluster.update_status(
            Ref(CHANGE_EVENTS, namespace, change_name(target(namespace), 1)), {"occurrences": 4}
        )
        await cluster.create(INCIDENTS, incident(namespace, 1))
        await cluster.create(INCIDENTS, incident(namespace, 2))
        await cluster.update_status(Ref(INCIDENTS, namespace, "web-0a1b2c3d-2"), {"phase": "Resolved"})

        await eventually(lambda: known(store, namespace) == [(1, 4)])
        await eventually(lambda: store.last_incident_number(namespace, "web-0a1b2c3d-") == 2)
        await eventually(lambda: open_ones(store, namespace) == ["web-0a1b2c3d-1"])

        assert store.newest_sequence(target(namespace)) == 1

    async def test_a_deletion_is_seen_and_another_of_the_name_is_another(
        self, cluster: Cluster, store: RecordStore, namespace: str
    ) -> None:
        ref = Ref(CHANGE_EVENTS, namespace, change_name(target(namespace), 1))
        await cluster.create(CHANGE_EVENTS, change(namespace, 1))
        await eventually(lambda: known(store, namespace) == [(1, 1)])

        await cluster.delete(ref)
        store.note(await cluster.create(CHANGE_EVENTS, change(namespace, 1)))
        await cluster.create(CHANGE_EVENTS, change(namespace, 2))

        await eventually(lambda: known(store, namespace) == [(1, 1), (2, 1)])
        await cluster.delete(ref)
        await eventually(lambda: known(store, namespace) == [(2, 1)])

    async def test_a_refresh_knows_at_once_what_is_there(
        self, cluster: Cluster, store: RecordStore, namespace: str
    ) -> None:
        ref = Ref(CHANGE_EVENTS, namespace, change_name(target(namespace), 1))
        await cluster.create(CHANGE_EVENTS, change(namespace, 1))
        await cluster.create(CHANGE_EVENTS, change(namespace, 2))
        await cluster.create(INCIDENTS, incident(namespace, 1))
        await store.refresh(target(namespace))
        assert (known(store, namespace), open_ones(store, namespace)) == ([(1, 1), (2, 1)], ["web-0a1b2c3d-1"])

        await cluster.delete(ref)
        await store.refresh(target(namespace))

        assert known(store, namespace) == [(2, 1)]


class TestFakeRecords(RecordsContract):
    """The contract over the fake."""

    @pytest.fixture
    def cluster(self) -> FakeCluster:
        return FakeCluster(rights=SPECIMENS)

    @pytest.fixture
    def store(self, cluster: FakeCluster) -> WatchedStore:
        return WatchedStore(cluster)

    @pytest.fixture
    def namespace(self) -> str:
        return "shop"


@pytest.mark.usefixtures("our_kinds")
class TestRecords(RecordsContract):
    """The contract over real watches, and what becomes of them when the network fails."""

    @pytest.fixture
    def cluster(self, connection: Connection) -> ApiCluster:
        return ApiCluster(connection, rights=SPECIMENS)

    @pytest.fixture
    def store(self, cluster: ApiCluster) -> RecordStore:
        return RecordStore(cluster)

    @pytest.fixture(autouse=True)
    async def watches(self, proxied: Connection, store: RecordStore) -> AsyncIterator[Watches]:
        watches = record_watches(proxied, store, patience=IMPATIENT)
        async with running(watches):
            await watches.wait_synced()
            yield watches

    async def test_a_cut_connection_is_taken_up_again(
        self, cluster: ApiCluster, store: RecordStore, watches: Watches, proxy: Proxy, namespace: str
    ) -> None:
        """Own writes are known while there is none, and what happened meanwhile is seen after."""
        ref = Ref(CHANGE_EVENTS, namespace, change_name(target(namespace), 1))
        await cluster.create(CHANGE_EVENTS, change(namespace, 1))
        await eventually(lambda: known(store, namespace) == [(1, 1)])
        accepted = proxy.accepted

        proxy.down = True
        proxy.cut()
        await cluster.delete(ref)
        await cluster.create(CHANGE_EVENTS, change(namespace, 2))
        store.note(await cluster.create(CHANGE_EVENTS, change(namespace, 3)))
        await eventually(lambda: proxy.accepted >= accepted + 8)
        assert known(store, namespace) == [(1, 1), (3, 1)]
        proxy.down = False

        await eventually(lambda: known(store, namespace) == [(2, 1), (3, 1)])
        assert watches.synced
        assert store.is_current()

    async def test_all_is_listed_anew_before_a_term_begins(
        self, cluster: ApiCluster, store: RecordStore, proxy: Proxy, namespace: str
    ) -> None:
        """Whatever the watches have seen."""
        proxy.down = True
        proxy.cut()
        await cluster.create(CHANGE_EVENTS, change(namespace, 1))
        await cluster.create(INCIDENTS, incident(namespace, 1))
        assert known(store, namespace) == []

        await store.renew((namespace,))

        assert (known(store, namespace), open_ones(store, namespace)) == ([(1, 1)], ["web-0a1b2c3d-1"])
        proxy.down = False
