"""The port `Accounts`: what an account may do, on the real API server and on the fake; and what dry-run makes of it."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable

import pytest

from salus.adapters.api import Connection, Login
from salus.adapters.cluster import ApiCluster
from salus.adapters.dry_run import DryRunAccounts
from salus.adapters.workload_writes import ApiAccounts
from salus.ports import (
    CHANGE_EVENTS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    PODS,
    SERVICE_ACCOUNTS,
    Accounts,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Ref,
    Rejected,
    right,
)
from tests.contract.cluster_port.objects import deployment
from tests.contract.conftest import USER
from tests.fakes.cluster import FakeAccounts, FakeCluster
from tools.devcluster.cluster import DevCluster

PATCH = right("patch", DEPLOYMENTS)
SCALED = [{"op": "replace", "path": "/spec/replicas", "value": 1}]
HEALER = "healer"
"""The account that may patch Deployments."""


class AccountsContract:
    """What every implementation of the port does, of an account that has the rights and is lent."""

    async def test_an_account_writes_as_itself(self, accounts: Accounts, namespace: str) -> None:
        ref = Ref(DEPLOYMENTS, namespace, "web")

        after = await accounts.of(namespace, HEALER).patch(ref, SCALED)

        assert after["spec"]["replicas"] == 1
        assert (await accounts.of(namespace, HEALER).get(ref))["spec"]["replicas"] == 1

    async def test_a_patch_whose_test_fails_is_invalid(self, accounts: Accounts, namespace: str) -> None:
        with pytest.raises(Invalid) as caught:
            await accounts.of(namespace, HEALER).patch(
                Ref(DEPLOYMENTS, namespace, "web"), [{"op": "test", "path": "/metadata/uid", "value": "other"}]
            )

        assert caught.value.causes == ()

    async def test_it_knows_what_it_may(self, accounts: Accounts, namespace: str) -> None:
        account = accounts.of(namespace, HEALER)

        assert await account.exists()
        assert await account.may_impersonate()
        assert await account.may(PATCH)
        assert await account.may(PATCH, "web")
        assert not await account.may(right("delete", PODS))

    async def test_what_it_may_not_it_cannot(self, accounts: Accounts, namespace: str) -> None:
        with pytest.raises(Forbidden):
            await accounts.of(namespace, HEALER).delete(Ref(PODS, namespace, "web-0"))

    async def test_it_stays_in_its_namespace(self, accounts: Accounts, namespace: str) -> None:
        """Even where its rights reach further: a policy speaks of its own namespace."""
        other = Ref(DEPLOYMENTS, "default", "web")
        account = accounts.of(namespace, HEALER)
        for ask in (account.get(other), account.patch(other, SCALED), account.delete(Ref(PODS, "default", "web-0"))):
            with pytest.raises(Forbidden, match=namespace):
                await ask

    @pytest.mark.parametrize(
        "ref",
        [
            pytest.param(Ref(CONTROLLER_REVISIONS, "", "kept"), id="a kept release"),
            pytest.param(Ref(CHANGE_EVENTS, "", "web-12345678-1"), id="a record"),
            pytest.param(Ref(SERVICE_ACCOUNTS, "", "default"), id="an account"),
        ],
    )
    async def test_it_is_asked_for_remedies_only(self, accounts: Accounts, namespace: str, ref: Ref) -> None:
        here = Ref(ref.resource, namespace, ref.name)
        account = accounts.of(namespace, HEALER)
        for ask in (account.patch(here, []), account.delete(here), account.get(here)):
            with pytest.raises(Forbidden):
                await ask

    @pytest.mark.parametrize(
        ("space", "name"),
        [
            pytest.param("", "../../kube-system/serviceaccounts/root", id="a way up"),
            pytest.param("", "a\r\nImpersonate-Group: system:masters", id="another header"),
            pytest.param("", "default:x", id="a user of another sort"),
            pytest.param("", "", id="nothing"),
            pytest.param("shop/../kube-system", "default", id="a namespace that climbs"),
            pytest.param("kube-system:root", "x", id="a namespace that holds an account"),
        ],
    )
    def test_a_name_that_is_none_is_refused_at_once(
        self, accounts: Accounts, namespace: str, space: str, name: str
    ) -> None:
        with pytest.raises(Invalid):
            accounts.of(space or namespace, name)


class TestFakeAccounts(AccountsContract):
    @pytest.fixture
    def namespace(self) -> str:
        return "shop"

    @pytest.fixture
    def accounts(self, namespace: str) -> FakeAccounts:
        cluster = FakeCluster()
        cluster.put(deployment(namespace))
        return FakeAccounts(cluster, denied={(namespace, HEALER, right("delete", PODS))})

    async def test_its_writes_name_the_account(self, accounts: FakeAccounts, namespace: str) -> None:
        await accounts.of(namespace, HEALER).patch(Ref(DEPLOYMENTS, namespace, "web"), SCALED)

        assert [write.act_as for write in accounts.cluster.writes] == [f"system:serviceaccount:{namespace}:{HEALER}"]


class TestApiAccounts(AccountsContract):
    @pytest.fixture
    async def accounts(self, connection: Connection, devcluster: DevCluster, namespace: str) -> ApiAccounts:
        """The account is there, with a Role for Deployments; USER may act as anyone."""
        kubectl = devcluster.kubectl
        kubectl("-n", namespace, "create", "deployment", "web", "--image=web:1", "--replicas=0")
        kubectl("-n", namespace, "create", "serviceaccount", HEALER)
        kubectl("-n", namespace, "create", "role", "r", "--verb=get,patch", "--resource=deployments.apps")
        kubectl("-n", namespace, "create", "rolebinding", "r", "--role=r", f"--serviceaccount={namespace}:{HEALER}")
        accounts = ApiAccounts(connection)
        await _until(lambda: accounts.of(namespace, HEALER).may(PATCH))
        return accounts

    async def test_the_audit_log_has_both_names(
        self, accounts: ApiAccounts, devcluster: DevCluster, namespace: str
    ) -> None:
        await accounts.of(namespace, HEALER).patch(Ref(DEPLOYMENTS, namespace, "web"), SCALED)

        event = devcluster.audit.wait_for(
            lambda event: (event.namespace, event.verb, event.resource) == (namespace, "patch", "deployments"),
            what="the patch",
        )
        assert (event.user, event.impersonated) == (USER, f"system:serviceaccount:{namespace}:{HEALER}")
        assert event.field_manager == "salus"

    async def test_an_account_that_is_not_there(self, accounts: ApiAccounts, namespace: str) -> None:
        assert not await accounts.of(namespace, "nobody").exists()

    async def test_a_right_may_be_given_by_name(
        self, accounts: ApiAccounts, devcluster: DevCluster, namespace: str
    ) -> None:
        kubectl, other = devcluster.kubectl, f"{namespace}:narrow"
        kubectl("-n", namespace, "create", "serviceaccount", "narrow")
        kubectl(
            *("-n", namespace, "create", "role", "n"),
            *("--verb=patch", "--resource=deployments.apps", "--resource-name=web"),
        )
        kubectl("-n", namespace, "create", "rolebinding", "n", "--role=n", f"--serviceaccount={other}")
        account = accounts.of(namespace, "narrow")

        await _until(lambda: account.may(PATCH, "web"))
        assert not await account.may(PATCH)
        assert not await account.may(PATCH, "other")

    async def test_an_account_that_is_not_lent_cannot_be_used(self, devcluster: DevCluster, namespace: str) -> None:
        """Somebody whom no RoleBinding lets impersonate: told so, and refused."""
        name = f"stranger-{uuid.uuid4().hex[:6]}"
        async with await Connection.open(Login(devcluster.kubeconfig_for(name))) as connection:
            accounts = ApiAccounts(connection)
            account = accounts.of(namespace, "default")

            assert await accounts.me() == name
            assert not await account.may_impersonate()
            with pytest.raises(Forbidden, match="impersonate"):
                await account.may(PATCH)
            with pytest.raises(Forbidden, match="impersonate"):
                await account.patch(Ref(DEPLOYMENTS, namespace, "web"), SCALED)

    async def test_the_fence_stands_before_every_write(self, connection: Connection, namespace: str) -> None:
        def fence() -> None:
            raise Rejected("the lease is another's")

        account = ApiAccounts(connection, fence).of(namespace, "default")
        for write in (account.patch(Ref(DEPLOYMENTS, namespace, "web"), []), account.delete(Ref(PODS, namespace, "x"))):
            with pytest.raises(Rejected, match="the lease is another's"):
                await write


class TestDryRunAccounts:
    """Nothing is written, and the answers are the server's."""

    async def test_on_the_api_server_no_workload_is_written(
        self, connection: Connection, devcluster: DevCluster, namespace: str
    ) -> None:
        devcluster.kubectl("-n", namespace, "create", "deployment", "web", "--image=web:1", "--replicas=0")
        cluster, ref = ApiCluster(connection), Ref(DEPLOYMENTS, namespace, "web")
        account = DryRunAccounts(ApiAccounts(connection), cluster).of(namespace, "default")

        after = await account.patch(ref, SCALED)
        await account.delete(ref)

        assert after["spec"]["replicas"] == 1
        assert (await cluster.get(ref))["spec"]["replicas"] == 0
        assert devcluster.audit.writes(user=USER, namespace=namespace) == []

    async def test_it_refuses_what_the_server_would(self) -> None:
        fake = FakeCluster()
        fake.put(deployment("shop"))
        account = DryRunAccounts(FakeAccounts(fake), fake).of("shop", "default")
        ref, none = Ref(DEPLOYMENTS, "shop", "web"), Ref(DEPLOYMENTS, "shop", "none")

        with pytest.raises(Invalid):
            await account.patch(ref, [{"op": "test", "path": "/metadata/uid", "value": "other"}])
        with pytest.raises(Conflict):
            await account.delete(ref, uid="other")
        for missing in (account.patch(none, []), account.delete(none), account.get(none)):
            with pytest.raises(NotFound):
                await missing
        assert not fake.writes

    async def test_what_an_account_may_do_is_asked_in_earnest(self) -> None:
        fake = FakeAccounts(FakeCluster(), missing={("shop", "a")}, kept={("shop", "b")})
        accounts = DryRunAccounts(fake, fake.cluster)

        assert not await accounts.of("shop", "a").exists()
        assert not await accounts.of("shop", "b").may_impersonate()
        assert await accounts.of("shop", "c").may(PATCH)
        assert await accounts.me() == "salus"


async def _until(ask: Callable[[], Awaitable[bool]]) -> None:
    """Ask until the authorizer has seen the new Role."""
    async with asyncio.timeout(10):
        while not await ask():  # noqa: ASYNC110 - what is waited for has no event to wait on
            await asyncio.sleep(0.05)
