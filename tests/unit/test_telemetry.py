"""Own metrics and probes, read over HTTP as Prometheus and a kubelet do."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from salus.adapters.exposition import Probes, TelemetryServer
from salus.adapters.telemetry import PrometheusTelemetry
from salus.model.change import ActionKind


class Health:
    """What the probes say."""

    dead: str | None = None
    unready: str | None = "waiting for the first list"
    role: str = "ok"


@pytest.fixture
def telemetry() -> PrometheusTelemetry:
    return PrometheusTelemetry()


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
async def url(telemetry: PrometheusTelemetry, health: Health) -> AsyncIterator[str]:
    probes = Probes(alive=lambda: health.dead, ready=lambda: health.unready, role=lambda: health.role)
    server = TelemetryServer(telemetry.registry, probes)
    port = await server.start("127.0.0.1", 0)
    yield f"http://127.0.0.1:{port}"
    await server.stop()


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_everything_that_is_told_is_counted(telemetry: PrometheusTelemetry, url: str) -> None:
    """By name and label, as dashboards will ask for it."""
    telemetry.evaluated("Unhealthy")
    telemetry.decided("Refuse", ActionKind.RESTART, "CooldownActive")
    telemetry.finished(ActionKind.SCALE, "Recovered")
    telemetry.ticked(lag=0.02, duration=0.3, targets=7)
    telemetry.ticked(lag=0.02, duration=0.3, targets=2)
    telemetry.failed("plan")
    telemetry.collected("Incident")
    telemetry.queried(0.004, "Value")
    telemetry.watch("deployments", lambda: 12.5)

    status, text = await get(f"{url}/metrics")

    assert status == 200
    for line in (
        'salus_evaluations_total{verdict="Unhealthy"} 1.0',
        'salus_decisions_total{action="Restart",decision="Refuse",reason="CooldownActive"} 1.0',
        'salus_changes_finished_total{action="Scale",outcome="Recovered"} 1.0',
        'salus_tick_lag_seconds_bucket{le="0.025"} 2.0',
        'salus_tick_duration_seconds_bucket{le="0.25"} 0.0',
        "salus_targets_judged_total 9.0",
        'salus_errors_total{stage="plan"} 1.0',
        'salus_records_collected_total{kind="Incident"} 1.0',
        'salus_query_duration_seconds_bucket{le="0.005",outcome="Value"} 1.0',
        'salus_watch_last_event_age_seconds{watch="deployments"} 12.5',
    ):
        assert f"\n{line}\n" in text
    assert "process_resident_memory_bytes" in text


async def test_every_metric_has_a_help_text(telemetry: PrometheusTelemetry) -> None:
    for family in telemetry.registry.collect():
        assert family.documentation.endswith(".") or not family.name.startswith("salus_")


async def test_ready_and_alive_are_apart(health: Health, url: str) -> None:
    """A process that cannot work yet must not be restarted for it."""
    assert await get(f"{url}/readyz") == (503, "waiting for the first list\n")
    assert await get(f"{url}/healthz") == (200, "ok\n")

    health.unready, health.dead = None, "the loop has not turned for two minutes"

    assert await get(f"{url}/readyz") == (200, "ok\n")
    assert await get(f"{url}/healthz") == (503, "the loop has not turned for two minutes\n")


async def test_a_standby_is_ready_and_says_so(telemetry: PrometheusTelemetry, health: Health, url: str) -> None:
    """A rollout of two replicas would never end if only the leader were ready."""
    telemetry.leads(lambda: False)
    health.unready, health.role = None, "standby, leader is other-1"

    assert await get(f"{url}/readyz") == (200, "standby, leader is other-1\n")
    assert "\nsalus_leader 0.0\n" in (await get(f"{url}/metrics"))[1]


async def test_two_instances_do_not_meet() -> None:
    """Each has a registry of its own, so tests and replays can make as many as they like."""
    first, second = PrometheusTelemetry(), PrometheusTelemetry()

    first.evaluated("Healthy")

    assert second.registry.get_sample_value("salus_evaluations_total", {"verdict": "Healthy"}) is None


async def test_a_taken_port_is_an_error(telemetry: PrometheusTelemetry, url: str) -> None:
    server = TelemetryServer(telemetry.registry, Probes(alive=lambda: None, ready=lambda: None))

    with pytest.raises(OSError, match=r"(?i)address already in use"):
        await server.start("127.0.0.1", int(url.rpartition(":")[2]))
    await server.stop()
