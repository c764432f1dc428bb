"""What is remembered per policy and target between two ticks.

All cases are found by policy and by target: with ten thousand of them nobody walks through all for one.
"""

import asyncio
from collections import UserDict, defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from salus.core.remedy.lifecycle import Standing
from salus.core.remedy.waiting import Held
from salus.model.values.changes import Change, Refusal
from salus.model.values.keys import PolicyKey, TargetKey
from salus.model.values.metrics import CheckState, Finding, Query
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
    questions: tuple[Policy, tuple[Query, ...]] | None = None
    """The policy's checks as they are asked of this target, and which wording of it they are of."""
    states: dict[str, CheckState] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    doubted: bool = False
    """Something failed: before the next step the records of the target are read anew."""
    followed: bool = False
    """The incident was brought up to its records, since this process knows of it."""
    standing: tuple[Policy, tuple[Change, ...], Standing] | None = None
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
    rolled_out: tuple[str, datetime] | None = None
    """The live release, and since when it is rolled out."""
    looked_back_for: str = ""
    """The change whose time since its deed this process has seen, or has asked Prometheus' history about."""
    looked_back: str = ""
    """The release for which Prometheus' history was asked already."""
    before_release: tuple[datetime, frozenset[str], tuple[UnhealthyBefore, ...]] | None = None
    """When the suspect release began, the checks that were asked about, and those that were unhealthy then already."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the step that runs."""
    leaves: bool = False
    """The policy is gone, or beyond the caps, and the case is dropped when its step is finished."""


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
