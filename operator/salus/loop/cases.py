"""All cases, to be found by policy and by target: with ten thousand of them nobody walks through all for one."""

from collections import UserDict, defaultdict

from salus.loop.world import Case
from salus.model.values import PolicyKey, TargetKey

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
