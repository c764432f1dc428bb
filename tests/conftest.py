"""Fixtures that more than one folder of tests uses."""

import contextlib
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from tools.devcluster import sandbox
from tools.devcluster.cluster import DevCluster
from tools.devcluster.namespaces import fresh_namespace
from tools.devcluster.programs import TIERS, ProgramMissingError, find
from tools.devcluster.progress import say_on_stderr

settings.register_profile("salus", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("salus")
structlog.configure(  # by default a traceback is a picture by Rich, which takes a second to paint
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
    ]
)

_NEEDS = {"devcluster": "cluster", "chart_tools": "chart"}
"""Fixture → tier whose programs it needs."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Find or build the cluster's programs before the first test, where a build shows its progress and has no timeout.

    In the sandbox there is no network to fetch anything from, and who entered it has fetched before.
    """
    used = {fixture for item in session.items for fixture in _fixtures(item)}
    wanted = [program for fixture, tier in _NEEDS.items() if fixture in used for program in TIERS[tier]]
    if not wanted or session.config.option.collectonly or sandbox.inside():
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    # The fixture fails with the same error, and tests that need no cluster still run.
    with capture.global_and_fixture_disabled(), contextlib.suppress(ProgramMissingError):
        find(wanted, say_on_stderr())


def _fixtures(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])


@pytest.fixture(scope="session")
def devcluster() -> Iterator[DevCluster]:
    """A control plane with kwok nodes and Prometheus, one for the whole session."""
    with DevCluster() as cluster:
        yield cluster


@pytest.fixture
def namespace(devcluster: DevCluster) -> Iterator[str]:
    """Return a fresh namespace in which pods can be created."""
    with fresh_namespace(devcluster) as name:
        yield name
