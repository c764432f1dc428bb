"""The shop's parts that are Python or YAML: its callers, the model of a replica, its manifests, releases and policies.

The service itself is Go and has its tests beside it; one golden file holds the model to the same series.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from examples.shop import load
from examples.shop.load import Load, Tally
from examples.shop.model import LONGEST_QUEUE, Replica, Settings, ShopModel, exposition, whole

SHOP = Path(load.__file__).parent
GOLDEN = (SHOP / "service/testdata/metrics.txt").read_text()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # what is waited for are counters, which signal nothing
            await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    runner = web.AppRunner(_app(handler), handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


def _app(handler: Handler) -> web.Application:
    app = web.Application()
    app.router.add_get("/", handler)
    return app


def answering(status: int) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status)

    return handler


async def hang(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    return web.Response()


async def cut_off(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        pytest.param(answering(200), None, id="200 is no failure"),
        pytest.param(answering(204), None, id="204 is no failure"),
        pytest.param(answering(404), "404", id="a client error is a failure by its code"),
        pytest.param(answering(500), "500", id="a server error is a failure by its code"),
        pytest.param(answering(503), "503", id="a full service is a failure by its code"),
        pytest.param(hang, "timeout", id="no answer in time is a timeout"),
        pytest.param(cut_off, "reset", id="a connection cut off is a reset"),
    ],
)
async def test_failures_are_counted_by_what_the_caller_saw(handler: Handler, kind: str | None) -> None:
    patience = 0.2 if kind == "timeout" else 30.0  # seconds; a busy machine is no failure of the service
    async with serving(handler) as url, Load(url, rate=200, timeout=patience) as callers:
        await eventually(lambda: callers.tally.ok + callers.tally.failures >= 3)
        tally = await callers.stop()

    assert tally.sent == tally.ok + tally.failures
    assert set(tally.failed) == ({kind} if kind else set())


async def test_nobody_listening_is_refused() -> None:
    async with serving(answering(200)) as url:
        pass
    async with Load(url, rate=200) as callers:
        await eventually(lambda: callers.tally.failed.get("refused", 0) >= 3)

    assert set(callers.tally.failed) == {"refused"}


async def test_a_service_that_hangs_does_not_hold_the_callers_back() -> None:
    async with serving(hang) as url, Load(url, rate=500, timeout=0.5) as callers:
        await eventually(lambda: callers.tally.sent >= 50)
        tally = await callers.stop()

    assert tally.ok == 0
    assert tally.failed == {"timeout": tally.sent}


async def test_requests_beyond_the_bound_are_skipped_and_said_so() -> None:
    async with serving(hang) as url, Load(url, rate=500, timeout=0.5, max_in_flight=5) as callers:
        await eventually(lambda: callers.tally.skipped >= 5)
        early = callers.tally
        await callers.stop()

    assert early.sent <= 5 or early.failures > 0
    assert "skipped" in str(early)


async def test_the_rate_can_be_raised_from_a_pause() -> None:
    async with serving(answering(200)) as url, Load(url, rate=0) as callers:
        assert callers.tally == Tally()
        callers.set_rate(200)
        await eventually(lambda: callers.tally.ok >= 3)
        callers.set_rate(0)
        tally = await callers.stop()

    assert tally.sent == tally.ok


async def test_each_request_has_a_connection_of_its_own() -> None:
    peers = []

    async def handler(request: web.Request) -> web.Response:
        peers.append(request.transport)
        return web.Response()

    async with serving(handler) as url, Load(url, rate=200) as callers:
        await eventually(lambda: callers.tally.ok >= 5)

    assert len(set(map(id, peers))) == len(peers)


async def test_a_load_starts_once() -> None:
    async with Load("http://127.0.0.1:9/", rate=0) as callers:
        with pytest.raises(RuntimeError, match="started already"):
            await callers.start()


@pytest.mark.parametrize("rate", [-1.0, math.nan, math.inf])
def test_an_impossible_rate_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="rate must be from 0"):
        Load("http://127.0.0.1:9/", rate)


def test_the_tally_since_a_moment_counts_only_what_came_after() -> None:
    before = Tally(sent=10, ok=8, failed={"500": 2})
    after = Tally(sent=20, ok=15, failed={"500": 2, "timeout": 3})

    assert after.since(before) == Tally(sent=10, ok=7, failed={"timeout": 3})


def test_a_tally_reads_as_a_sentence() -> None:
    assert str(Tally(10, 7, {"timeout": 1, "500": 2})) == "10 sent, 7 ok, 3 failed (500: 2, timeout: 1)"


def test_the_command_line_reports_and_fails_when_nothing_was_answered(capsys: pytest.CaptureFixture[str]) -> None:
    status = load.main(["--url", "http://127.0.0.1:9/", "--rate", "50", "--duration", "0.1", "--timeout", "1"])

    assert status == 1
    assert "in all" in capsys.readouterr().out


def test_the_command_line_refuses_an_impossible_rate() -> None:
    with pytest.raises(SystemExit) as ended:
        load.main(["--url", "http://127.0.0.1:9/", "--rate", "-1"])

    assert ended.value.code == 2


GOOD = Settings(capacity=40)
MODEL = ShopModel(patience=2)


def lived(settings: Settings, rate: float, seconds: float, state: Replica | None = None) -> Replica:
    state = state or Replica()
    for _ in range(round(seconds / 0.5)):
        state = MODEL.advance(state, settings, rate, 0.5)
    return state


def shares(replica: Replica) -> Mapping[str, int]:
    return {code: whole(count) for code, count in replica.requests.items() if whole(count)}


@pytest.mark.parametrize(
    ("settings", "rate", "counted"),
    [
        pytest.param(GOOD, 20, {"200": 200}, id="a good release answers all"),
        pytest.param(GOOD, 0, {}, id="no traffic counts nothing"),
        pytest.param(replace(GOOD, error_ratio=0.3), 20, {"200": 140, "500": 60}, id="a bad release fails its share"),
        pytest.param(GOOD, 80, {"200": 400, "503": 390}, id="beyond capacity the rest is refused, but for the queue"),
        pytest.param(replace(GOOD, latency=1), 20, {"200": 200}, id="a slow release answers all"),
        pytest.param(replace(GOOD, latency=3), 20, {"499": 200}, id="a release slower than patience loses all"),
        pytest.param(
            replace(GOOD, wedge_after=5), 20, {"200": 90, "499": 70}, id="wedging by itself answers until then"
        ),
    ],
)
def test_ten_seconds_of_a_replica(settings: Settings, rate: float, counted: Mapping[str, int]) -> None:
    assert shares(lived(settings, rate, 10)) == counted


def test_a_wedged_replica_holds_requests_for_the_callers_patience_and_then_counts_them_as_given_up() -> None:
    wedged = replace(lived(GOOD, 20, 10), wedged=True)
    held = lived(GOOD, 20, 1.5, wedged)
    after = lived(GOOD, 20, 10, wedged)

    assert shares(held) == {"200": 200}
    assert whole(held.held) == 30
    assert shares(after) == {"200": 200, "499": 160}
    assert after.answered == wedged.answered


def test_a_full_queue_shows_in_the_durations() -> None:
    crowded = lived(GOOD, 80, 10)
    served = crowded.requests["200"]

    assert crowded.seconds == pytest.approx(served * (GOOD.latency + LONGEST_QUEUE))


STEPS = st.lists(
    st.tuples(
        st.floats(0, 200),  # rate
        st.floats(0.01, 5),  # length
        st.booleans(),  # whether it wedges now
    ),
    max_size=20,
)
RELEASES = st.builds(
    Settings,
    error_ratio=st.floats(0, 1),
    latency=st.floats(0, 5),
    capacity=st.floats(1, 100),
    wedge_after=st.floats(0.1, 50) | st.just(math.inf),
)


@given(RELEASES, STEPS)
def test_no_request_is_lost_or_invented_and_no_counter_falls(
    release: Settings, steps: list[tuple[float, float, bool]]
) -> None:
    state, arrived = Replica(), 0.0
    for rate, length, wedges in steps:
        before = replace(state, wedged=state.wedged or wedges)
        state = MODEL.advance(before, release, rate, length)
        arrived += rate * length

        assert sum(state.requests.values()) + state.held == pytest.approx(arrived)
        assert all(state.requests[code] >= count for code, count in before.requests.items())
        assert list(state.within) == sorted(state.within)
        assert state.within[-1] <= state.answered + 1e-6


def series(text: str) -> dict[str, tuple[str, set[tuple[str, frozenset[tuple[str, str]]]]]]:
    """Return each family's type and its samples' names and labels."""
    return {
        family.name: (family.type, {_key(family, i) for i in range(len(family.samples))}) for family in _parse(text)
    }


def _parse(text: str) -> list[Metric]:
    return list(text_string_to_metric_families(text))


def _key(family: Metric, index: int) -> tuple[str, frozenset[tuple[str, str]]]:
    sample = family.samples[index]
    return sample.name, frozenset(sample.labels.items())


def test_the_model_has_the_series_of_the_service() -> None:
    assert series(exposition(Replica(), Settings(release="v2"), 1.5)) == series(GOLDEN)


def test_the_model_says_that_it_is_simulated_wherever_it_explains_a_series() -> None:
    documentation = [family.documentation for family in _parse(exposition(Replica(), GOOD, 0))]

    assert documentation
    assert all(text.startswith("Simulated:") for text in documentation)


def test_the_exposition_escapes_a_release_name() -> None:
    text = exposition(Replica(), Settings(release='a"b\\c\nd'), 0)
    (info,) = [family for family in _parse(text) if family.name == "shop_build_info"]

    assert info.samples[0].labels == {"release": 'a"b\\c\nd'}


@pytest.mark.parametrize(
    ("env", "settings"),
    [
        pytest.param({}, Settings(), id="an empty environment is a good release"),
        pytest.param({"SHOP_LATENCY": "", "OTHER": "x"}, Settings(), id="empty and foreign variables change nothing"),
        pytest.param(
            {"SHOP_RELEASE": "v2", "SHOP_ERROR_RATIO": "0.3", "SHOP_LATENCY": "1.5s", "SHOP_CAPACITY": "40"},
            Settings("v2", 0.3, 1.5, 40),
            id="a bad release is its environment",
        ),
        pytest.param(
            {"SHOP_CRASH": "true", "SHOP_WEDGE_AFTER": "1m"}, Settings(crash=True, wedge_after=60), id="crash and wedge"
        ),
        pytest.param({"SHOP_WEDGE_AFTER": "0s"}, Settings(), id="wedging after zero is never"),
    ],
)
def test_settings_are_read_from_the_environment(env: Mapping[str, str], settings: Settings) -> None:
    assert Settings.from_env(env) == settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHOP_ERROR_RATIO", "30%"),
        ("SHOP_ERROR_RATIO", "1.1"),
        ("SHOP_ERROR_RATIO", "nan"),
        ("SHOP_LATENCY", "fast"),
        ("SHOP_LATENCY", "-1s"),
        ("SHOP_WEDGE_AFTER", "5"),
        ("SHOP_CAPACITY", "0"),
        ("SHOP_CRASH", "yes"),
        ("SHOP_LEAK", "1MiB"),
    ],
)
def test_settings_that_the_service_would_refuse_are_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: want"):
        Settings.from_env({name: value})


def documents(folder: str) -> dict[str, Any]:
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted((SHOP / folder).glob("*.yaml"))}


MANIFESTS = documents("manifests")
RELEASES_ON_DISK = documents("releases")
POLICIES = documents("policies")
TEMPLATE = MANIFESTS["deployment"]["spec"]["template"]


def environment(*templates: dict[str, Any]) -> dict[str, str]:
    """Return the environment that strategic merge makes of the pod templates: the last value of a name holds."""
    variables = [v for template in templates for v in template["spec"]["containers"][0]["env"]]
    return {variable["name"]: variable["value"] for variable in variables}


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("errors", Settings("v2-errors", error_ratio=0.3, capacity=40)),
        ("slow", Settings("v2-slow", latency=0.8, capacity=40)),
        ("crash", Settings("v2-crash", crash=True, capacity=40)),
        ("good", Settings("v2", capacity=40)),
        ("leak", Settings("v2-leak", leak=1024, capacity=40)),
        ("missing-image", Settings("v2-typo", capacity=40)),
    ],
)
def test_a_release_on_disk_is_what_its_name_says(release: str, expected: Settings) -> None:
    patch = RELEASES_ON_DISK[release]["spec"]["template"]

    assert patch["spec"]["containers"][0]["name"] == TEMPLATE["spec"]["containers"][0]["name"]
    assert Settings.from_env(environment(TEMPLATE, patch)) == expected


def test_every_release_on_disk_is_tested() -> None:
    assert set(RELEASES_ON_DISK) == {"errors", "slow", "crash", "good", "leak", "missing-image"}


def test_prometheus_is_told_the_port_of_the_container() -> None:
    (port,) = TEMPLATE["spec"]["containers"][0]["ports"]

    assert TEMPLATE["metadata"]["annotations"]["prometheus.io/port"] == str(port["containerPort"])
    assert MANIFESTS["service"]["spec"]["ports"][0]["targetPort"] == port["name"]


def queries() -> list[Any]:
    return [
        pytest.param(query, id=f"{policy}/{check['name']}/{part}")
        for policy, document in POLICIES.items()
        for check in document["spec"]["checks"]
        for part, query in (check.get("ratio") or {"query": check["query"]}).items()
    ]


@pytest.mark.parametrize("query", queries())
def test_policies_ask_for_series_that_the_shop_has(query: str) -> None:
    promql_parser.parse(query.replace("$namespace", "shop").replace("$target", "checkout"))

    names = {sample.name for family in _parse(GOLDEN) for sample in family.samples}
    assert any(f"{name}{{" in query for name in names)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_remedies_of_a_policy_name_its_checks(policy: str) -> None:
    spec = POLICIES[policy]["spec"]
    named = {check for remedy in spec["remedies"] for check in remedy.get("checks", ())}

    assert named <= {check["name"] for check in spec["checks"]}
    assert spec["target"] == {"kind": "Deployment", "name": MANIFESTS["deployment"]["metadata"]["name"]}


def test_hanging_requests_do_not_lead_to_a_rollback() -> None:
    rollbacks = [remedy for remedy in POLICIES["checkout"]["spec"]["remedies"] if "rollback" in remedy]

    assert [remedy["checks"] for remedy in rollbacks] == [["error-ratio"]]
