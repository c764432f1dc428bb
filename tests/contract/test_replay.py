"""`salus replay` over a real Prometheus with a history that is written beforehand."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from salus.cli import commands
from salus.cli.app import app
from salus.model.scalars import format_time, parse_time
from tests.compat.servers import Server, started
from tools.devcluster.remote_write import Series

STEP, HOURS = 15, 6
ENDS = datetime.fromtimestamp(int(time.time()) // 60 * 60, UTC) - timedelta(minutes=10)
BEGINS = ENDS - timedelta(hours=HOURS)
BAD_AT, BACK_AT = BEGINS + timedelta(hours=2), BEGINS + timedelta(hours=2, minutes=20)
GAP_AT, GAP = BEGINS + timedelta(hours=4), timedelta(minutes=30)
SHOP = {"namespace": "shop"}
V1, V2 = "checkout-7d9f8c6b5", "checkout-6c8d9f7b4"
LOOKBACK = timedelta(minutes=5)
"""Of Prometheus: so long a series that fell silent still has its last sample."""


def moments() -> list[datetime]:
    """From three hours before on, as a replay looks there too."""
    before = int(timedelta(hours=3).total_seconds()) // STEP
    return [BEGINS + timedelta(seconds=STEP * number) for number in range(-before, HOURS * 3600 // STEP)]


def is_bad(at: datetime) -> bool:
    return BAD_AT <= at < BACK_AT


def course(name: str, labels: Mapping[str, str], value: Any) -> Series:  # noqa: ANN401 — a function of time
    told = ((at.timestamp(), value(at)) for at in moments())
    return Series(name, {**SHOP, **labels}, tuple((at, float(one)) for at, one in told if one is not None))


def shop() -> Iterator[Series]:
    """A release that answers with errors for twenty minutes, and half an hour without metrics of the service."""

    def ratio(at: datetime) -> float | None:
        if GAP_AT <= at < GAP_AT + GAP:
            return None
        return 0.3 if is_bad(at) else 0.001

    yield course("error_ratio", {"deployment": "checkout"}, ratio)
    yield course("kube_deployment_spec_replicas", {"deployment": "checkout"}, lambda _: 3)
    for name, made, image in ((V1, BEGINS - timedelta(days=9), "shop:v1"), (V2, BAD_AT, "shop:v2")):
        is_there = (lambda at: at >= BAD_AT) if name == V2 else (lambda _: True)
        labels = {"replicaset": name}
        owner = {**labels, "owner_kind": "Deployment", "owner_name": "checkout"}
        size = _size(is_live_when_bad=name == V2)
        yield course("kube_replicaset_owner", owner, lambda at, there=is_there: 1 if there(at) else None)
        yield course(
            "kube_replicaset_created",
            labels,
            lambda at, there=is_there, made=made: made.timestamp() if there(at) else None,
        )
        yield course(
            "kube_replicaset_spec_replicas",
            labels,
            lambda at, there=is_there, size=size: size(at) if there(at) else None,
        )
        pod = {"pod": f"{name}-x2x4z", "container": "app", "image": image}
        yield course("kube_pod_container_info", pod, lambda at, size=size: 1 if size(at) else None)


def _size(*, is_live_when_bad: bool) -> Any:  # noqa: ANN401 — a function of time
    return lambda at: 3 if is_bad(at) is is_live_when_bad else 0


@dataclass(frozen=True)
class Asked:
    """A policy, and the source that it is replayed over."""

    server: Server
    policy: Path

    def replay(self, *words: str) -> dict[str, Any]:
        window = ["--from", format_time(BEGINS), "--to", format_time(ENDS)]
        source = ["--prometheus", self.server.url, "-f", str(self.policy), "-o", "json"]
        ended = CliRunner().invoke(app, ["replay", *source, *window, *words])
        assert commands.__all__
        assert ended.exit_code == 0, ended.output
        found: dict[str, Any] = json.loads(ended.stdout)
        return found


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("replay")
    server = started(folder)
    for series in shop():
        server.push([series])
    policy = folder / "policy.yaml"
    policy.write_text(yaml.safe_dump(a_policy()))
    yield Asked(server, policy)
    server.stop()


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))


def a_policy() -> dict[str, Any]:
    check = {
        "name": "error-ratio",
        "query": 'max(error_ratio{namespace="$namespace",deployment="$target"})',
        "unhealthy": {"above": "0.05"},
        "for": "1m",
    }
    return {
        "apiVersion": "salus.dev/v1alpha1",
        "kind": "HealthPolicy",
        "metadata": {"name": "checkout", "namespace": "shop"},
        "spec": {
            "target": {"kind": "Deployment", "name": "checkout"},
            "checks": [check],
            "remedies": [{"name": "undo", "rollback": {}}],
        },
    }


def test_releases_are_told_by_kube_state_metrics(asked: Asked) -> None:
    report = asked.replay()

    assert [(one["what"], one["detail"]) for one in report["turns"]] == [("release", "shop:v2"), ("release", "shop:v1")]
    assert parse_time(report["turns"][0]["at"]) == BAD_AT


def test_what_was_written_is_what_is_replayed(asked: Asked) -> None:
    report = asked.replay()

    (breach,) = report["breaches"]
    (would,) = breach["wouldHave"]
    assert (parse_time(breach["began"]), breach["check"], breach["value"]) == (BAD_AT, "error-ratio", "0.3")
    assert (would["decision"], would["doing"]) == ("Act", "Rollback to shop:v1")
    assert parse_time(would["at"]) == BAD_AT + timedelta(minutes=1)
    assert (breach["then"], report["acts"], report["alarms"]) == ("back to shop:v1", 1, 0)


def test_a_gap_stays_a_gap(asked: Asked) -> None:
    report = asked.replay()

    (gap,) = report["gaps"]
    assert parse_time(gap["ends"]) == GAP_AT + GAP
    assert GAP_AT <= parse_time(gap["begins"]) <= GAP_AT + LOOKBACK + timedelta(seconds=STEP)


@pytest.mark.parametrize("step", ["15s", "30s", "1m"])
def test_the_steps_fall_on_the_ticks(asked: Asked, step: str) -> None:
    """Else each would see the sample of the one before, or none."""
    report = asked.replay("--step", step)

    assert report["acts"] == 1
    assert len(report["gaps"]) == 1


def test_a_past_of_many_pieces_is_one(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = asked.replay()
    monkeypatch.setattr("salus.cli.metrics.ask.MOST_POINTS", 100)

    assert _of_the_past(asked.replay()) == _of_the_past(whole)


def _of_the_past(report: Mapping[str, Any]) -> Sequence[object]:
    return [report[name] for name in ("breaches", "checks", "turns", "gaps", "unknown")]
