"""The shop that is played: callers, processes, and what its metrics say; a fluid model, in which time is a value."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from salus.core.objects.workloads import RESTARTED_AT
from salus.model.scalars import Body

ORDINARY, SURGE = 60.0, 150.0
"""Requests a second."""
CAPACITY = 40.0
"""Requests a second that one process answers."""
STEP = timedelta(seconds=5)
WINDOW = timedelta(minutes=1)
"""Of the rates in the policies' queries."""


@dataclass(frozen=True, slots=True)
class Release:
    """What an image does to those who ask."""

    errors: float = 0.0
    """Share of answers that are a 500."""
    latency: float = 0.04
    """Seconds, at the 99th percentile."""


RELEASES: Mapping[str, Release] = {
    "shop:v1": Release(),
    "shop:v2": Release(errors=0.3),
    "shop:v3": Release(latency=0.8),
}


@dataclass(frozen=True, slots=True)
class Second:
    """What came and went in one step, a second."""

    at: datetime
    asked: float
    errors: float
    gave_up: float
    full: float
    latency: float

    @property
    def failed(self) -> float:
        """Requests that got no good answer."""
        return self.errors + self.gave_up + self.full


@dataclass(slots=True)
class Shop:
    """One Deployment and those who call it."""

    now: datetime
    rate: float = ORDINARY
    answers: bool = True
    """Whether Prometheus does."""
    hanging_since_restart: str | None = None
    """The restart after which a process hangs; None: none does."""
    asked: float = 0.0
    failed: float = 0.0
    """Requests, since the beginning."""
    recent: deque[Second] = field(default_factory=deque)

    def hang(self, body: Body) -> None:
        """One process of those that run now answers nobody any more."""
        self.hanging_since_restart = _restarted(body)

    def pass_to(self, moment: datetime, body: Body) -> None:
        """Serve until then, with the Deployment as it is."""
        while self.now < moment:
            self.now = min(self.now + STEP, moment)
            self._serve(body, STEP.total_seconds())
        while self.recent and self.recent[0].at < self.now - WINDOW:
            self.recent.popleft()

    def _serve(self, body: Body, seconds: float) -> None:
        second = served(self.now, body, self.rate, hangs=self.hanging_since_restart == _restarted(body))
        self.recent.append(second)
        self.asked += second.asked * seconds
        self.failed += second.failed * seconds

    def value(self, check: str) -> float:
        """What the query of this check answers."""
        asked = sum(one.asked for one in self.recent) or 1.0
        if check == "error-ratio":
            return sum(one.errors for one in self.recent) / asked
        if check == "hanging":
            return sum(one.gave_up for one in self.recent) / asked
        if check == "slow":
            return max((one.latency for one in self.recent), default=0.0)
        return sum(one.asked for one in self.recent) / max(len(self.recent), 1) / self._capacity

    def requests(self) -> float:
        """How many there were in the window."""
        return sum(one.asked for one in self.recent) * STEP.total_seconds()

    _capacity: float = CAPACITY

    def measured(self, body: Body) -> None:
        """What `shop_capacity_rps` is scraped as."""
        self._capacity = CAPACITY * max(_ready(body), 1)


def served(at: datetime, body: Body, rate: float, *, hangs: bool) -> Second:
    """What becomes of the requests of one second: a process that hangs takes its share, and answers none of it."""
    release, ready = RELEASES[image_of(body)], _ready(body)
    hung = rate / ready if hangs and ready else 0.0
    working = ready - (1 if hangs and ready else 0)
    answered = min(rate - hung, working * CAPACITY)
    return Second(
        at=at,
        asked=rate,
        errors=answered * release.errors,
        gave_up=hung,
        full=max(rate - hung - answered, 0.0),
        latency=release.latency,
    )


def image_of(body: Body) -> str:
    """The image of its only container."""
    return str(body["spec"]["template"]["spec"]["containers"][0]["image"])


def _ready(body: Body) -> int:
    return int((body.get("status") or {}).get("readyReplicas") or body["spec"]["replicas"])


def _restarted(body: Body) -> str:
    annotations = body["spec"]["template"].get("metadata", {}).get("annotations") or {}
    return f"{image_of(body)} {annotations.get(RESTARTED_AT, '')}"
