"""Multiply-shift that equals a step function on every integer of a range, with proof.

First the exact one: where slope and intercept of every channel are multiples of 2**-shift, the
function is ``clamp(round_half_even((n * mul + add) / 2**shift))`` by definition, ties included;
scales that are powers of two lead here. It is taken when its steps are the function's.

Else wanted: y = clamp((n * mul + add) >> shift) with y = f(n) for all n. Both sides are step
functions, so it is enough to compare the steps. Where f rises and reaches code k first at n = T_k,

    T_k * mul + add >= k * 2**shift    and    (T_k - step) * mul + add < k * 2**shift

for every k whose step lies inside the range; where f falls the two change places. For a given
(mul, shift) these are an interval of ``add``. The search takes the least shift at which some mul
next to the real slope leaves every channel a non-empty interval, and of that interval the middle;
what it returns satisfies the inequalities, so it is proven, not sampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Array, Ints, IntType
from gatesmith.ops.requantize import Requantize

MAX_SHIFT = 44

MAX_PRODUCT = 60
"""Widest product in bits: the reference computes it in 64."""


@dataclass(frozen=True, slots=True)
class Steps:
    """A step function of one channel.

    Attributes:
        edges: int64 (K,): edge of code base + k + 1 as in quant/step_function.py.
        rising: Whether the codes rise with n.
        slope: Real slope of the function between its clamps, in codes a unit of n.
        intercept: Real code at n = 0 on that slope, before rounding to the nearest.
    """

    edges: Ints
    rising: bool
    slope: Fraction
    intercept: Fraction


def implement(channels: list[Steps], x: IntType, out: IntType) -> Requantize | None:
    """The cheapest multiply-shift that is the function, or None."""
    exact = half_even(channels, x, out)
    if exact is not None:
        return exact
    found = search(channels, x, out)
    if found is None:
        return None
    mul, add, shift = found
    return Requantize(_array(mul), _array(add), shift, out)


def half_even(channels: list[Steps], x: IntType, out: IntType) -> Requantize | None:
    """The exact multiply-shift of dyadic slopes, if its steps are the function's."""
    denominators = {v.denominator for c in channels for v in (c.slope, c.intercept)}
    shift = max(d.bit_length() - 1 for d in denominators)
    if shift > MAX_SHIFT or any(d & (d - 1) for d in denominators):
        return None
    mul = [int(c.slope * (1 << shift)) for c in channels]
    add = [int(c.intercept * (1 << shift)) for c in channels]
    op = Requantize(_array(mul), _array(add), shift, out, even=shift > 0)
    if op.product(x).bits > MAX_PRODUCT:
        return None
    return op if proves(op, channels, x) else None


def proves(op: Requantize, channels: list[Steps], x: IntType) -> bool:
    """Whether every step of ``op`` is where the function has it, on the whole range.

    Both are monotone, so the values on the two sides of each step say it all.
    """
    edges = np.stack([c.edges for c in channels], axis=-1)
    rising = np.array([c.rising for c in channels])
    codes = op.out.lo + 1 + np.arange(len(edges), dtype=np.int64)[:, None]
    before, at = np.clip(edges - x.step, x.lo, x.hi), np.clip(edges, x.lo, x.hi)
    reached_before, reached_at = op.run(before) >= codes, op.run(at) >= codes
    # Falling functions hold up to the edge, rising ones from it; outside the range is no step.
    right_before = np.where(edges <= x.lo, reached_at == rising, reached_before != rising)
    right_at = np.where(edges > x.hi, reached_before != rising, reached_at == rising)
    return bool(right_before.all() and right_at.all())


def _array(values: list[int]) -> Array:
    """One entry when all channels agree."""
    return Array(values[:1] if len(set(values)) == 1 else values)


def search(
    channels: list[Steps], x: IntType, out: IntType
) -> tuple[list[int], list[int], int] | None:
    """(mul, add, shift) of every channel, or None when there is none up to MAX_SHIFT."""
    alike = {(c.edges.tobytes(), c.rising, c.slope): c for c in channels}
    distinct = list(alike.values())
    edges = np.stack([c.edges for c in distinct])
    rising = np.array([c.rising for c in distinct])[:, None]
    place = {key: index for index, key in enumerate(alike)}
    for shift in range(MAX_SHIFT + 1):
        found = _fit(distinct, edges, rising, (x, out), shift)
        if found is _TOO_WIDE:
            return None
        if found is not None:
            at = [place[c.edges.tobytes(), c.rising, c.slope] for c in channels]
            return [found[0][i] for i in at], [found[1][i] for i in at], shift
    return None


_TOO_WIDE: tuple[list[int], list[int]] = ([], [])


def _fit(
    channels: list[Steps],
    edges: Ints,
    rising: NDArray[np.bool_],
    types: tuple[IntType, IntType],
    shift: int,
) -> tuple[list[int], list[int]] | None:
    """The (mul, add) of all channels for one shift: of the muls next to the slope, the nearest."""
    x, _ = types
    near = [c.slope * (1 << shift) for c in channels]
    if max(map(abs, near)) * max(abs(x.lo), abs(x.hi)) >= 1 << 60:
        return _TOO_WIDE
    tried = np.array([_nearest(value) for value in near], np.int64)
    mul = np.zeros(len(channels), np.int64)
    least, most = np.ones_like(mul), np.zeros_like(mul)
    for column in tried.T:
        usable = ((column > 0) == rising[:, 0]) | (column == 0)
        low, high = _interval(edges, rising, types, shift, column)
        new = usable & (low <= high) & (least > most)
        mul, least, most = (
            np.where(new, a, b) for a, b in ((column, mul), (low, least), (high, most))
        )
    if (least > most).any():
        return None
    pairs = zip(least.tolist(), most.tolist(), strict=True)
    return mul.tolist(), [_simplest(low, high) for low, high in pairs]


def _nearest(value: Fraction) -> list[int]:
    """The five integers nearest to a slope, nearest first."""
    centre = round(value)
    above = value > centre
    return [centre + (d if above else -d) for d in (0, 1, -1, 2, -2)]


def _interval(
    edges: Ints,
    rising: NDArray[np.bool_],
    types: tuple[IntType, IntType],
    shift: int,
    mul: Ints,
) -> tuple[Ints, Ints]:
    """Closed interval of ``add`` of each channel under which every step is where it must be."""
    x, out = types
    level = (out.lo + 1 + np.arange(edges.shape[1], dtype=np.int64)) << shift
    met = np.where(rising, edges, edges - x.step)
    unmet = np.where(rising, edges - x.step, edges)
    # A step outside the range still bounds: the nearest end of the range must be on its side.
    met = np.where((met >= x.lo) & (met <= x.hi), met, np.where(rising, x.lo, x.hi))
    unmet = np.where((unmet >= x.lo) & (unmet <= x.hi), unmet, np.where(rising, x.hi, x.lo))
    everywhere = np.where(rising, edges <= x.lo, edges > x.hi)
    nowhere = np.where(rising, edges > x.hi, edges <= x.lo)
    big = 1 << 61
    least = np.where(nowhere, -big, level - met * mul[:, None]).max(axis=1, initial=-big)
    most = np.where(everywhere, big, level - unmet * mul[:, None] - 1).min(axis=1, initial=big)
    return least, most


def _simplest(least: int, most: int) -> int:
    """The integer in [least, most] with the most trailing zeros: the cheapest constant to add."""
    if least <= 0 <= most:
        return 0
    for zeros in range(62, -1, -1):
        candidate = -(-least >> zeros) << zeros
        if candidate <= most:
            return candidate
    raise AssertionError("an interval of integers holds one")
