"""Integer keys that are ordered as scaled and shifted integers are, over channels.

Wanted: integers (A_c, B_c) such that A_i * n + B_i and A_j * m + B_j compare as a_i * n + b_i and
a_j * m + b_j do, for all channels i, j and all n, m of the range.

    one scale       A = R, B_c = floor(r_c) * R + rank of frac(r_c), with r = offset / scale and R
                    distinct fractions: integers differ by at least one and fractions by less
    several scales  the least integers in exact proportion; where they need too many bits, the
                    shortest rounded ones that are proven to give the same order

Proof of the rounded ones: for fixed i, j, n the comparison changes once as m runs, where
m = (a_i * n + b_i - b_j) / a_j. If the integer part of this crossing, and whether it is an integer,
are the same for the keys as for the reals, for every n, then so is every comparison.
"""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from math import floor, gcd, lcm

import numpy as np

from gatesmith.ir import Ints, IntType

MAX_BITS = 40
"""Exact proportions that need more are tried rounded first."""

MAX_KEY_BITS = 56
MAX_CROSSINGS = 4_000_000

Pair = tuple[Fraction, Fraction]
Keys = tuple[list[int], list[int]]


def order_keys(pairs: list[Pair], x: IntType) -> Keys | None:
    """(A, B) of every channel for (scale, offset) of every channel; None when none was found."""
    if len({scale for scale, _ in pairs}) == 1 and pairs[0][0] != 0:
        return _one_scale(pairs)
    if not any(scale for scale, _ in pairs):
        ranks = sorted({offset for _, offset in pairs})
        return [0] * len(pairs), [ranks.index(offset) for _, offset in pairs]
    exact = _proportion(pairs)
    if width(exact, x) <= MAX_BITS:
        return exact
    rounded = _rounded(pairs, exact, x)
    if rounded is not None:
        return rounded
    return exact if width(exact, x) <= MAX_KEY_BITS else None


def width(keys: Keys, x: IntType) -> int:
    """Bits of the widest key."""
    ends = [a * n + b for a, b in zip(*keys, strict=True) for n in (x.lo, x.hi)]
    return IntType(min(ends), max(ends)).bits


def _one_scale(pairs: list[Pair]) -> Keys:
    scale = pairs[0][0]
    sign = 1 if scale > 0 else -1
    r = [offset / abs(scale) for _, offset in pairs]
    fractions = sorted({v - floor(v) for v in r})
    ranks = len(fractions)
    add = [floor(v) * ranks + fractions.index(v - floor(v)) for v in r]
    least = min(add) // ranks * ranks  # a common offset changes no order
    return [sign * ranks] * len(pairs), [a - least for a in add]


def _proportion(pairs: list[Pair]) -> Keys:
    """The least integers in exact proportion."""
    base = min(offset for _, offset in pairs)
    pairs = [(scale, offset - base) for scale, offset in pairs]
    denominator = lcm(*(v.denominator for pair in pairs for v in pair))
    whole = [(int(a * denominator), int(b * denominator)) for a, b in pairs]
    divisor = reduce(gcd, (v for pair in whole for v in pair), 0) or 1
    return [a // divisor for a, _ in whole], [b // divisor for _, b in whole]


def _rounded(pairs: list[Pair], exact: Keys, x: IntType) -> Keys | None:
    """The shortest rounded proportion that keeps the order; proven, or None."""
    if len(pairs) ** 2 * x.count > MAX_CROSSINGS:
        return None
    n = np.arange(x.lo, x.hi + 1, x.step, dtype=np.int64)
    wanted = _crossings(np.array(exact[0], object), np.array(exact[1], object), n.astype(object), x)
    largest = max(abs(scale) for scale, _ in pairs)
    base = min(offset for _, offset in pairs)
    for bits in range(4, MAX_BITS):
        unit = largest / (1 << bits)
        keys = [round(a / unit) for a, _ in pairs], [round((b - base) / unit) for _, b in pairs]
        if any((a == 0) != (k == 0) for (a, _), k in zip(pairs, keys[0], strict=True)):
            continue
        if width(keys, x) > MAX_KEY_BITS:
            return None
        found = _crossings(np.array(keys[0], np.int64), np.array(keys[1], np.int64), n, x)
        if all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True)):
            return keys
    return None


def _crossings(a: Ints, b: Ints, n: Ints, x: IntType) -> tuple[Ints, Ints]:
    """Crossing of every (i, j, n), floored and kept near the range, and whether it is an integer.

    Where a_j is 0 there is none: the sign of the difference instead.
    """
    difference = a[:, None] * n + b[:, None]  # (i, n)
    difference = difference[:, None, :] - b[None, :, None]  # (i, j, n)
    slope = np.where(a == 0, 1, a)[None, :, None]
    floored = (difference // slope).clip(x.lo - 1, x.hi + 1)
    inside = (floored >= x.lo) & (floored <= x.hi)
    whole = (difference % slope == 0) & inside
    flat = (a == 0)[None, :, None]
    sign = (difference > 0).astype(np.int64) - (difference < 0)
    crossing = np.where(flat, sign, floored).astype(np.int64)
    return crossing, np.where(flat, 0, whole).astype(np.int64)
