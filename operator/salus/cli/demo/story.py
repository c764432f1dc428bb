"""The five faults of the demo: when each begins, what happens, and when it is over by itself or by a person."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from salus.cli.demo.shop import ORDINARY, SURGE, Shop
from salus.model.scalars import Body

Act = Callable[[Shop, Body], Body | None]
"""What is done to the shop; a Deployment that is another by it, else None."""
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Turn:
    """Something that happens, and how it is told."""

    after: timedelta
    """Since the beginning of its fault."""
    text: str
    act: Act


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which the shop falls ill."""

    name: str
    lasts: timedelta
    """Until the next one may begin."""
    expected: str
    """`healed`, `refused` or `rehearsed`."""
    turns: Sequence[Turn]


def _with_image(image: str) -> Act:
    def act(_: Shop, body: Body) -> Body:
        template = body["spec"]["template"]
        containers = [{**template["spec"]["containers"][0], "image": image}]
        spec = {**template["spec"], "containers": containers}
        return {**body, "spec": {**body["spec"], "template": {**template, "spec": spec}}}

    return act


def _hang(shop: Shop, body: Body) -> None:
    shop.hang(body)


def _rate(requests: float) -> Act:
    def act(shop: Shop, _: Body) -> None:
        shop.rate = requests

    return act


def _prometheus(*, answers: bool) -> Act:
    def act(shop: Shop, _: Body) -> None:
        shop.answers = answers

    return act


_MORE = f"{SURGE:.0f} requests a second instead of {ORDINARY:.0f}; three processes answer 120"
FAULTS: Sequence[Fault] = (
    Fault(
        "a bad release",
        6 * MINUTE,
        "healed",
        [Turn(0 * MINUTE, "release v2 is rolled out; it answers three in ten with 500", _with_image("shop:v2"))],
    ),
    Fault(
        "a process that hangs",
        6 * MINUTE,
        "healed",
        [Turn(0 * MINUTE, "one of three processes hangs, and is Ready all the while", _hang)],
    ),
    Fault(
        "a surge of load",
        11 * MINUTE,
        "healed",
        [
            Turn(
                0 * MINUTE,
                f"{SURGE:.0f} requests a second instead of {ORDINARY:.0f}; three processes answer 120",
                _rate(SURGE),
            ),
            Turn(5 * MINUTE, f"the surge is over: {ORDINARY:.0f} a second", _rate(ORDINARY)),
        ],
    ),
    Fault(
        "Prometheus stops",
        6 * MINUTE,
        "refused",
        [
            Turn(0 * MINUTE, "Prometheus stops, while the shop is fine", _prometheus(answers=False)),
            Turn(4 * MINUTE, "Prometheus is back", _prometheus(answers=True)),
        ],
    ),
    Fault(
        "a slow release, under a policy that observes",
        7 * MINUTE,
        "rehearsed",
        [
            Turn(0 * MINUTE, "release v3 is rolled out; an answer takes 0.8 s", _with_image("shop:v3")),
            Turn(4 * MINUTE, "a person takes v3 back: kubectl rollout undo", _with_image("shop:v1")),
        ],
    ),
)
BEGIN = 2 * MINUTE
"""All is well for so long, so that release v1 is known healthy."""
