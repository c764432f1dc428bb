"""From where on a check that was beyond its bound is well again."""

from decimal import ROUND_FLOOR, Decimal
from math import floor, log10


def healthy(worst: float, bound: float) -> float | None:
    """Half-way between the worst that came back and the bound, rounded down as far as stays between the two.

    None: nothing lies between them, so it is well as soon as it is not beyond the bound.
    """
    middle = (worst + bound) / 2
    return next((number for number in _rounder(middle) if worst < number < bound), None)


def _rounder(number: float) -> list[float]:
    """1, 2 or 5 first; then with one digit, with two, and so on."""
    if number <= 0:
        return []
    power = floor(log10(number))
    exact = Decimal(repr(number))
    steps = [Decimal(digit).scaleb(power) for digit in (5, 2, 1)]
    places = [exact.quantize(Decimal(1).scaleb(power - digit), rounding=ROUND_FLOOR) for digit in range(4)]
    return [float(one) for one in (next(step for step in steps if step <= exact), *places)]
