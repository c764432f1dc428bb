"""Checks as presets ask them."""

from datetime import timedelta

from salus.core.learn.history import Question
from salus.core.learn.kinds import FAILURES, FIXED, LATENCY, LEVEL, SATURATION, SLOW
from salus.model.policy import Threshold
from tests.unit.learn.histories import MINUTE


def bound(**side: str) -> Threshold:
    return Threshold.model_validate(side)


ERRORS = Question(FAILURES, MINUTE, bound(above="0.05"))
SLOWER = Question(SLOW, 2 * MINUTE, bound(above="0.1"))
P99 = Question(LATENCY, 2 * MINUTE)
MEMORY = Question(SATURATION, 5 * MINUTE, bound(above="0.95"))
LAG = Question(LEVEL, 5 * MINUTE)
CRASHES = Question(FIXED, timedelta(seconds=30), bound(above="0"))
AVAILABLE = Question(FIXED, MINUTE, bound(below="0.75"))
