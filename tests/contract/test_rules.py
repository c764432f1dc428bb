"""What sources tell of their rules: a real Prometheus, and servers that tell nothing of use."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
import yaml

from salus.model.values.configuration import Binding
from salus.model.values.metrics import Error, Rule
from salus.sources.rules import MOST, PrometheusRules
from salus.sources.settings import SourceSettings
from tests.contract.source_prometheus import settings
from tests.contract.source_server import ODD_REPLIES, Handler, reply, serving, url
from tools.devcluster.programs import find
from tools.devcluster.prometheus import Prometheus

PATH = "/api/v1/rules"
GROUPS = {
    "groups": [
        {
            "name": "payments",
            "rules": [
                {"record": "job:errors:sum", "expr": "sum(rate(errors[5m]))"},
                {"alert": "Down", "expr": "job:errors:sum > 1", "for": "2m", "keep_firing_for": "3m"},
            ],
        }
    ]
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("rules")
    (folder / "rules.yaml").write_text(yaml.safe_dump(GROUPS), encoding="utf-8")
    running = Prometheus(find(["prometheus"])["prometheus"], folder, rule_files=(folder / "rules.yaml",))
    running.start()
    yield running
    running.stop()


async def asked(one: SourceSettings) -> Any:  # noqa: ANN401 — rules or an error
    return await PrometheusRules({one.name: one}).rules(one.name)


async def test_prometheus_tells_its_rules(server: Prometheus) -> None:
    """Case 07."""
    assert await asked(settings(server.url)) == (
        Rule("Down", "job:errors:sum > 1", alert=True, lasts=timedelta(minutes=5)),
        Rule("job:errors:sum", "sum(rate(errors[5m]))"),
    )


@pytest.mark.parametrize("tenancy", [{"tenant_header": "X-Scope-OrgID"}, {"binding": Binding(namespace=True)}])
async def test_a_source_with_tenants_is_not_asked(server: Prometheus, tenancy: dict[str, Any]) -> None:
    assert await asked(SourceSettings(name="main", url=server.url, **tenancy)) == ()


async def test_a_source_that_is_not_there() -> None:
    given = await PrometheusRules({}).rules("main")

    assert isinstance(given, Error)


@pytest.mark.parametrize(("handler", "reason", "says"), ODD_REPLIES)
async def test_an_odd_reply_is_an_error(handler: Handler, reason: str, says: str) -> None:
    del reason, says
    async with serving(handler, PATH) as server:
        given = await asked(settings(url(server)))

    assert isinstance(given, Error) or given == ()


def rules(*found: object) -> bytes:
    return orjson.dumps({"status": "success", "data": {"groups": [{"rules": list(found)}]}})


GOOD = {"name": "a:b", "query": "x", "type": "recording"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(orjson.dumps({"status": "success", "data": {"groups": None}}), (), id="no groups"),
        pytest.param(orjson.dumps({"status": "success", "data": {"groups": ["a", {"rules": 1}]}}), (), id="odd groups"),
        pytest.param(rules(1, None, [], {}, GOOD), (Rule("a:b", "x"),), id="odd rules beside a good one"),
        pytest.param(rules({**GOOD, "name": 1}, {**GOOD, "query": None}, {**GOOD, "type": "x"}), (), id="odd fields"),
        pytest.param(
            rules({**GOOD, "duration": "1", "keepFiringFor": True}, {**GOOD, "duration": -1e300}),
            (Rule("a:b", "x"), Rule("a:b", "x")),
            id="odd times",
        ),
        pytest.param(
            rules({**GOOD, "type": "alerting", "duration": 1e300}),
            (Rule("a:b", "x", alert=True, lasts=timedelta(days=366)),),
            id="a time without end",
        ),
    ],
)
async def test_what_is_no_rule_is_passed_over(body: bytes, expected: tuple[Rule, ...]) -> None:
    async with serving(reply(200, body), PATH) as server:
        assert await asked(settings(url(server))) == expected


async def test_too_many_rules_are_an_error() -> None:
    async with serving(reply(200, rules(*[GOOD] * (MOST + 1))), PATH) as server:
        given = await asked(settings(url(server)))

    assert isinstance(given, Error)
    assert given.reason == "ResponseTooLarge"
