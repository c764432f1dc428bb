"""Whom the contract is held against: what holds for the real API server holds for the fake, which unit tests trust."""

import pytest

from salus.adapters.api import Connection
from salus.adapters.cluster import ApiCluster
from tests.fakes.cluster import SPECIMENS, FakeCluster


class OnFake:
    """A contract held against the fake."""

    @pytest.fixture
    def cluster(self) -> FakeCluster:
        return FakeCluster(rights=SPECIMENS)

    @pytest.fixture
    def namespace(self) -> str:
        return "shop"


class OnServer:
    """A contract held against the real API server."""

    connection: Connection

    @pytest.fixture
    def cluster(self, connection: Connection, our_kinds: None, keda: None) -> ApiCluster:  # noqa: ARG002 - served
        self.connection = connection
        return ApiCluster(connection, rights=SPECIMENS)
