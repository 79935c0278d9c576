"""Multiply-shift that equals a step function on a whole range, rounding down or half to even.

    y = clamp(round((x * mul + add) / 2**shift))

With c_k the code that is reached first at T_k, and B_k the least sum that rounds to c_k,

    down            B_k = c_k * 2**shift
    half to even    B_k = (2 c_k - 1) * 2**(shift - 1) + odd(c_k)

wanted is T_k * mul + add >= B_k > (T_k - step) * mul + add for every k whose step lies inside the
range that the channel meets: for each mul an interval of ``add``. What is found is proven. It is
the search of gatesmith/quant/multiply_shift.py from thresholds alone: where scales are powers of
two, values lie on ties, which no addition before a floor sends to the even code, but hls4ml's
RND_CONV does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Ints, IntType

MOST_SHIFT = 40
BIG = 1 << 61


@dataclass(frozen=True, slots=True)
class Steps:
    """A rising step function for each channel.

    Attributes:
        rows: (channels, K), thresholds.
        lo: (channels,), least argument that a channel meets.
        hi: (channels,), largest.
        step: From one argument to the next.
    """

    rows: Ints
    lo: Ints
    hi: Ints
    step: int = 1


def search(steps: Steps, out: IntType, *, even: bool) -> tuple[list[int], list[int], int] | None:
    """(mul, add, shift) of every channel, or None where there is none.

    Args:
        steps: What is wanted.
        out: Codes, K + 1 of them.
        even: Round half to even in place of down.

    >>> given = Steps(np.array([[2, 3]]), np.array([0]), np.array([9]))
    >>> search(given, IntType(0, 2), even=False), search(given, IntType(0, 2), even=True)
    (([1], [-1], 0), ([2], [-2], 1))
    """
    keys = np.column_stack([steps.rows, steps.lo, steps.hi])
    distinct, place = np.unique(keys, axis=0, return_inverse=True)
    rows, lo, hi = distinct[:, :-2], distinct[:, -2:-1], distinct[:, -1:]
    slopes = [slope(*row, steps.step) for row in zip(rows, lo, hi, strict=True)]
    target = out.lo + 1 + np.arange(rows.shape[1], dtype=np.int64)
    nowhere, everywhere = rows > hi, rows <= lo
    met, unmet = np.maximum(rows, lo), np.minimum(rows - steps.step, hi)
    reach = max(1, int(np.abs(distinct).max()))
    for shift in range(int(even), MOST_SHIFT + 1):
        near = [value * (1 << shift) for value in slopes]
        if max(near) * reach >= 1 << 60:
            return None
        bound = target << shift
        if even:
            bound = ((2 * target - 1) << (shift - 1)) + (target & 1)
        mul, add = np.zeros(len(distinct), np.int64), np.zeros(len(distinct), np.int64)
        done = np.zeros(len(distinct), bool)
        for apart in (0, 1, -1):
            tried = np.array([round(value) + apart for value in near], np.int64)[:, None]
            least = np.where(nowhere, -BIG, bound - met * tried).max(axis=1, initial=-BIG)
            most = np.where(everywhere, BIG, bound - 1 - unmet * tried).min(axis=1, initial=BIG)
            new = ~done & (least <= most) & (tried[:, 0] >= 0)
            mul, done = np.where(new, tried[:, 0], mul), done | new
            add = np.where(new, _simplest(least, most), add)
        if done.all():
            where = place.reshape(-1)
            return mul[where].tolist(), add[where].tolist(), shift
    return None


def slope(edges: Ints, lo: Ints, hi: Ints, step: int) -> Fraction:
    """Middle of the slopes of straight lines whose rounding has these edges; 1 where any will do.

    A line that reaches code i at T_i, and not before, is no flatter than
    (j - i) / (T_j - T_i + step) and no steeper than (j - i) / (T_j - T_i - step), for all i < j.
    Of a step outside the range only the end of the range counts that is on its side.

    >>> slope(np.array([2, 4, 7]), np.array([0]), np.array([9]), 1)
    Fraction(5, 12)
    """
    met, unmet = np.maximum(edges, lo), np.minimum(edges - step, hi)
    nowhere, everywhere = edges > hi, edges <= lo
    index = np.arange(len(edges))
    apart = index[None, :] - index[:, None]  # row i, column j
    up, flat = met[None, :] - unmet[:, None], unmet[None, :] - met[:, None]
    lower = (apart > 0) & ~everywhere[:, None] & ~nowhere[None, :] & (up > 0)
    upper = (apart > 0) & ~nowhere[:, None] & ~everywhere[None, :] & (flat > 0)
    least, most = _extreme(apart, up, lower, np.argmax), _extreme(apart, flat, upper, np.argmin)
    if most is None:
        return Fraction(1, step) if least is None else 2 * least
    return ((least or Fraction(0)) + most) / 2


def _extreme(
    above: Ints, below: Ints, counts: NDArray[np.bool_], choose: Callable[[Any], Any]
) -> Fraction | None:
    """The largest or least of the ratios that count."""
    if not counts.any():
        return None
    over, under = above[counts], below[counts]
    at = int(choose(over / under))
    return Fraction(int(over[at]), int(under[at]))


def _simplest(least: Ints, most: Ints) -> Ints:
    """In each interval the integer nearest to 0, of as few bits as can be."""
    found: Ints = np.clip(0, least, most)
    for zeros in range(1, 48):
        step = 1 << zeros
        up, down = -(-least // step) * step, most // step * step
        candidate = np.where(found > 0, up, down)
        fits = (candidate >= least) & (candidate <= most) & (found != 0)
        found = np.where(fits, candidate, found)
    return found
