"""`salus status`: how policies stand, one line each; one that is named, in full. From what the operator wrote alone."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from salus.cli.look.happening import SILENCE, doing, happening
from salus.cli.look.recent import Lookback, Recent
from salus.cli.look.situation import Situation, is_question, newest, situations
from salus.cli.marks import State
from salus.cli.names import Named, named, resembling, short_of
from salus.cli.person import Person
from salus.cli.reports.status import CheckLine, Happening, PolicyDetail, PolicyLine, RungLine, StatusReport
from salus.core.actions import kind_of
from salus.core.guards.budgets import counted_action
from salus.core.objects.workloads import short, workload_from
from salus.model.change import Decision, Outcome
from salus.model.policy import Check, HealthPolicySpec, Remedy
from salus.model.scalars import Body, format_duration, parse_time
from salus.model.values.changes import Change
from salus.model.values.objects import Workload
from salus.ports import CHANGE_EVENTS, HEALTH_POLICIES, INCIDENTS, WORKLOADS, Ref


async def look(person: Person, texts: Sequence[str], now: datetime, lookback: Lookback | None = None) -> StatusReport:
    """How the policies of these names stand, or all; `lookback`: also how they came there. Raises CannotBeAsked."""
    wanted = [named(text, allowed=(HEALTH_POLICIES, *WORKLOADS.values())) for text in texts]
    found = situations(
        await person.objects(HEALTH_POLICIES), await person.around(INCIDENTS), await person.around(CHANGE_EVENTS)
    )
    some = await chosen(person, found, wanted) if wanted else found
    details = [await _detail(person, one, now, lookback) for one in some] if wanted else []
    counted = [one.health() for one in some]
    return StatusReport(
        cluster=person.context,
        at=now,
        namespace=person.namespace or "",
        total=len(some),
        healthy=counted.count("Healthy"),
        unhealthy=counted.count("Unhealthy"),
        unknown=counted.count("Unknown") + counted.count(""),
        quiet=counted.count("Quiet"),
        questions=sum(len(one.questions(now)) for one in some),
        policies=tuple(line(one, now) for one in some),
        details=tuple(details),
        not_looked_at=tuple(person.not_looked_at),
    )


async def chosen(person: Person, found: Sequence[Situation], wanted: Sequence[Named]) -> list[Situation]:
    """The policies that were named; each name has to mean one at least."""
    meant_by: dict[tuple[str, str], Situation] = {}
    for one in wanted:
        meant = [situation for situation in found if _is_meant(situation, one)]
        if not meant:
            raise await person.no_such(one, resembling(one.name, (situation.name for situation in found)))
        meant_by.update({(situation.namespace, situation.name): situation for situation in meant})
    return list(meant_by.values())


def _is_meant(found: Situation, one: Named) -> bool:
    """A policy by its own name, or by a workload that it names."""
    if one.workload is None:
        return found.name == one.name
    target = found.spec.target if found.spec else None
    spoken_of = {(ref["kind"], ref["name"]) for ref in (one["spec"]["targetRef"] for one in found.incidents)}
    is_named = target is not None and (target.kind, target.name) == (one.workload, one.name)
    return is_named or (one.workload.value, one.name) in spoken_of


def line(found: Situation, now: datetime) -> PolicyLine:
    """A policy at a glance."""
    spec = found.spec
    return PolicyLine(
        namespace=found.namespace,
        name=found.name,
        target=_target(found),
        health=found.health() if found.is_judged else "",
        mode=spec.mode.value if spec else "",
        since=found.since("Healthy"),
        now=happening(found, now),
    )


def _target(found: Situation) -> str:
    if found.spec is None:
        return ""
    target = found.spec.target
    if target.name is not None:
        return f"{short_of(WORKLOADS[target.kind])}/{target.name}"
    total = (found.status.get("targets") or {}).get("total", 0)
    wanted = target.selector.match_labels if target.selector else {}
    labels = ",".join(f"{key}={value}" for key, value in wanted.items())
    return f"{total} {short_of(WORKLOADS[target.kind])} by {labels}"


async def _detail(person: Person, found: Situation, now: datetime, lookback: Lookback | None) -> PolicyDetail:
    spec = found.spec
    recent = await lookback(person, found, now) if lookback else Recent()
    workload = await _workload(person, found)
    incident = found.incidents[0] if found.incidents else None
    status = (incident.get("status") or {}) if incident else {}
    stalled, throttled = found.condition("Stalled"), found.condition("Throttled")
    return PolicyDetail(
        line=line(found, now),
        generation=found.generation,
        judged_generation=int(found.status.get("observedGeneration", -1)),
        interval=spec.interval if spec else timedelta(0),
        source=spec.source if spec else "",
        targets=_targets(found),
        release=_release(workload, now),
        replicas=f"{workload.available} of {workload.replicas} available" if workload else "",
        rolling=_rolling(workload) if workload else "",
        incident=incident["metadata"]["name"] if incident else "",
        phase=str(status.get("phase", "Open")) if incident else "",
        message=str(status.get("message", "")),
        checks=tuple(_checks(found, recent)),
        recent_left_out=recent.left_out,
        ladder=tuple(_rung(remedy, found, incident, now) for remedy in spec.remedies) if spec else (),
        limits=_limits(spec, found, incident, now) if spec else "",
        blame=_blame(status),
        last=_last(found),
        held=f"{throttled['reason']}: {throttled['message']}" if found.has("Throttled") else "",
        problem=str(stalled["message"]) if found.has("Stalled") else "",
    )


async def _workload(person: Person, found: Situation) -> Workload | None:
    """The one that it names, if they may see it."""
    target = found.spec.target if found.spec else None
    if target is None or target.name is None:
        return None
    body = await person.find(Ref(WORKLOADS[target.kind], found.namespace, target.name))
    return workload_from(body) if body is not None else None


def _targets(found: Situation) -> str:
    targets = found.status.get("targets") or {}
    if found.spec is None or found.spec.target.name is not None or not targets:
        return ""
    parts = [f"{targets[word]} {word}" for word in ("healthy", "unhealthy", "unknown", "quiet") if targets.get(word)]
    return f"{targets.get('total', 0)}: {', '.join(parts)}"


def _release(workload: Workload | None, now: datetime) -> str:
    if workload is None:
        return ""
    since = workload.rolled_out_since
    return f"{short(workload.template_hash)}{f' for {format_duration(now - since)}' if since else ''}"


def _rolling(workload: Workload) -> str:
    if workload.observed_generation < workload.generation:
        return "its controller has not seen the newest spec yet"
    return "" if workload.rolled_out else f"{workload.updated} of {workload.replicas} updated"


def _checks(found: Situation, recent: Recent) -> Iterator[CheckLine]:
    """As they were judged; those that were not yet, as the spec has them."""
    spec = found.spec
    checks = {check.name: check for check in spec.checks} if spec else {}
    rows = {row["name"]: row for row in found.status.get("checks") or ()}
    for name in dict.fromkeys([*checks, *rows]):
        row, check = rows.get(name, {}), checks.get(name)
        yield CheckLine(
            name=name,
            verdict=str(row.get("verdict", "")),
            value=str(row.get("value") or ""),
            bound=_bound(check),
            hold=check.for_ if check else None,
            since=parse_time(row["since"]) if row.get("since") else None,
            message=str(row.get("message", "")),
            course=recent.courses.get(name),
        )


def _bound(check: Check | None) -> str:
    if check is None:
        return ""
    if check.unhealthy is not None:
        return str(check.unhealthy)
    return "alert" if check.alert is not None else check.preset or ""


def _rung(remedy: Remedy, found: Situation, incident: Body | None, now: datetime) -> RungLine:
    name = incident["metadata"]["name"] if incident else ""
    mine = [change for change in found.changes if change.remedy == remedy.name and name and change.incident == name]
    action = kind_of(remedy).name.value
    return RungLine(name=remedy.name, action=action, now=_tried(newest(mine), remedy, incident, now))


def _tried(change: Change | None, remedy: Remedy, incident: Body | None, now: datetime) -> Happening:
    """How a remedy stands in the open incident."""
    if incident is None:
        return SILENCE
    if change is None:
        unhealthy = set((incident.get("status") or {}).get("checks") or ())
        fits = remedy.checks is None or bool(unhealthy & set(remedy.checks))
        return SILENCE if fits else Happening(state=State.QUIET, text=f"only for {', '.join(remedy.checks or ())}")
    if is_question(change, now):
        left = f", {format_duration(change.expires_at - now)} left" if change.expires_at else ""
        return Happening(state=State.ASKS, text=f"{doing(change)} waits for approval{left}")
    return _became(change)


def _became(change: Change) -> Happening:
    """What came of a change that waits for nobody."""
    if change.decision in {Decision.REFUSE, Decision.ADVISE}:
        times = f", {change.occurrences} times" if change.occurrences > 1 else ""
        return Happening(state=State.HELD, text=f"{change.reason}{times}")
    if change.decision is Decision.DRY_RUN:
        return Happening(state=State.REHEARSED, text=f"rehearsed: {doing(change)}")
    if change.outcome is None:
        return Happening(text=f"{doing(change)} is under way")
    helped = change.outcome is Outcome.RECOVERED
    return Happening(state=State.GOOD if helped else State.BAD, text=f"{doing(change)}: {change.outcome.value}")


def _limits(spec: HealthPolicySpec, found: Situation, incident: Body | None, now: datetime) -> str:
    """How much of what the policy may do on its target is used up."""
    if spec.target.name is None and incident is None:
        return f"at most {spec.limits.max_actions} in {format_duration(spec.limits.per)} a target"
    target = incident["spec"]["targetRef"].get("uid", "") if incident else ""
    counted = [counted_action(one, found.namespace) for one in found.changes if not target or one.target_uid == target]
    times = [one.at for one in counted if one is not None]
    recent = [at for at in times if now - at < spec.limits.per]
    since = now - max(times) if times else spec.limits.cooldown
    left = spec.limits.cooldown - since
    cooldown = f"cooldown for {format_duration(left)}" if left > timedelta(0) else "no cooldown"
    return f"acts {len(recent)} of {spec.limits.max_actions} in {format_duration(spec.limits.per)} · {cooldown}"


def _blame(status: Body) -> str:
    found = status.get("blame")
    return f"{found['message']} ({found['confidence']})" if found else ""


def _last(found: Situation) -> str:
    change = newest([one for one in found.changes if one.decision is not Decision.REFUSE])
    if change is None:
        return ""
    outcome = f", {change.outcome.value}" if change.outcome else ""
    return f"{change.name} {change.decision.value} {doing(change)}{outcome}"
