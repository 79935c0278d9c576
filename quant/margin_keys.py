"""Integer keys whose differences say whether one scaled score is far enough ahead of another.

Wanted for channels c of scores a_c * n + b_c and a margin M: integers A_c, B_c and T such that for
all channels i, j and all n, m of the range

    A_i * n + B_i > A_j * m + B_j          exactly where   a_i * n + b_i > a_j * m + b_j
    A_i * n + B_i > A_j * m + B_j + T      exactly where   a_i * n + b_i > a_j * m + b_j + M

    one scale, one offset   A = 1 or -1, B = 0, T = floor(M / |a|): integers differ by integers
    else                    the least integers in exact proportion to a_c and b_c, in a unit u, and
                            T = floor(M / u); where these need many bits, the shortest rounded ones
                            that are proven: as in quant/order_keys.py, by where comparisons change
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import floor, gcd, lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import IntType
from gatesmith.quant.order_keys import MAX_BITS, MAX_CROSSINGS, MAX_KEY_BITS, Pair, width

EASY_BITS = 24
"""Keys in exact proportion that need no more are taken without looking for shorter ones."""


@dataclass(frozen=True, slots=True)
class MarginKeys:
    """Keys ``mul[c] * n + add[c]`` and the integer that their difference has to exceed."""

    mul: tuple[int, ...]
    add: tuple[int, ...]
    margin: int

    def bits(self, x: IntType) -> int:
        """Bits of the widest key."""
        return width((list(self.mul), list(self.add)), x)


def margin_keys(pairs: list[Pair], x: IntType, margin: Fraction) -> MarginKeys | None:
    """Keys for (scale, offset) of every channel; None when none of up to 56 bits are proven.

    Args:
        pairs: Of each channel.
        x: Type of the integers n.
        margin: In real units, 0 or more.
    """
    scale = pairs[0][0]
    if len(set(pairs)) == 1 and scale != 0:
        sign = 1 if scale > 0 else -1
        return MarginKeys((sign,) * len(pairs), (0,) * len(pairs), floor(margin / abs(scale)))
    exact = _proportional(pairs, margin)
    if exact is None:
        return None
    if exact.bits(x) <= EASY_BITS:
        return exact
    most = min(MAX_KEY_BITS, exact.bits(x) - 1)
    rounded = _proven(pairs, x, margin, most)
    if rounded is not None:
        return rounded
    return exact if exact.bits(x) <= MAX_KEY_BITS else None


def _proportional(pairs: list[Pair], margin: Fraction) -> MarginKeys | None:
    """The least integers in exact proportion; None where nothing hangs on n."""
    if not any(scale for scale, _ in pairs):
        return None
    base = min(offset for _, offset in pairs)
    moved = [(scale, offset - base) for scale, offset in pairs]
    denominator = lcm(*(v.denominator for pair in moved for v in pair))
    whole = [(int(a * denominator), int(b * denominator)) for a, b in moved]
    divisor = reduce(gcd, (v for pair in whole for v in pair), 0)
    unit = Fraction(divisor, denominator)
    mul, add = (tuple(pair[k] // divisor for pair in whole) for k in (0, 1))
    return MarginKeys(mul, add, floor(margin / unit))


def _proven(pairs: list[Pair], x: IntType, margin: Fraction, most: int) -> MarginKeys | None:
    """The shortest rounded proportion of up to ``most`` bits that keeps both comparisons."""
    if len(pairs) ** 2 * x.count > MAX_CROSSINGS:
        return None
    n = np.arange(x.lo, x.hi + 1, x.step, dtype=np.int64).astype(object)
    one = lcm(margin.denominator, *(v.denominator for pair in pairs for v in pair))
    a, b = (np.array([int(pair[k] * one) for pair in pairs], object) for k in (0, 1))
    wanted = [_crossings(a, b, shift, n, x) for shift in (0, int(margin * one))]
    for keys in _rounded(pairs, margin):
        if keys.bits(x) > most:
            return None
        mul, add = (np.array(numbers, np.int64) for numbers in (keys.mul, keys.add))
        found = (_crossings(mul, add, shift, n.astype(np.int64), x) for shift in (0, keys.margin))
        if all(np.array_equal(p, q) for p, q in zip(found, wanted, strict=True)):
            return keys
    return None


def _rounded(pairs: list[Pair], margin: Fraction) -> Iterator[MarginKeys]:
    """Proportions in ever smaller units."""
    largest = max(abs(scale) for scale, _ in pairs)
    base = min(offset for _, offset in pairs)
    for bits in range(4, MAX_BITS):
        unit = largest / (1 << bits)
        mul = tuple(round(scale / unit) for scale, _ in pairs)
        add = tuple(round((offset - base) / unit) for _, offset in pairs)
        if all((scale == 0) == (key == 0) for (scale, _), key in zip(pairs, mul, strict=True)):
            yield MarginKeys(mul, add, round(margin / unit))


def _crossings(
    a: NDArray[Any], b: NDArray[Any], shift: int, n: NDArray[Any], x: IntType
) -> NDArray[np.int64]:
    """Of every (i, j, n) where m crosses a_i * n + b_i = a_j * m + b_j + shift.

    Two rows: the crossing floored, kept near the range, and whether it is an integer in it. Where
    a_j is 0 there is none: the sign of the difference instead.
    """
    difference = (a[:, None] * n + b[:, None])[:, None, :] - (b + shift)[None, :, None]
    slope = np.where(a == 0, 1, a)[None, :, None]
    floored = (difference // slope).clip(x.lo - 1, x.hi + 1)
    whole = (difference % slope == 0) & (floored >= x.lo) & (floored <= x.hi)
    flat = (a == 0)[None, :, None]
    sign = (difference > 0).astype(np.int64) - (difference < 0)
    rows = [np.where(flat, sign, floored), np.where(flat, 0, whole)]
    return np.stack([row.astype(np.int64) for row in rows])
