"""How the table of presets is written: in each state the series that an exporter shows, and what comes of them.

Every row is played for each kind of workload that the preset speaks of. Beside each of the four states there is a
neighbour of a longer name that is ill, which must change nothing.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from salus.model.meta import WorkloadKind
from salus.model.policy import Verdict
from salus.model.values.keys import TargetKey
from salus.presets import load_presets
from tests.kubernetes_names import LETTERS, pod_name
from tests.presets import Question, question

DEPLOYMENT, STATEFUL_SET, DAEMON_SET = WorkloadKind.DEPLOYMENT, WorkloadKind.STATEFUL_SET, WorkloadKind.DAEMON_SET
WELL, ILL, BLIND, ZERO = "well", "ill", "blind", "scaled to zero"
STATES = (WELL, ILL, BLIND, ZERO)

Labels = Mapping[str, str]


AGES = (*range(1200, 240, -60), *range(240, 0, -15), 1)
"""Seconds before now at which series may have been written."""
GONE: float = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
"""The sample by which Prometheus marks a series as gone."""


@dataclass(frozen=True, slots=True)
class Line:
    """A series over the last minutes: a number that stays, or (`per_second`) a counter that rises."""

    name: str
    labels: Labels
    value: float = 0.0
    per_second: float = 0.0
    until: float = 1.0
    """Seconds before now at which it was written last."""
    since: float = 240.0
    """Seconds before now at which it was written first."""
    was: tuple[float, float] | None = None
    """Another value, which it had so many seconds before now."""
    gone: bool = False
    """Whether Prometheus has seen that it is there no more."""

    def samples(self, now: float) -> Iterator[tuple[float, float]]:
        """Of (Unix time in seconds, value), oldest first."""
        for age in AGES:
            if self.since >= age >= self.until:
                yield now - age, self._at(age)
            elif self.gone and age < self.until:
                yield now - age, GONE
                return

    def _at(self, age: float) -> float:
        value = self.was[0] if self.was is not None and age > self.was[1] else self.value
        return value + self.per_second * (1000 - age)


@dataclass(frozen=True, slots=True)
class Place:
    """A workload with its pods, of two releases where it is a Deployment, as during a rollout."""

    namespace: str
    kind: WorkloadKind
    name: str = "api"
    pods: int = 2

    @property
    def key(self) -> TargetKey:
        """The workload."""
        return TargetKey(self.namespace, self.kind, self.name)

    def pod(self, index: int) -> str:
        """Name of a pod."""
        if self.kind is STATEFUL_SET:
            return pod_name(self.key, index)
        rest, letters = index, ""
        for _ in range(5):
            rest, letter = divmod(rest, len(LETTERS))
            letters += LETTERS[letter]
        return pod_name(self.key, 3_000_000_000 + index % 2, letters)

    @property
    def of_pods(self) -> Sequence[dict[str, str]]:
        """What series that are scraped from pods carry: one for each pod."""
        return [{"namespace": self.namespace, "pod": self.pod(index)} for index in range(self.pods)]

    @property
    def label(self) -> dict[str, str]:
        """The label by which exporters name it that speak of workloads."""
        return {"namespace": self.namespace, self.kind.lower(): self.name}


Rows = Callable[[Place], Iterable[Line]]
"""The series of a workload."""


def nothing(_: Place) -> Iterable[Line]:
    """No series at all."""
    return ()


@dataclass(frozen=True, slots=True)
class Told:
    """The series that are there, and what must come of them."""

    state: str
    rows: Rows
    value: float | None
    """None: no data."""
    given: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the preset."""
    beside: Rows = nothing
    """The series of the neighbour."""
    pods: int = 2
    quiet: bool = False
    reason: str = "NoSeries"
    """Of no data."""
    within: float = 0.005
    """How far off the value may be."""

    def lines(self, namespace: str, kind: WorkloadKind) -> Iterator[Line]:
        """All that is to be written."""
        place = Place(namespace, kind, pods=self.pods)
        yield from self.rows(place)
        yield from self.beside(replace(place, name="api-admin", pods=2))


@dataclass(frozen=True, slots=True)
class Case:
    """One preset in one variant, of one kind of workload, in one state."""

    question: Question
    told: Told

    def lines(self, namespace: str) -> Iterator[Line]:
        """All that is to be written, for a workload in this namespace."""
        return self.told.lines(namespace, self.question.kind)

    @property
    def kind(self) -> WorkloadKind:
        """Of the workload."""
        return self.question.kind

    @property
    def verdict(self) -> Verdict:
        """By the preset's own bound."""
        if self.told.quiet or self.told.value is None:
            return Verdict.QUIET if self.told.quiet else Verdict.UNKNOWN
        return Verdict.UNHEALTHY if self.question.bound.crossed_by(self.told.value) else Verdict.HEALTHY

    def __str__(self) -> str:
        """`ErrorRatio istio, Deployment: ill`."""
        return f"{self.question}: {self.told.state}"


Expected = tuple[Rows, float | None]


@dataclass(frozen=True, slots=True)
class Row:
    """A preset in one variant; the table is made of these."""

    preset: str
    variant: str = ""
    """Where there are several."""
    given: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the preset."""

    def in_all_states(
        self,
        well: Expected,
        ill: Expected,
        blind: Expected = (nothing, None),
        zero: Expected = (nothing, None),
    ) -> Sequence[Case]:
        """Four states; without data a check is Unknown."""
        found: list[Case] = []
        for state, (rows, value) in zip(STATES, (well, ill, blind, zero), strict=True):
            found += self._cases(Told(state, rows, value, self.given, ill[0], pods=0 if state == ZERO else 2))
        return found

    def also(
        self,
        told: str,
        rows: Rows,
        value: float | None,
        **fields: Any,  # noqa: ANN401 — handed on
    ) -> Sequence[Case]:
        """What else there is to tell; `fields`: of `Told`, as `quiet=True` where there is too little for that."""
        return self._cases(Told(told, rows, value, self.given, **fields))

    def _cases(self, told: Told) -> Sequence[Case]:
        variants = load_presets()[self.preset].variants
        kinds = variants[self.variant or next(iter(variants))].asked
        return [Case(question(self.preset, kind, self.variant), told) for kind in kinds]
