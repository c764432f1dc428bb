"""A replay from recorded series decides what was decided live: the five faults of the demo, and others.

What the Deployment was is told by series of kube-state-metrics, as they would have been scraped.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import pytest

from salus.cli.replay.lives import Life
from salus.cli.replay.play import Wish, as_if, play, told_already
from salus.cli.replay.report import Title, report
from salus.cli.replay.told import Present, Told, life
from salus.model.meta import WorkloadKind
from salus.model.policy import Mode
from salus.model.scalars import Body, parse_time
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Sample
from salus.ports import CHANGE_EVENTS, HEALTH_POLICIES
from salus.rehearsal.controllers import _mark as marked
from tests.builders import NOW, a_deployment_body
from tests.unit.rehearsal.test_replay_is_live import CATALOG, FAULTS, TICKS, Fault, Live, lived, told
from tests.unit.stage import TARGET, TICK

BEGINS, ENDS = NOW, NOW + (TICKS - 1) * TICK


def scraped(stage: Live) -> Told:
    """The series of kube-state-metrics, a sample at each tick."""
    sizes: dict[str, list[Sample]] = {}
    created: dict[str, datetime] = {}
    replicas = []
    for at, spec in stage.happened:
        created.setdefault(marked({"spec": spec}), at)
    for number in range(-4, TICKS):
        moment = NOW + number * TICK
        spec = _at(stage, moment)
        live, size = marked({"spec": spec}), float(spec.get("replicas", 1))
        for name, made_at in created.items():
            if made_at < moment or name == live:
                sizes.setdefault(name, []).append(Sample(moment, size if name == live else 0.0))
        replicas.append(Sample(moment, size))
    return Told(sizes=sizes, created=created, replicas=replicas)


def _at(stage: Live, moment: datetime) -> Body:
    """As a scrape sees it, which comes before the operator acts."""
    before = [spec for at, spec in stage.happened if at < moment]
    return before[-1] if before else stage.happened[0][1]


def templates(stage: Live) -> Iterator[tuple[str, Mapping[str, object]]]:
    for _, spec in stage.happened:
        yield marked({"spec": spec}), spec["template"]


def told_life(stage: Live) -> Life:
    body = a_deployment_body(name=TARGET.name)
    key = TargetKey(TARGET.namespace, WorkloadKind.DEPLOYMENT, TARGET.name)
    found = life(key, scraped(stage), Present({**body, "spec": stage.happened[0][1]}, dict(templates(stage))))
    assert found is not None
    assert not found.is_made_up
    return found


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_recorded_series_give_the_change_events_that_were_written(fault: Fault) -> None:
    live = await lived(fault)
    written = live.cluster.peek(HEALTH_POLICIES)[0]
    mode = Mode(written["spec"].get("mode") or Mode.OBSERVE)
    wish = Wish(BEGINS, ENDS, CATALOG, mode, bounds=live.bounds)
    found = await play([as_if(written, wish)], [told_life(live)], told_already(live.seen.told), wish)

    events = live.cluster.objects(CHANGE_EVENTS)
    assert told(found.rehearsed.changes) == told(events)
    said = report([found], Title(ENDS))
    moments = sorted(would.at for one in said.breaches for would in one.would_have)
    assert moments == sorted(parse_time(body["spec"]["decidedAt"]) for body in events)
    assert said.ends - said.begins == ENDS - BEGINS > timedelta(0)
