"""Writes incidents and change events: the intent before the deed, the outcome after it, refusals once and counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from salus.core import incidents, records, withholding
from salus.core.actions.stamp import stamped
from salus.core.decide import binding
from salus.core.delivery import DELIVERED, recipients
from salus.core.records import Entry
from salus.core.status import condition
from salus.core.withholding import may_be_withheld
from salus.loop.world import Case, World, identity_of
from salus.model.change import Decision, Facts, Outcome
from salus.model.types import API_VERSION, Body, format_time
from salus.model.values import Action, Finding, Observation, PastChange, Policy, Refusal, Workload
from salus.ports import CHANGE_EVENTS, INCIDENTS, NotFound, Notice, Ref, Rejected, Resource, Throttled

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Journal:
    """The records of one operator."""

    world: World

    async def open_incident(
        self, policy: Policy, case: Case, workload: Workload, now: datetime, *, needed: bool = False
    ) -> None:
        """Have an incident for this case: one that is open, or a new one while the namespace has room for its record.

        `needed`: something is about to be done, and is recorded in any case.
        """
        if case.incident is not None:
            return
        if not needed and not self._has_room(policy.key.namespace, now):
            self._withhold_incident(case, now)
            return
        case.unwritten = case.unwritten if needed else ()
        began = min((f.since for f in case.findings if f.since and f.verdict == "Unhealthy"), default=now)
        stem = records.incident_name(policy, case.target, 0).removesuffix("0")
        number = self.world.records.last_incident_number(policy.key.namespace, stem) + 1
        body = records.incident_body(policy, workload, began, number)
        self.world.ledger.opened(body, now)
        case.incident = await self._create(INCIDENTS, body)
        log.info("incident opened", incident=case.incident["metadata"]["name"])
        note = f"{case.target} is unhealthy: " + "; ".join(
            f"{f.check}: {f.message}" for f in case.findings if f.verdict == "Unhealthy"
        )
        await self.tell(policy, case, "IncidentOpened", note, workload=workload, warning=True)

    def _has_room(self, namespace: str, now: datetime) -> bool:
        return self.world.ledger.has_room(namespace, self.world.bounds().records_per_hour, now)

    def _withhold_incident(self, case: Case, now: datetime) -> None:
        if not case.withheld:
            case.withheld = True
            self.world.ledger.withhold(case.policy.namespace, now)
            self.world.telemetry.withheld(case.policy.namespace)

    async def write_incident(self, case: Case, status: Mapping[str, Any]) -> None:
        """Write an incident's status if it says something new."""
        if case.incident is None:
            return
        written = case.incident.get("status") or {}
        if all(written.get(field) == value for field, value in status.items()):
            return
        ref = Ref(INCIDENTS, case.policy.namespace, case.incident["metadata"]["name"])
        try:
            case.incident = await self._write(ref, status)
        except NotFound:
            log.warning("the incident was deleted by someone", incident=ref.name)
            self.world.records.forget(ref, case.incident["metadata"]["uid"])
            case.incident = None

    async def enter(self, case: Case, entry: Entry, seen: Observation, seen_body: Body) -> PastChange:
        """Record a decision; what the namespace has no room for is counted, and remembered while the breach lasts."""
        namespace, now = entry.policy.key.namespace, entry.decided_at
        if not may_be_withheld(entry) or self._has_room(namespace, now):
            return records.past_change(await self.record(entry, seen, seen_body))
        unwritten = records.past_change(records.change_body(entry, 0, ()))
        case.unwritten = (*case.unwritten, unwritten)
        self.world.telemetry.withheld(namespace)
        await self._count_withheld(entry, seen, seen_body)
        return unwritten

    async def _count_withheld(self, entry: Entry, seen: Observation, seen_body: Body) -> None:
        """All that is not written is counted in one record an hour."""
        namespace = entry.policy.key.namespace
        withheld = self.world.ledger.withhold(namespace, entry.decided_at)
        if not withheld.record:
            await self.record(withholding.tally(entry, self.world.bounds().records_per_hour), seen, seen_body)
        elif withheld.count >= 2 * withheld.said:
            withheld.said = withheld.count
            ref = Ref(CHANGE_EVENTS, namespace, withheld.record)
            await self._write(ref, {"occurrences": withheld.count})

    async def record(self, entry: Entry, seen: Observation, seen_body: Body) -> Body:
        """Create the change event under the target's next number. Conflict if someone else took it.

        `seen_body` is the object that the action patches, as it was when the patch was made.
        """
        sequence = records.next_sequence(seen.changes, seen.newest)
        name = records.change_name(entry.action.target, sequence)
        acts = entry.decision in {Decision.ACT, Decision.DRY_RUN, Decision.AWAIT_APPROVAL}
        patch = stamped(entry.action.patch, seen_body, name) if acts else ()
        action = entry.action if acts else replace(entry.action, inverse=())
        sinks = recipients(self.world.sinks(), entry.policy.spec.sinks, action.target.namespace, action.kind)
        entry = replace(entry, action=action, operator=self.world.operator, sinks=sinks)
        created = await self._create(CHANGE_EVENTS, records.change_body(entry, sequence, patch))
        self.world.outbox.note(created)
        self.world.telemetry.decided(entry.decision.value, entry.action.kind, entry.reason)
        log.info(
            "decided",
            change=name,
            decision=entry.decision.value,
            action=entry.action.kind.value,
            reason=entry.reason,
            message=entry.message,
        )
        return created

    async def _create(self, resource: Resource, body: Body) -> Body:
        """Create a record; budgets count it from before the request, since others judge while it is under way."""
        known, refused = self.world.records, False
        known.intend(body)
        try:
            created = await self.world.cluster.create(resource, body)
            known.note(created)
        except (Rejected, Throttled):
            refused = True
            raise
        finally:
            known.intended(body, refused=refused)
        return created

    async def _write(self, ref: Ref, status: Mapping[str, Any]) -> Body:
        """Write the status of a record."""
        written = await self.world.cluster.update_status(ref, status)
        self.world.records.note(written)
        return written

    async def refuse(
        self, policy: Policy, case: Case, action: Action, refusal: Refusal, seen: Observation, body: Body
    ) -> PastChange | None:
        """Record a refusal; one that repeats within the incident is counted on its first record, in powers of two."""
        case.refusal = refusal
        mine = [
            c for c in (*records.of_incident(seen.changes, case.incident), *case.unwritten) if c.remedy == action.remedy
        ]
        said = [c for c in binding(policy, mine, seen.workload.release) if c.decision in {"Refuse", "Advise"}]
        before = next((c for c in said if c.reason == refusal.reason and c.undoes == action.undoes), None)
        if before is not None:
            if before not in case.unwritten:
                await self._count(case, before)
            return None
        entry = Entry(
            policy=policy,
            action=action,
            decision=Decision.ADVISE if refusal.then == "Advise" else Decision.REFUSE,
            reason=refusal.reason,
            message=refusal.message,
            decided_at=seen.now,
            incident=case.incident,
            because=_relevant(case.findings),
            managed_by=seen.managed_by,
        )
        refused = await self.enter(case, entry, seen, body)
        await self.tell(policy, case, refusal.reason, f"{action.kind}: {refusal.message}", workload=seen.workload)
        return refused

    async def _count(self, case: Case, refusal: PastChange) -> None:
        """Count a repeated refusal; it is written when the count reaches a power of two, so that it stays rare."""
        count = case.counted.get(refusal.name, refusal.occurrences) + 1
        case.counted[refusal.name] = count
        if count & (count - 1) == 0:
            ref = Ref(CHANGE_EVENTS, case.policy.namespace, refusal.name)
            await self._write(ref, {"occurrences": count})

    async def applied(self, change: PastChange, namespace: str, after: Facts, at: datetime) -> PastChange:
        """Note that the deed is done."""
        ref = Ref(CHANGE_EVENTS, namespace, change.name)
        status = {
            "observedGeneration": 1,
            "appliedAt": format_time(at),
            "after": after.to_dict(),
            "conditions": [condition("Applied", "True", "Patched", "the API server took the patch", at)],
        }
        written = await self._write(ref, status)
        return records.past_change(written)

    async def finish(
        self,
        change: PastChange,
        namespace: str,
        outcome: Outcome | None,
        message: str,
        now: datetime,
        *,
        perhaps: bool = False,
    ) -> PastChange:
        """Note how the change ended; a notification has no outcome: it is delivered, by its sinks if any.

        `perhaps`: nobody can tell whether it was done. It counts as done by now, since limits have to hold in any case.
        """
        ref = Ref(CHANGE_EVENTS, namespace, change.name)
        conditions = []
        if outcome is None:
            conditions += [] if change.sinks else [condition(DELIVERED, "True", "Posted", message, now)]
        elif perhaps:
            conditions.append(condition("Applied", "Unknown", outcome.value, message, now))
        elif change.applied_at:
            conditions.append(
                condition("Applied", "True", "Patched", "the API server took the patch", change.applied_at)
            )
        else:
            conditions.append(condition("Applied", "False", outcome.value, message, now))
        if outcome in {Outcome.RECOVERED, Outcome.NOT_RECOVERED, Outcome.WORSE, Outcome.INCONCLUSIVE}:
            verified = {Outcome.RECOVERED: "True", Outcome.INCONCLUSIVE: "Unknown"}.get(outcome, "False")
            conditions.append(condition("Verified", verified, outcome.value, message, now))
        status: dict[str, Any] = {
            "observedGeneration": 1,
            "outcome": outcome.value if outcome else None,
            "completedAt": format_time(now),
            "message": message[:1024],
            "conditions": conditions,
            **({"appliedAt": format_time(now)} if perhaps else {}),
        }
        written = await self._write(ref, status)
        self.world.outbox.note(written)
        finished = records.past_change(written)
        self.world.telemetry.finished(change.action, outcome.value if outcome else "Delivered")
        log.info("finished", change=change.name, outcome=outcome.value if outcome else "Delivered", message=message)
        return finished

    async def close_questions(self, changes: Sequence[PastChange], namespace: str, now: datetime) -> None:
        """The incident of these records is over: nobody needs to answer any more."""
        for change in changes:
            if not change.waits:
                continue
            if change.open:
                text = f"approved by {change.approved_by}, but the incident was over before it was done"
                await self.finish(change, namespace, Outcome.ABANDONED, text, now)
            else:
                text = "the incident was over before a person answered"
                await self.finish(change, namespace, Outcome.EXPIRED, text, now)

    async def tell(
        self,
        policy: Policy,
        case: Case,
        reason: str,
        note: str,
        *,
        workload: Workload | None = None,
        warning: bool = False,
    ) -> None:
        """Post the Event regarding the workload, and the one regarding the policy."""
        about_policy = policy_reference(policy)
        about_target = {
            "apiVersion": "apps/v1",
            "kind": case.target.kind.value,
            "namespace": case.target.namespace,
            "name": case.target.name,
            "uid": workload.uid if workload else "",
        }
        for regarding, related in ((about_target, about_policy), (about_policy, about_target)):
            await self.world.recorder.post(
                Notice(regarding=regarding, reason=reason, action="Heal", note=note, warning=warning, related=related)
            )

    def entry(
        self,
        policy: Policy,
        case: Case,
        action: Action,
        because: Sequence[Finding],
        decision: Decision,
        seen: Observation,
    ) -> Entry:
        """What the record of an action that nobody objects to says."""
        acts = action.kind.writes
        return Entry(
            policy=policy,
            action=action,
            decision=decision,
            reason=action.reason or (because[0].reason if because else "Unhealthy"),
            message=action.message,
            decided_at=seen.now,
            incident=case.incident,
            because=because,
            managed_by=seen.managed_by,
            identity=identity_of(self.world, policy) if acts else "",
            expires_at=seen.now + self.world.approval_expiry() if decision is Decision.AWAIT_APPROVAL else None,
        )

    async def follow(self, case: Case, changes: Sequence[PastChange], now: datetime) -> None:
        """Bring the incident's status up to its records."""
        if case.incident is None:
            return
        mine = records.of_incident(changes, case.incident)
        await self.write_incident(case, incidents.progress(case.incident, mine, case.findings, now))


def policy_reference(policy: Policy) -> dict[str, str]:
    """A policy, as an Event refers to it."""
    return {
        "apiVersion": API_VERSION,
        "kind": "HealthPolicy",
        "namespace": policy.key.namespace,
        "name": policy.key.name,
        "uid": policy.uid,
    }


def _relevant(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """What a refusal shows: everything that is not simply healthy."""
    return tuple(f for f in findings if f.verdict != "Healthy")[:16]
