"""What was worked out once, up to so many bytes: how many entries fit is not for their authors to say.

Everything is asked for in turn, at each tick anew. Where not all of it fits, whoever forgot what was not asked for
longest would each time forget just what comes next, and never know anything. So what is forgotten is left to chance:
of twice what fits, a fifth is still known when its turn comes.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from random import Random
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class Remembered(Generic[K, V]):
    """A memory that forgets something, whatever it is, when it gets larger than `limit`."""

    limit: int
    """Bytes, as `size` counts them."""
    size: Callable[[K, V], int]
    taken: int = 0
    _values: dict[K, tuple[V, int]] = field(default_factory=dict)
    _keys: list[K] = field(default_factory=list)
    _chance: Random = field(default_factory=lambda: Random(0))  # noqa: S311 - keeps no secret

    def get(self, key: K, work: Callable[[], V]) -> V:
        """The value of `key`, worked out if it is not known; what `work` raises is not remembered."""
        known = self._values.get(key)
        if known is not None:
            return known[0]
        value = work()
        self._values[key] = known = (value, self.size(key, value))
        self._keys.append(key)
        self.taken += known[1]
        while self.taken > self.limit:
            self._forget_one()
        return value

    def __len__(self) -> int:
        """Entries."""
        return len(self._values)

    def _forget_one(self) -> None:
        place = self._chance.randrange(len(self._keys))
        self._keys[place], self._keys[-1] = self._keys[-1], self._keys[place]
        _, size = self._values.pop(self._keys.pop())
        self.taken -= size
