"""Rank correlation: whether one number goes up with another, whatever the shape; a few wild values change little."""

from collections.abc import Sequence
from math import sqrt


def correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's coefficient, from -1 to 1; 0 where one of them never moves."""
    ranks = _ranks(one), _ranks(other)
    middle = (len(one) - 1) / 2
    products = [
        sum((a - middle) * (b - middle) for a, b in zip(left, right, strict=True))
        for left, right in (ranks, (ranks[0], ranks[0]), (ranks[1], ranks[1]))
    ]
    spread = sqrt(products[1] * products[2])
    return products[0] / spread if spread else 0.0


def _ranks(values: Sequence[float]) -> list[float]:
    """The place of each in order of size; equals share theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    begin = 0
    while begin < len(order):
        end = begin
        while end < len(order) and values[order[end]] == values[order[begin]]:
            end += 1
        for place in order[begin:end]:
            ranks[place] = (begin + end - 1) / 2
        begin = end
    return ranks
