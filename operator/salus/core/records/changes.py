"""How change events are written and read back. How they are named is in `core/records/names`."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from salus.core.actions import kind_of
from salus.core.records.names import change_name, labels, patched_ref, policy_ref, target_ref
from salus.model.change import ActionKind, ApprovalDecision, Decision, Facts, ManagedBy, Outcome, Proof, TakeBack
from salus.model.meta import AutoscalerKind
from salus.model.policy import Mode, Verdict
from salus.model.scalars import API_VERSION, Body, format_decimal, format_time, parse_time
from salus.model.values.changes import Action, Change, Refusal, Then
from salus.model.values.keys import ScalerKey, TargetKey
from salus.model.values.metrics import Finding
from salus.model.values.objects import Workload
from salus.model.values.policies import Policy

FORMAT = 1
"""Of the records that this Salus writes; it reads all before it too. docs/reference/records.md says what each means."""
MESSAGE_LENGTH = 1024
QUERY_LENGTH = 2048
LARGEST = 12 * 1024
"""Bytes of a new record as JSON; the rest of its 16 KiB is left to its status."""
_CUTS = ((QUERY_LENGTH, 20), (512, 20), (128, 4))
"""Characters of each query and number of images, less and less until the record is small enough; at last none."""


_DECISION_OF_MODE = {
    Mode.OBSERVE: Decision.DRY_RUN,
    Mode.APPROVE: Decision.AWAIT_APPROVAL,
    Mode.ENFORCE: Decision.ACT,
}

_WORD_OF_TODAY = {"NotOwned": "NotPermitted"}
"""Reasons that an older Salus has put on record by another word."""


def decision_of(mode: Mode, kind: ActionKind) -> Decision:
    """What an unopposed action becomes; the one difference that the mode makes. Nobody approves a notification."""
    if mode is Mode.APPROVE and not kind.writes:
        return Decision.ACT
    return _DECISION_OF_MODE[mode]


def decision_on(refusal: Refusal) -> Decision:
    """How the record of a refused remedy stands: an advice goes to those who may follow it."""
    return Decision.ADVISE if refusal.then is Then.ADVISE else Decision.REFUSE


def notification(workload: Workload, why: Refusal) -> Action:
    """A call to people, as the action that its record tells of."""
    facts = workload.facts()
    return Action(ActionKind.NOTIFY, "", workload.key, workload.uid, why.message, facts, facts, reason=why.reason)


@dataclass(frozen=True, slots=True)
class Entry:
    """Everything that a change event says, before it has a number."""

    policy: Policy
    action: Action
    decision: Decision
    reason: str
    message: str
    decided_at: datetime
    incident: Body | None = None
    because: Sequence[Finding] = ()
    findings: Sequence[Finding] = ()
    """What all checks said; `because` is of these."""
    managed_by: ManagedBy | None = None
    operator: str = ""
    identity: str = ""
    expires_at: datetime | None = None
    """When a question to people is over."""
    sinks: tuple[str, ...] = ()
    """The sinks that are told of it."""


def change_body(entry: Entry, sequence: int, patch: Sequence[Any]) -> dict[str, Any]:
    """A new ChangeEvent; `patch` is the stamped one. What is long in it is cut until it holds at most `LARGEST`."""
    bodies = (_change_body(entry, sequence, patch, *cut) for cut in _CUTS)
    return next((body for body in bodies if _size(body) <= LARGEST), None) or _change_body(entry, sequence, patch, 0, 0)


def _change_body(entry: Entry, sequence: int, patch: Sequence[Any], query_length: int, images: int) -> dict[str, Any]:
    action, policy = entry.action, entry.policy
    spec: dict[str, Any] = {
        "format": FORMAT,
        "decision": entry.decision.value,
        "action": action.kind.value,
        "reason": entry.reason,
        "message": entry.message[:MESSAGE_LENGTH],
        "policyRef": policy_ref(policy),
        "targetRef": target_ref(action.target, action.target_uid),
        "remedy": action.remedy,
        "sequence": sequence,
        "decidedAt": format_time(entry.decided_at),
        "evidence": [_evidence(finding, query_length) for finding in entry.because],
        "before": _facts(action.before, images),
        "intended": _facts(action.intended, images),
        "patch": list(patch),
        "inverse": list(action.inverse),
        "actor": {"operator": entry.operator, "identity": entry.identity},
        "change": policy.spec.change.to_dict(),
        **_fixed(entry, patch),
    }
    if entry.incident is not None:
        metadata = entry.incident["metadata"]
        spec["incidentRef"] = {"name": metadata["name"], "uid": metadata.get("uid", "")}
    if action.patched is not None:
        spec["patchedRef"] = patched_ref(action.patched)
    if entry.sinks:
        spec["sinks"] = list(entry.sinks)
    if action.undoes:
        spec["undoes"] = action.undoes
    if entry.managed_by is not None:
        spec["managedBy"] = entry.managed_by.to_dict()
    if entry.expires_at is not None:
        spec["expiresAt"] = format_time(entry.expires_at)
        spec["digest"] = question_digest(policy.key.namespace, spec)
    metadata = {
        "name": change_name(action.target, sequence),
        "namespace": policy.key.namespace,
        "labels": labels(policy.key.name, action.target),
    }
    return {"apiVersion": API_VERSION, "kind": "ChangeEvent", "metadata": metadata, "spec": spec}


def _fixed(entry: Entry, patch: Sequence[Any]) -> dict[str, Any]:
    """What the policy says now of verifying this change and of taking it back: it holds for the change to its end.

    Who edits the policy afterwards may have no right on the workload, and has Salus write there by nothing else.
    """
    policy, action = entry.policy, entry.action
    fixed: dict[str, Any] = {}
    if patch and not action.undoes:
        lacked = (entry.incident or {}).get("spec", {}).get("withoutData") or ()
        fixed["proof"] = proof_by(policy, entry.findings, lacked).to_dict()
    if action.inverse:
        fixed["takeBack"] = take_back_by(policy, action.remedy).to_dict()
    return fixed


def take_back_by(policy: Policy, name: str) -> TakeBack:
    """When a change by the remedy of this name is taken back, as the policy is now."""
    remedy = next((remedy for remedy in policy.spec.remedies if remedy.name == name), None)
    wish = kind_of(remedy).revert_after if remedy else None
    return TakeBack(on_failure=policy.spec.verify.on_failure, revert_after=wish(remedy) if remedy and wish else None)


def proof_by(policy: Policy, findings: Iterable[Finding] = (), without_data: Iterable[str] = ()) -> Proof:
    """By what a change is verified, as the policy and its checks are now. `without_data`: before the fault."""
    pace = policy.spec.verify
    judged = {Verdict.HEALTHY, Verdict.UNHEALTHY}
    return Proof(
        settle=pace.settle,
        stable=pace.stable,
        timeout=pace.timeout,
        checks=checks_digest(policy),
        unjudged=tuple(found.check for found in findings if found.verdict not in judged),
        without_data=tuple(without_data),
    )


def checks_digest(policy: Policy) -> str:
    """SHA-256 of everything in a policy that an answer depends on.

    Defaults are left out, so that a field which a later Salus adds leaves the digest as it is.
    """
    spec = policy.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, include={"source", "interval"})
    checks = [check.model_dump(mode="json", by_alias=True, exclude_defaults=True) for check in policy.spec.checks]
    return _sha256([spec, sorted(checks, key=lambda check: str(check["name"]))])


def _sha256(value: Any) -> str:  # noqa: ANN401 — anything that JSON can say
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def question_digest(namespace: str, spec: Mapping[str, Any]) -> str:
    """What a person approves, in 64 hex characters: this target in this generation, this action, this patch.

    With it goes the object that the patch is for. Whoever shows the record to them and whoever does the action computes
    it anew, from the record.
    """
    target = spec["targetRef"]
    bound = (
        *(namespace, target["kind"], target["name"], target.get("uid", "")),
        *((spec.get("before") or {}).get("generation"), spec["action"], spec.get("patch") or []),
        spec.get("patchedRef"),
    )
    return _sha256(bound)


def _size(body: Body) -> int:
    return len(json.dumps(body, ensure_ascii=False).encode())


def _facts(facts: Facts, images: int) -> dict[str, Any]:
    return facts.model_copy(update={"images": facts.images[:images]}).to_dict()


def _evidence(finding: Finding, query_length: int) -> dict[str, str]:
    evidence = {
        "check": finding.check,
        "query": " ".join(finding.query.split())[:query_length],
        "value": "" if finding.value is None else format_decimal(finding.value),
        "threshold": finding.threshold,
        "observedAt": format_time(finding.observed_at),
    }
    if finding.since is not None:
        evidence["since"] = format_time(finding.since)
    return evidence


def past_change(body: Body) -> Change:
    """A ChangeEvent as limits, verification and undo read it."""
    metadata, spec, status = body["metadata"], body["spec"], body.get("status") or {}
    return Change(
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        sequence=spec["sequence"],
        decision=Decision(spec["decision"]),
        action=ActionKind(spec["action"]),
        reason=_WORD_OF_TODAY.get(spec["reason"], spec["reason"]),
        policy=spec["policyRef"]["name"],
        policy_generation=spec["policyRef"].get("generation") or 0,
        incident=(spec.get("incidentRef") or {}).get("name", ""),
        remedy=spec.get("remedy", ""),
        target_uid=spec["targetRef"].get("uid", ""),
        decided_at=parse_time(spec["decidedAt"]),
        applied_at=_time(status.get("appliedAt")),
        completed_at=_time(status.get("completedAt")),
        outcome=_outcome(status.get("outcome")),
        undoes=spec.get("undoes", ""),
        message=spec["message"],
        note=status.get("message", ""),
        occurrences=status.get("occurrences") or 1,
        evidence=tuple((e["check"], _number(e.get("value"))) for e in spec.get("evidence") or ()),
        before=Facts.model_validate(spec["before"]) if spec.get("before") else None,
        intended=Facts.model_validate(spec["intended"]) if spec.get("intended") else None,
        approval=_said(spec.get("approval") or {}),
        patched=_patched(spec.get("patchedRef")),
        approved_by=_approver(spec.get("approval") or {}),
        expires_at=_time(spec.get("expiresAt")),
        policy_uid=spec["policyRef"].get("uid") or "",
        sinks=tuple(spec.get("sinks") or ()),
        format=spec.get("format") or 0,
        take_back=TakeBack.model_validate(spec["takeBack"]) if spec.get("takeBack") else None,
        proof=Proof.model_validate(spec["proof"]) if spec.get("proof") else None,
    )


def belongs_to(change: Change, policy: Policy) -> bool:
    """Whether this very policy made the record, and not one of the same name that was deleted since."""
    return change.policy == policy.key.name and change.policy_uid in ("", policy.uid)


def is_by_this_text(change: Change, policy: Policy) -> bool:
    """Whether the policy says today what it said when the record was written."""
    return change.policy_uid == policy.uid and change.policy_generation == policy.generation


def _outcome(word: str | None) -> Outcome | None:
    """How it ended. Of a word that this Salus does not know, nothing follows but that it was done, and is over."""
    if not word:
        return None
    return next((known for known in Outcome if known == word), Outcome.INCONCLUSIVE)


def _said(approval: Mapping[str, Any]) -> ApprovalDecision | None:
    """What a person said; None also for a word that is neither a yes nor a no."""
    return next((known for known in ApprovalDecision if known == approval.get("decision")), None)


def _approver(approval: Mapping[str, Any]) -> str:
    ticket = f"ticket {approval['ticket']}" if approval.get("ticket") else ""
    why = ", ".join(filter(None, [ticket, approval.get("reason", "")]))
    return f"{approval.get('by', '')}{f' ({why})' if why else ''}"


def _patched(ref: Body | None) -> ScalerKey | None:
    return ScalerKey(AutoscalerKind(ref["kind"]), ref["name"], ref.get("uid", "")) if ref else None


def action_of(change: Change, recorded: Body, target: TargetKey) -> Action:
    """A recorded change as the action that guards judge again."""
    nothing = Facts()
    return Action(
        kind=change.action,
        remedy=change.remedy,
        target=target,
        target_uid=change.target_uid,
        message=change.message,
        before=change.before or nothing,
        intended=change.intended or nothing,
        patch=tuple(recorded["spec"].get("patch") or ()),
        undoes=change.undoes,
        reason=change.reason,
        patched=change.patched,
    )


def past_changes(bodies: Iterable[Body]) -> tuple[Change, ...]:
    """The records of a target, oldest first."""
    return tuple(sorted((past_change(body) for body in bodies), key=lambda change: change.sequence))


def _number(text: str | None) -> float | None:
    """A value of the evidence; None for what is no number."""
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None


def of_incident(changes: Iterable[Change], incident: Body | None) -> list[Change]:
    """The records that belong to this incident; none for None."""
    name = incident["metadata"]["name"] if incident else None
    return [change for change in changes if change.incident == name]


def newest(policy: Policy, changes: Sequence[Change]) -> Change | None:
    """The newest record of this policy."""
    return next((change for change in reversed(changes) if change.policy == policy.key.name), None)


def attempt(change: Change) -> dict[str, str]:
    """A change as a line of its incident."""
    line = {
        "remedy": change.remedy,
        "changeRef": change.name,
        "decision": change.decision.value,
        "reason": change.reason,
        "at": format_time(change.decided_at),
    }
    return {**line, "outcome": change.outcome.value} if change.outcome else line
