"""What is remembered per policy and target between two ticks; nobody but the case itself writes it.

All cases are found by policy and by target: with ten thousand of them nobody walks through all for one.
"""

import asyncio
from collections import UserDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from salus.contained import INTERNAL_ERROR
from salus.core.health.timing import has_lasted
from salus.core.objects.pods import NO_PODS_FOR, not_coming
from salus.core.remedy.change_lifecycle import Standing, standing
from salus.core.remedy.waiting import Held
from salus.model.values.changes import Change, Refusal
from salus.model.values.keys import PolicyKey, TargetKey
from salus.model.values.metrics import CheckState, Finding, Query
from salus.model.values.objects import Workload
from salus.model.values.permissions import Permissions
from salus.model.values.policies import Policy
from salus.model.values.surroundings import UnhealthyBefore


@dataclass(slots=True)
class Case:
    """One policy on one target. Everything here can be had again from the API server and Prometheus' history."""

    policy: PolicyKey
    target: TargetKey
    asked: Policy | None = None
    """The policy as it was when its checks were last asked."""
    questions: tuple[Policy, tuple[TargetKey, ...], tuple[Query, ...]] | None = None
    """The policy's checks as they are asked of this target: of which wording of it, and beside which rivals."""
    states: dict[str, CheckState] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    doubted: bool = False
    """Something failed: before the next step the records of the target are read anew."""
    followed: bool = False
    """The incident was brought up to its records, since this process knows of it."""
    carried: frozenset[str] = frozenset()
    """The changes that this process carries on: its own, and those that it found when it began."""
    begun: bool = False
    """Its records were looked at once by this process."""
    standing: tuple[Policy, tuple[Change, ...], frozenset[str], Standing] | None = None
    """How the target stands, and by which policy and records; computed once for the same ones."""
    look_again: datetime | None = None
    """When the undo or revert that something holds back is looked at again; None: nothing is held back."""
    counts: bool = False
    """The target is one of the fleet by this policy: it has pods, and the policy may act."""
    refusal: Refusal | None = None
    held: Held | None = None
    """The refusal that is waited out."""
    permissions: Permissions | None = None
    """What the policy's account may do, as far as it was found lately."""
    unwritten: tuple[Change, ...] = ()
    """What was decided and is not on record, since the namespace has had its records of this hour."""
    withheld: bool = False
    """The incident itself is not, and was counted."""
    counted: dict[str, int] = field(default_factory=dict)
    """Refusal record → how often it was given since."""
    good_release: str = ""
    """The release that is on record as the newest good one."""
    good_size: int = 0
    """How many replicas are on record for it; 0: none were noted by this process."""
    lost_size: int | None = None
    """How many replicas are on record for the target, of whichever release; None: that was not looked up."""
    sized: tuple[int, datetime] | None = None
    """How many replicas are asked for, and since when this process has seen that while all was well."""
    rolled_out: tuple[str, datetime] | None = None
    """The live release, and since when it is rolled out."""
    moved: tuple[tuple[object, ...], datetime] | None = None
    """The pods of the target, as a rollout moves them, and since when they are so."""
    looked_back_for: str = ""
    """The change whose time since its action this process has seen, or has asked Prometheus' history about."""
    looked_back: tuple[str, datetime | None] = ("", None)
    """The release for which Prometheus' history was asked, and when it is asked again where it did not tell."""
    before_release: tuple[datetime, frozenset[str], tuple[UnhealthyBefore, ...]] | None = None
    """When the suspect release began, the checks that were asked about, and those that were unhealthy then already."""
    no_answer: datetime | None = None
    """Since when nobody can tell whether the target is healthy again."""
    without_pods: datetime | None = None
    """Since when the target wants pods and does not get them."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the step that runs."""
    leaves: bool = False
    """The policy is gone, or beyond the caps, and the case is dropped when its step is finished."""

    # --- what its checks say

    def asks(
        self, policy: Policy, rivals: tuple[TargetKey, ...], make: Callable[[], tuple[Query, ...]]
    ) -> tuple[Query, ...]:
        """The policy's checks as they are asked of this target, made once for each wording of it.

        `rivals`: workloads whose pods may bear the names that the target's may have.
        """
        if self.questions is None or self.questions[0] is not policy or self.questions[1] != rivals:
            self.questions = policy, rivals, make()
        return self.questions[2]

    def remember(self, check: str, state: CheckState) -> None:
        """What a check has to remember until it is asked again."""
        self.states[check] = state

    def found(self, findings: tuple[Finding, ...], asked: Policy | None = None) -> None:
        """What the checks say; `asked`: the policy that was asked, where it was."""
        self.findings, self.asked = findings, asked or self.asked

    def renew(self) -> None:
        """The policy has a new generation: what its checks remember is of other questions, and what is owed is due."""
        self.states.clear()
        self.look_again, self.looked_back_for, self.good_release, self.questions = None, "", "", None

    # --- how it stands by its records

    def stands(self, policy: Policy, changes: tuple[Change, ...]) -> Standing:
        """By its records, which are the same ones at most ticks."""
        known, carried = self.standing, self.carried
        if known is None or known[0] is not policy or known[1] is not changes or known[2] is not carried:
            known = self.standing = policy, changes, carried, standing(policy, changes, carried)
        return known[3]

    def begins(self) -> bool:
        """Whether this process looks at its records for the first time."""
        first, self.begun = not self.begun, True
        return first

    def carry_on(self, names: frozenset[str]) -> None:
        """This process carries these changes on, and no other does."""
        if not names <= self.carried:
            self.carried |= names

    def end_step(self, *, sound: bool) -> None:
        """A step is over; one that failed leaves doubt about all that is known."""
        self.doubted = self.doubted or not sound
        if sound and self.refusal is not None and self.refusal.reason == INTERNAL_ERROR:
            self.refusal = None

    def is_certain(self) -> None:
        """The records of the target were read anew."""
        self.doubted, self.followed = False, False

    def is_followed(self) -> None:
        """The incident was brought up to its records."""
        self.followed = True

    def saw_since(self, change: Change) -> bool:
        """Whether the time since this change was seen by this process, or asked about; from now on it was."""
        seen, self.looked_back_for = self.looked_back_for == change.name, change.name
        return seen

    def not_coming(self, workload: Workload, now: datetime) -> str:
        """Which pods that it wants the target did not get for long, as far as this process can tell."""
        said = not_coming(workload)
        self.without_pods = (self.without_pods or now) if said else None
        lasted = self.without_pods is not None and has_lasted(self.without_pods, now, NO_PODS_FOR)
        return said if lasted else ""

    def in_doubt(self, doubted: bool, now: datetime) -> datetime | None:
        """Since when nobody can tell whether the target is healthy again, as far as this process knows."""
        self.no_answer = (self.no_answer or now) if doubted else None
        return self.no_answer

    # --- why nothing is done

    def refuse(self, refusal: Refusal | None) -> None:
        """Why nothing was done, when something would have been; None: there is no such reason."""
        self.refusal = refusal

    def wait_for(self, held: Held, interval: timedelta) -> None:
        """This refusal is waited out."""
        self.held = held.after(self.held, interval)

    def goes_ahead(self) -> None:
        """Nobody objects any more."""
        self.refusal = self.held = None

    def hold_back(self, until: datetime | None) -> None:
        """The undo or revert that is due is looked at again then; None: at once."""
        self.look_again = until

    def knows_permissions(self, permissions: Permissions | None) -> None:
        """What the policy's account may do, as far as it was found lately."""
        self.permissions = permissions

    # --- what is not on record

    def withhold_incident(self) -> bool:
        """The incident is not written; whether that is news."""
        news, self.withheld = not self.withheld, True
        return news

    def withhold(self, change: Change) -> None:
        """This was decided, and is not written."""
        self.unwritten = (*self.unwritten, change)

    def is_on_record(self) -> None:
        """There is an incident for what was decided."""
        self.unwritten = ()

    def count(self, refusal: Change) -> int:
        """How often this refusal was given by now."""
        self.counted[refusal.name] = self.counted.get(refusal.name, refusal.occurrences) + 1
        return self.counted[refusal.name]

    # --- when all is well

    def is_well(self) -> None:
        """Nothing is unhealthy, and there is no incident."""
        self.unwritten, self.withheld = (), False
        self.is_calm()

    def is_calm(self) -> None:
        """There is no reason any more why nothing was done, but for what is owed and held back."""
        if self.look_again is None:
            self.refusal = None

    def close(self) -> None:
        """The incident is closed: what was said in it is over."""
        self.refusal, self.unwritten = None, ()
        self.counted.clear()

    def lets_go(self, name: str) -> None:
        """Nothing comes of this change any more, or it is somebody else's."""
        self.carried -= {name}

    def knows_rollout_of(self, release: str) -> bool:
        """Whether it is known since when this release is rolled out."""
        return self.rolled_out is not None and self.rolled_out[0] == release

    def rolled_out_since(self, workload: Workload, now: datetime) -> datetime | None:
        """Since when the live release is rolled out, as far as this process can tell; None: it never was.

        What comes later does not count: a pod that is lost with its node, a restart, one replica more. Another
        configuration does: it has to prove itself like a release.
        """
        if self.rolled_out is None or self.rolled_out[0] != workload.proves:
            finished = workload.rolled_out_since or now
            self.rolled_out = (workload.proves, finished) if workload.rolled_out else None
        return self.rolled_out[1] if self.rolled_out else None

    def sized_since(self, workload: Workload, now: datetime) -> datetime:
        """Since when it has the size that it has, as far as this process can tell."""
        if self.sized is None or self.sized[0] != workload.replicas:
            self.sized = workload.replicas, now
        return self.sized[1]

    def moved_at(self, workload: Workload, now: datetime) -> datetime:
        """When the pods of a rollout were last seen to move, as far as this process has looked."""
        if self.moved is None or self.moved[0] != workload.rollout:
            self.moved = workload.rollout, now
        return self.moved[1]

    def keeps(self, release: str, size: int) -> None:
        """This release is on record as the newest good one, with so many replicas unless that is 0."""
        self.good_release, self.good_size, self.lost_size = release, size, None

    def lost(self, size: int) -> None:
        """Its pods are gone; so many are on record."""
        self.lost_size = size

    def looks_back(self, release: str, now: datetime) -> bool:
        """Whether Prometheus' history is to be asked about this release now: once, unless it does not tell."""
        known, again = self.looked_back
        return known != release or (again is not None and now >= again)

    def has_looked_back(self, release: str, again: datetime | None) -> None:
        """Prometheus' history was asked about this release; `again`: it did not tell, and is asked then."""
        self.looked_back = release, again

    def knows_before(self, began: datetime, checks: frozenset[str], unhealthy: tuple[UnhealthyBefore, ...]) -> None:
        """Which of these checks were unhealthy already when the suspect release began."""
        self.before_release = began, checks, unhealthy

    # --- its place among the others

    def counts_in_fleet(self, counts: bool) -> None:
        """Whether the target is one of the fleet by this policy."""
        self.counts = counts

    def leave(self) -> None:
        """Nobody speaks of the target any more: the case is dropped when its step is finished."""
        self.leaves = True


Key = tuple[PolicyKey, TargetKey]


class Cases(UserDict[Key, Case]):
    """A dict of cases with two indexes."""

    def __init__(self) -> None:
        self._of: defaultdict[PolicyKey, dict[Key, Case]] = defaultdict(dict)
        self._on: defaultdict[TargetKey, dict[Key, Case]] = defaultdict(dict)
        super().__init__()

    def of(self, policy: PolicyKey) -> list[Case]:
        """The policy's cases."""
        return list(self._of[policy].values()) if policy in self._of else []

    def on(self, target: TargetKey) -> list[Case]:
        """What the policies of a target see of it."""
        return list(self._on[target].values()) if target in self._on else []

    def __setitem__(self, key: Key, case: Case) -> None:
        super().__setitem__(key, case)
        policy, target = key
        self._of[policy][key] = self._on[target][key] = case

    def __delitem__(self, key: Key) -> None:
        super().__delitem__(key)
        policy, target = key
        del self._of[policy][key], self._on[target][key]
        if not self._of[policy]:
            del self._of[policy]
        if not self._on[target]:
            del self._on[target]
