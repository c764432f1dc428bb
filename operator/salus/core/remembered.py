"""What was worked out once, up to so many bytes: how many entries fit is not for their authors to say."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class Remembered(Generic[K, V]):
    """A memory that forgets what was not asked for longest, when it gets larger than `limit`."""

    limit: int
    """Bytes, as `size` counts them."""
    size: Callable[[K, V], int]
    taken: int = 0
    _values: dict[K, tuple[V, int]] = field(default_factory=dict)
    """The one that was asked for last comes last."""

    def get(self, key: K, work: Callable[[], V]) -> V:
        """The value of `key`, worked out if it is not known; what `work` raises is not remembered."""
        known = self._values.pop(key, None)
        if known is None:
            value = work()
            known = (value, self.size(key, value))
            self.taken += known[1]
        self._values[key] = known
        while self.taken > self.limit:
            self._forget_oldest()
        return known[0]

    def __len__(self) -> int:
        """Entries."""
        return len(self._values)

    def _forget_oldest(self) -> None:
        _, size = self._values.pop(next(iter(self._values)))
        self.taken -= size
