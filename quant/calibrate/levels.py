"""Grids on which only some codes are taken: which codes, and which scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Ints, IntType, Reals
from gatesmith.quant.calibrate.scales import exact_scale, pow2_below

_BYTE = IntType(-127, 127)
_CUTS = 2.0 ** (-np.arange(0, 13) / 4)
"""Scales of a codebook that are tried, as parts of the largest."""


def pow2_levels(bits: int, terms: int) -> Ints:
    """Zero and powers of two of both signs that ``bits`` can name; sums of ``terms`` of them.

    >>> pow2_levels(3, 1), pow2_levels(2, 2)
    (array([-4, -2, -1,  0,  1,  2,  4]), array([-2, -1,  0,  1,  2]))
    """
    exponents = (1 << (bits - 1)) - 1
    powers = [1 << k for k in range(exponents)]
    base = {0, *powers, *(-p for p in powers)}
    sums = base
    for _ in range(terms - 1):
        sums = {a + b for a in sums for b in base}
    return np.array(sorted(sums), np.int64)


def ternary_scales(columns: Reals, importance: Reals) -> Reals:
    """Scale of each column with the least squared error of {-1, 0, +1} times it; 0 for zeros.

    With the k largest magnitudes taken their mean is the best scale, and the error falls by
    sum(k)**2 / k; the best k is found by trying all (TWN, Li et al., 2016, equation 5).
    """
    size = np.abs(columns)
    order = np.argsort(-size, axis=0, kind="stable")
    size = np.take_along_axis(size, order, axis=0)
    weight = np.take_along_axis(importance, order, axis=0)
    total, many = np.cumsum(size * weight, axis=0), np.cumsum(weight, axis=0)
    gain = total**2 / np.maximum(many, 1e-300)
    best = np.argmax(gain, axis=0)[None]
    mean = np.take_along_axis(total, best, 0) / np.maximum(
        np.take_along_axis(many, best, 0), 1e-300
    )
    return np.asarray(mean[0])


def two_scales(w: Reals, importance: Reals, *, pow2: bool) -> tuple[Reals, Ints]:
    """Scale and codes (-n, 0, p) of 8 bits with the least squared error for all weights (n,)."""
    ends = []
    for side in (np.maximum(-w, 0), np.maximum(w, 0)):
        ends.append(float(ternary_scales(side[:, None], importance[:, None])[0]))
    largest = max(ends)
    if largest == 0:
        return np.asarray(1.0), np.array([-1, 0, 1])
    ends = [end or largest for end in ends]
    scale = exact_scale(largest / _BYTE.hi, _BYTE)
    if pow2:  # up, so that the codes stay within 8 bits
        scale = pow2_below(scale) * 2
    minus, plus = (min(max(1, round(end / float(scale))), _BYTE.hi) for end in ends)
    return scale, np.array([-minus, 0, plus])


def codebook_levels(w: Reals, importance: Reals, entries: int, *, pow2: bool) -> tuple[Reals, Ints]:
    """Scale and ``entries`` codes of 8 bits with the least squared error for all weights (n,).

    For each scale tried the choice of codes is the best there is. Zero is one of them when a weight
    is zero: what was pruned stays so.
    """
    lo, hi = -128 if entries > 255 else -127, 127
    codes = np.arange(lo, hi + 1, dtype=np.int64)
    if entries >= len(codes):
        scale = exact_scale(np.abs(w).max(initial=0.0) / hi or 1.0, _BYTE)
        return (2 * pow2_below(scale) if pow2 else scale), codes
    order = np.argsort(w, kind="stable")
    w, importance = w[order], importance[order]
    largest = float(np.abs(w).max(initial=0.0)) / hi or 1.0
    tries = exact_scale(largest * _CUTS, IntType(lo, hi))
    if pow2:
        tries = pow2_below(largest) * np.array([2.0, 1.0, 0.5, 0.25])
    best, least = (tries[0], codes[:entries]), np.inf
    for scale in tries:
        points = np.asarray(codes * scale, np.float64)
        chosen, error = _choose(w, importance, points, entries)
        if error < least:
            best, least = (scale, codes[chosen]), error
    return np.asarray(best[0]), best[1]


def _choose(
    w: Reals, importance: Reals, points: Reals, entries: int
) -> tuple[NDArray[np.intp], float]:
    """Which of the rising ``points`` to take so that sorted weights are nearest to them.

    Dynamic programming over the last point taken: least[j] of k points is the least over i of
    least[i] of k - 1 points and what the weights between points i and j then cost.
    """
    sums = [np.concatenate([[0.0], np.cumsum(importance * w**k)]) for k in range(3)]

    def cost(start: NDArray[np.intp], stop: NDArray[np.intp], point: Reals) -> Reals:
        total, first, second = (s[stop] - s[start] for s in sums)
        return np.asarray(np.maximum(second - 2 * point * first + point**2 * total, 0.0))

    place = np.searchsorted(w, points)
    middle = np.searchsorted(w, (points[:, None] + points[None, :]) / 2)
    n = len(points)
    zero = np.zeros(n, np.intp)
    left = cost(np.broadcast_to(place[:, None], (n, n)), middle, points[:, None])
    right = cost(middle, np.broadcast_to(place[None, :], (n, n)), points[None, :])
    between = np.where(np.arange(n)[:, None] < np.arange(n)[None, :], left + right, np.inf)
    least = cost(zero, place, points)
    after = cost(place, np.full(n, len(w)), points)
    if (w == 0).any():  # no interval may leap over zero
        at = int(np.flatnonzero(points == 0)[0])
        between[:at, at + 1 :] = np.inf
        least[at + 1 :] = np.inf
        after[:at] = np.inf
    came = np.zeros((entries, n), np.intp)
    for k in range(1, entries):
        total = least[:, None] + between
        came[k] = np.argmin(total, axis=0)
        least = total[came[k], np.arange(n)]
    last = int(np.argmin(least + after))
    error = float((least + after)[last])
    chosen = [last]
    for k in range(entries - 1, 0, -1):
        chosen.append(int(came[k][chosen[-1]]))
    return np.array(chosen[::-1]), error
