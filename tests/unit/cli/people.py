"""Somebody in front of a cluster of values, for tests of commands."""

from typing import Any

from salus.adapters.api import Connection
from salus.cli.person import Person
from salus.ports import Cluster
from tests.unit.stage import NAMESPACE


def person(cluster: Cluster, namespace: str | None = NAMESPACE) -> Person:
    """They may do what the cluster lets them; nobody asks who they are."""
    nobody: Any = None
    connection: Connection = nobody
    return Person(cluster, "prod-eu", namespace, connection)
