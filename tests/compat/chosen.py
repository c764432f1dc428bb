"""A plugin for pytest: only tests that ask a server, and nothing that only Prometheus has."""

import pytest

_ASK = {"server", "kept", "prometheus", "rig"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what asks no server."""
    asking = [item for item in items if _asks(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in asking])
    items[:] = asking


def _asks(item: pytest.Item) -> bool:
    names, played = set(getattr(item, "fixturenames", ())), getattr(item, "callspec", None)
    if played is not None and "fake" in played.params.values():
        return False
    return bool(names & _ASK)
