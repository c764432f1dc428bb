"""What people are asked, from a record and what lies around it. Pure, but for reading that at the beginning.

What lies around is nice to have: who may only answer reads the record, its policy and its incident, and no more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from salus.cli.look.happening import doing
from salus.cli.past.attempts import evidence, of_incident, patch_lines, replicas
from salus.cli.person import Person
from salus.cli.reports.question import Question
from salus.cli.spans import span
from salus.core.actions import KINDS, kind_of
from salus.core.objects.workloads import same_release, short, workload_from
from salus.core.policy.compile import SpecError, parse_spec
from salus.core.records.changes import past_change, past_changes, question_digest
from salus.core.records.names import TARGET_LABEL, target_id
from salus.core.records.releases import releases_from
from salus.core.remedy.approvals import if_nobody_answers
from salus.core.remedy.ladder import Exhausted, Proposal, Wait, mode_of
from salus.model.change import ActionKind
from salus.model.incident import BlameKind
from salus.model.meta import WorkloadKind
from salus.model.policy import Mode, Remedy, Verdict
from salus.model.scalars import Body, parse_time
from salus.model.values.changes import Change
from salus.model.values.keys import PolicyKey, TargetKey
from salus.model.values.metrics import Finding
from salus.model.values.objects import Release, Workload
from salus.model.values.policies import Policy
from salus.ports import CHANGE_EVENTS, HEALTH_POLICIES, INCIDENTS, KEPT_RELEASES, WORKLOADS, Ref


@dataclass(frozen=True, slots=True)
class Around:
    """What there is beside the record; None where it is not there, or not theirs to see."""

    policy: Body | None = None
    incident: Body | None = None
    changes: Sequence[Body] = ()
    """Of the incident."""
    workload: Workload | None = None
    kept: Sequence[Release] = ()


async def around(person: Person, body: Body) -> Around:
    """What helps to decide. Raises CannotBeAsked where nobody answers at all."""
    spec, namespace = body["spec"], body["metadata"]["namespace"]
    key = TargetKey(namespace, WorkloadKind(spec["targetRef"]["kind"]), spec["targetRef"]["name"])
    named = (spec.get("incidentRef") or {}).get("name")
    labels = {TARGET_LABEL: target_id(key)}
    incident = await person.find(Ref(INCIDENTS, namespace, named)) if named else None
    changes = await person.around(CHANGE_EVENTS, namespace, labels) if named else []
    workload = await person.find(Ref(WORKLOADS[key.kind], namespace, key.name))
    kept = (
        await person.around(KEPT_RELEASES, namespace, labels)
        if KINDS[ActionKind(spec["action"])].replaces_release
        else []
    )
    return Around(
        policy=await person.find(Ref(HEALTH_POLICIES, namespace, spec["policyRef"]["name"])),
        incident=incident,
        changes=of_incident(str(named), changes),
        workload=_workload(workload),
        kept=releases_from(kept, key),
    )


def _workload(body: Body | None) -> Workload | None:
    try:
        return workload_from(body) if body is not None else None
    except ValueError:  # somebody's own idea of a workload
        return None


def closed(body: Body, now: datetime) -> str | None:
    """Why a record cannot be answered; None when it can."""
    spec, status = body["spec"], body.get("status") or {}
    if spec["decision"] != "AwaitApproval":
        return f"asks nobody: its decision is {spec['decision']}"
    if approval := spec.get("approval"):
        at = f" at {approval['at']}" if approval.get("at") else ""
        return f"was answered already: {approval['decision']} by {approval['by']}{at}"
    if status.get("outcome"):
        return f"is over: {status['outcome']}, {status.get('message', '')}"
    expires = spec.get("expiresAt")
    if expires and parse_time(expires) <= now:
        return f"expired at {expires}; if the service is still unhealthy, Salus goes on with the next remedy"
    if question_digest(body["metadata"]["namespace"], spec) != spec.get("digest"):
        return "is not what Salus wrote: its digest does not fit its patch; do not approve it"
    return None


def question(body: Body, known: Around, now: datetime) -> Question:
    """The record for a person who decides: what is done to what, why, as whom, how long there is, and what if not."""
    spec, change = body["spec"], past_change(body)
    before, after = spec.get("before") or {}, spec.get("intended") or {}
    return Question(
        namespace=body["metadata"]["namespace"],
        name=change.name,
        policy=change.policy,
        target=f"{spec['targetRef']['kind']}/{spec['targetRef']['name']}",
        generation=str(before.get("generation", "")),
        action=change.action.value,
        doing=doing(change),
        message=change.message,
        release=_live(change, known, now),
        back_to=_back_to(change, known, now),
        patch=tuple(patch_lines(spec.get("patch") or ())),
        images=_coming(before, after),
        replicas=replicas(change.before, change.intended),
        because=tuple(evidence([body])),
        identity=(spec.get("actor") or {}).get("identity", ""),
        asked_at=change.decided_at,
        expires_at=change.expires_at,
        otherwise=_otherwise(change, known, now),
    )


def _coming(before: Body, intended: Body) -> str:
    """Which images a rollback brings back, and which it takes away; nothing for another action."""
    if before.get("release") == intended.get("release"):
        return ""
    back, live = (", ".join(facts.get("images") or ()) or "not on record" for facts in (intended, before))
    return f"{back}, instead of {live}"


def _live(change: Change, known: Around, now: datetime) -> str:
    """The release that runs, and for how long."""
    release = change.before.release if change.before else ""
    if not release:
        return ""
    began = _began(known)
    return f"{short(release)}{f' for {span(now - began)}' if began is not None else ''}"


def _began(known: Around) -> datetime | None:
    """When it was rolled out: as the incident blames it, or as the workload tells."""
    blame = ((known.incident or {}).get("status") or {}).get("blame") or {}
    if blame.get("kind") == BlameKind.RELEASE and blame.get("startedAt"):
        return parse_time(blame["startedAt"])
    return known.workload.rolled_out_since if known.workload else None


def _back_to(change: Change, known: Around, now: datetime) -> str:
    release = change.intended.release if change.intended else ""
    if not KINDS[change.action].replaces_release or not release:
        return ""
    kept = next((one for one in known.kept if same_release(one.named, release)), None)
    proven = f", proven healthy {span(now - kept.healthy_at)} ago" if kept and kept.healthy_at else ""
    return f"{short(release)}{proven}"


# --- if nobody answers


def _otherwise(change: Change, known: Around, now: datetime) -> str:
    policy = _policy(known.policy)
    if policy is None or known.policy is None:
        return ""
    findings = [_unhealthy(name, now) for name in _unhealthy_checks(known.policy, change)]
    match if_nobody_answers(change, policy, past_changes(known.changes), findings):
        case Proposal(remedy=remedy):
            return _goes_on(policy, remedy)
        case Wait(message=message):
            return f"Salus waits: {message}"
        case Exhausted():
            return "no other remedy is left: people are told"


def _policy(body: Body | None) -> Policy | None:
    if body is None:
        return None
    metadata = body["metadata"]
    try:
        spec = parse_spec(body)
    except SpecError:
        return None
    key = PolicyKey(metadata["namespace"], metadata["name"])
    return Policy(key, metadata.get("uid", ""), int(metadata.get("generation") or 0), spec, ())


def _unhealthy_checks(policy: Body, change: Change) -> Iterator[str]:
    """As the policy says now; where it does not say, as when it was asked."""
    rows = (policy.get("status") or {}).get("checks") or ()
    now = [row["name"] for row in rows if row.get("verdict") == Verdict.UNHEALTHY]
    return iter(now or [check for check, _ in change.evidence])


def _unhealthy(check: str, now: datetime) -> Finding:
    return Finding(check=check, verdict=Verdict.UNHEALTHY, reason="", message="", query="", observed_at=now)


def _goes_on(policy: Policy, remedy: Remedy) -> str:
    kind = kind_of(remedy).name
    if not kind.writes:
        return f"people are told ({remedy.name})"
    verb = {Mode.OBSERVE: "rehearses", Mode.APPROVE: "asks about", Mode.ENFORCE: "tries"}[mode_of(policy, remedy)]
    return f"Salus {verb} the next remedy: {remedy.name} ({kind})"
