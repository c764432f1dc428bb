"""Whom the contract is held against: what the real API server does, a rehearsal does, which unit tests trust."""

from datetime import UTC, datetime

import pytest

from salus.adapters.api import Connection
from salus.adapters.cluster import ApiCluster
from salus.rehearsal.cluster import RehearsalCluster
from tests.fakes.cluster import SPECIMENS


class InRehearsal:
    """A contract held against the cluster of values."""

    @pytest.fixture
    def cluster(self) -> RehearsalCluster:
        return RehearsalCluster(lambda: datetime.now(UTC), SPECIMENS)

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
