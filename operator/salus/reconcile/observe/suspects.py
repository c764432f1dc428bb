"""Reads what lies around a target, when somebody asks what is to blame: once an incident, and before a rollback.

Nothing here is needed to heal: what cannot be read is told as unknown, and everything goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from salus.core.cause.ruled_out import CLOCK_SKEW
from salus.core.health.evaluate import recall
from salus.core.objects.autoscalers import in_charge
from salus.core.objects.edits import config_maps_of, edits_of, troubles_of
from salus.core.objects.pods import pods_from
from salus.model.policy import Verdict
from salus.model.scalars import Body
from salus.model.values.metrics import Error
from salus.model.values.observation import Observation
from salus.model.values.policies import CompiledCheck
from salus.model.values.surroundings import Edit, NodeTrouble, Pod, Surroundings, UnhealthyBefore
from salus.ports import CONFIG_MAPS, NODES, ClusterError, NotFound, Ref
from salus.reconcile.context import Context, Step
from salus.reconcile.observe.measure import judged_past
from salus.reconcile.observe.target import pods_of

log = structlog.get_logger(__name__)

LOOK_BEFORE = timedelta(minutes=10)
"""How far before a release its checks are looked at, beside their `for`."""
MOST_NODES = 20
"""Nodes that are looked at for one incident; those with failing pods first."""
_Found = TypeVar("_Found")


async def release_suspect(step: Step, seen: Observation) -> Observation:
    """The observation with what may speak for the live release: its old pods, and the checks before it began."""
    unknown: list[str] = []
    pods, unhealthy = await asyncio.gather(
        _or_unknown(lambda: _pods(step, seen), "pods", unknown),
        _unhealthy_before(step, seen, unknown),
    )
    return replace(seen, surroundings=Surroundings(pods=pods, unhealthy_before=unhealthy, unknown=tuple(unknown)))


async def all_suspects(step: Step, seen: Observation) -> Observation:
    """The same, and everything else that may be to blame: autoscalers, ConfigMaps and nodes."""
    seen = await release_suspect(step, seen)
    unknown = [*seen.surroundings.unknown, *(["autoscalers"] if seen.autoscalers is None else [])]
    scalers = [edit for one in in_charge(seen.autoscalers or ()) for edit in edits_of(one.body, used=True)]
    config_maps, troubles = await asyncio.gather(
        _or_unknown(lambda: _config_map_edits(step, seen.body), "ConfigMaps", unknown),
        _or_unknown(lambda: _troubles(step.context, seen.surroundings.pods), "nodes", unknown),
    )
    around = replace(
        seen.surroundings, edits=(*scalers, *config_maps), troubles=troubles, unknown=tuple(sorted(unknown))
    )
    return replace(seen, surroundings=around)


async def _or_unknown(
    read: Callable[[], Awaitable[tuple[_Found, ...]]], what: str, unknown: list[str]
) -> tuple[_Found, ...]:
    """What was read; else nothing, and the reason among what is unknown."""
    try:
        return await read()
    except ClusterError as error:
        log.warning("what is to blame may stay unknown", what=what, error=str(error))
        unknown.append(f"{what} ({type(error).__name__})")
        return ()


async def _pods(step: Step, seen: Observation) -> tuple[Pod, ...]:
    found = await pods_of(step.context, step.target, seen.body, seen.history)
    return pods_from(found, step.target.name, seen.history, seen.now)


async def _config_map_edits(step: Step, body: Body) -> tuple[Edit, ...]:
    names = config_maps_of(body["spec"]["template"])
    found = await step.context.cluster.list_metadata(CONFIG_MAPS, step.namespace)
    return tuple(edit for body in found for edit in edits_of(body, used=body["metadata"]["name"] in names))


async def _troubles(context: Context, pods: Sequence[Pod]) -> tuple[NodeTrouble, ...]:
    names = list(dict.fromkeys(pod.node for pod in sorted(pods, key=lambda pod: not pod.failing) if pod.node))
    nodes = await asyncio.gather(*(_node(context, name) for name in names[:MOST_NODES]))
    return tuple(trouble for node in nodes if node is not None for trouble in troubles_of(node))


async def _node(context: Context, name: str) -> Body | None:
    try:
        return await context.cluster.get(Ref(NODES, "", name))
    except NotFound:
        return None


async def _unhealthy_before(step: Step, seen: Observation, unknown: list[str]) -> tuple[UnhealthyBefore, ...]:
    """Which checks that are unhealthy now were so when the release began; the past does not change, so asked once."""
    case = step.case
    began, checks = seen.release_started_at, frozenset(f.check for f in case.findings if f.verdict is Verdict.UNHEALTHY)
    if began is None:
        return ()
    if case.before_release is not None and case.before_release[:2] == (began, checks):
        return case.before_release[2]
    asked = [check for check in step.policy.checks if check.name in checks]
    answers = await asyncio.gather(*(_unhealthy_at(step, check, began) for check in asked))
    unhealthy = tuple(answer for answer in answers if isinstance(answer, UnhealthyBefore))
    if errors := [answer for answer in answers if isinstance(answer, Error)]:
        unknown.append(f"the checks before the release ({errors[0].reason})")
    else:
        case.knows_before(began, checks, unhealthy)
    return unhealthy


async def _unhealthy_at(step: Step, check: CompiledCheck, began: datetime) -> UnhealthyBefore | Error | None:
    """Whether the check was unhealthy at that moment, by Prometheus' history."""
    interval = step.policy.spec.interval
    end = began - CLOCK_SKEW
    job = step.policy, step.case
    past = await judged_past(step.context, job, check, end - LOOK_BEFORE - check.hold, end)
    if isinstance(past, Error):
        return past
    state = recall(check, past, interval)
    recent = state.seen_at is not None and end - state.seen_at <= 2 * interval
    if not state.unhealthy or state.breached_since is None or not recent:
        return None
    return UnhealthyBefore(check.name, state.breached_since)
