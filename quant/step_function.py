"""Exact steps of a monotone function of an integer.

The function is a chain (quant/form.py) ended by a quantizer. The quantizer's code reaches k when
its input v satisfies v >= b_k or v > b_k; walking that bound backwards through the chain gives the
integers n for which it holds: n >= T_k where the chain rises, n < T_k where it falls.
Everything is in rationals; there is no rounding and no search.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor, lcm

import numpy as np

from gatesmith.ir import Ints, IntType
from gatesmith.ops.function import precise
from gatesmith.ops.quantize import ROUNDING
from gatesmith.quant.form import Chain
from gatesmith.quant.inverse import inverse

HALF = Fraction(1, 2)

ROUNDED = {"floor": "FLOOR", "ceil": "CEIL", "round": "ROUND"}
"""Kinds of gatesmith/ops/function.py that round, and how a quantizer calls that."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The condition v >= value, or v > value when strict."""

    value: Fraction
    strict: bool


def _half_even(k: int) -> Bound:
    return Bound(k - HALF, strict=k % 2 == 1)


_REACHES: dict[str, Callable[[int], Bound]] = {
    "ROUND": _half_even,
    "CEIL": lambda k: Bound(Fraction(k - 1), strict=True),
    "FLOOR": lambda k: Bound(Fraction(k), strict=False),
    "ROUND_TO_ZERO": lambda k: Bound(Fraction(k if k >= 1 else k - 1), strict=k < 1),
    "UP": lambda k: Bound(Fraction(k - 1 if k >= 1 else k), strict=k >= 1),
    "HALF_UP": lambda k: Bound(k - HALF, strict=k < 1),
    "HALF_DOWN": lambda k: Bound(k - HALF, strict=k >= 1),
    "HALF_ODD": lambda k: Bound(k - HALF, strict=k % 2 == 0),
}
assert set(_REACHES) == set(ROUNDING)


def met(v: Fraction, bound: Bound) -> bool:
    """Whether v satisfies the bound."""
    return _holds(v, bound.value, bound.strict, upward=True)


@lru_cache(maxsize=1 << 16)
def rounding_bound(rounding: str, k: int) -> Bound:
    """Condition on u under which round(u) >= k.

    >>> rounding_bound("ROUND", 1), rounding_bound("ROUND", 2)
    (Bound(value=Fraction(1, 2), strict=True), Bound(value=Fraction(3, 2), strict=False))
    """
    return _REACHES[rounding](k)


def quantize_bound(rounding: str, scale: Fraction, zero: Fraction) -> Callable[[int], Bound]:
    """Condition on v under which round(v / scale + zero) >= k, as a function of k."""

    def bound(k: int) -> Bound:
        u = rounding_bound(rounding, k)
        return Bound((u.value - zero) * scale, u.strict)

    return bound


def evaluate(chain: Chain, n: int) -> Fraction:
    """Exact value of the chain at n."""
    v = Fraction(n)
    for step in chain:
        match step:
            case ("scale", mul, add):
                v = mul * v + add
            case ("clamp", lo, hi):
                v = v if lo is None else max(v, lo)
                v = v if hi is None else min(v, hi)
            case ("sign",):
                v = Fraction((v > 0) - (v < 0))
            case ("leak", slope):
                v = v if v >= 0 else slope * v
            case ("monotone", kind):
                v = precise(kind, v)
            case ("lookup", row, lo, step_of_x):
                v = row[(n - lo) // step_of_x]
    return v


def rises(chain: Chain) -> bool:
    """Whether the chain is non-decreasing; a constant chain counts as rising."""
    if any(step[0] == "lookup" for step in chain):
        raise ValueError("a look-up may rise and fall")
    falling = sum(step[0] == "scale" and step[1] < 0 for step in chain)
    constant = any(step[0] == "scale" and step[1] == 0 for step in chain)
    return constant or falling % 2 == 0


def edge(chain: Chain, bound: Bound, x: IntType) -> int:
    """Where the chain starts (rising) or stops (falling) to meet ``bound``.

    Rising: the least n on the grid of x from which it holds. Falling: the least n from which it no
    longer holds. Always inside [x.lo, x.hi + x.step]; the upper end means not within the range.
    """
    return _clip(_solve(chain, bound), x)


def _clip(edge: Fraction | int | None, x: IntType) -> int:
    """Least n >= edge on the grid of x, kept inside [x.lo, x.hi + x.step]."""
    if edge is None:
        return x.hi + x.step
    steps = ceil((edge - x.lo) / Fraction(x.step))
    return min(max(x.lo + steps * x.step, x.lo), x.hi + x.step)


_BELOW_ALL = Fraction(-(1 << 200))


def _solve(chain: Chain, bound: Bound) -> Fraction | int | None:
    """Integer edge e: rising chain meets the bound for n >= e; falling, for n < e.

    None stands for plus infinity, a huge negative number for minus infinity.
    """
    t, strict, upward = bound.value, bound.strict, True  # the condition is v >= t (or <= t)
    for step in reversed(chain):
        match step:
            case ("scale", mul, add):
                if mul == 0:
                    return _all_or_none(_holds(add, t, strict, upward), chain)
                t = (t - add) / mul
                upward ^= mul < 0
            case ("clamp", lo, hi):
                lo = lo if lo is None or hi is None else min(lo, hi)  # all hi when lo is above
                at_lo = lo is not None and _holds(lo, t, strict, upward)
                at_hi = hi is not None and _holds(hi, t, strict, upward)
                low_side, high_side = (at_lo, at_hi) if upward else (at_hi, at_lo)
                low_end, high_end = (lo, hi) if upward else (hi, lo)
                if low_side and low_end is not None:
                    return _all_or_none(True, chain)
                if not high_side and high_end is not None:
                    return _all_or_none(False, chain)
            case ("sign",):
                t, strict, decided = _through_sign(t, strict, upward)
                if decided is not None:
                    return _all_or_none(decided, chain)
            case ("leak", slope):
                if slope == 0 and (t < 0 or (t == 0 and upward != strict)):
                    return _all_or_none(upward, chain)  # never below zero
                t = t / slope if t < 0 else t
            case ("monotone", kind) if kind in ROUNDED:
                t, strict = _through_rounding(ROUNDED[kind], t, strict, upward)
            case ("monotone", kind):
                found = inverse(kind, t)
                if isinstance(found, bool):  # t lies below (True) or above all results
                    return _all_or_none(found == upward, chain)
                t = found
    if upward:
        return floor(t) + 1 if strict else ceil(t)
    return ceil(t) if strict else floor(t) + 1  # n < t or n <= t, so the edge is where it ends


def _holds(v: Fraction, t: Fraction, strict: bool, upward: bool) -> bool:
    if v == t:
        return not strict
    return (v > t) == upward


def _all_or_none(everywhere: bool, chain: Chain) -> Fraction | None:
    """Edge of a condition that holds everywhere or nowhere."""
    return _BELOW_ALL if everywhere == rises(chain) else None


def _through_sign(t: Fraction, strict: bool, upward: bool) -> tuple[Fraction, bool, bool | None]:
    """Condition on u equal to sign(u) meeting the one on its result; or its constant verdict."""
    met = [_holds(Fraction(s), t, strict, upward) for s in (-1, 0, 1)]
    if all(met) or not any(met):
        return t, strict, met[0]
    zero_meets = met[1]
    return Fraction(0), not zero_meets, None


def _through_rounding(
    rounding: str, t: Fraction, strict: bool, upward: bool
) -> tuple[Fraction, bool]:
    """Condition on u equal to the rounded u meeting the one on its result."""
    if upward:
        bound = rounding_bound(rounding, floor(t) + 1 if strict else ceil(t))
        return bound.value, bound.strict
    bound = rounding_bound(rounding, ceil(t) if strict else floor(t) + 1)  # not reached
    return bound.value, not bound.strict


def code_range(
    chains: Sequence[tuple[Chain, Callable[[int], Bound]]], clip: IntType, x: IntType
) -> IntType:
    """Codes that are reached at all, over every channel, by bisection at the range's ends."""
    lo, hi = clip.hi, clip.lo
    for chain, bound in chains:
        ends = [evaluate(chain, n) for n in (x.lo, x.hi)]
        lo = min(lo, code_at(min(ends), bound, clip))
        hi = max(hi, code_at(max(ends), bound, clip))
    return IntType(lo, hi)


def code_at(v: Fraction, bound: Callable[[int], Bound], clip: IntType) -> int:
    """Largest k in the clip range whose bound v meets; clip.lo when there is none."""
    low, high = clip.lo, clip.hi
    while low < high:
        k = (low + high + 1) // 2
        b = bound(k)
        if _holds(v, b.value, b.strict, upward=True):
            low = k
        else:
            high = k - 1
    return low


def uniform_edges(
    chain: Chain, params: tuple[Fraction, ...], rounding: str | None, codes: IntType, x: IntType
) -> Ints | None:
    """All edges of a uniform quantizer behind an affine map and a clamp, as :func:`edge` has them.

    With v = m n + a and the bounds (u_k - zero) * scale, an edge is (u_k * P + R) / D in integers,
    which is what makes many codes and channels quick. None for any other chain.
    """
    match chain:
        case (("scale", mul, add),) if mul != 0:
            lo = hi = None
        case (("scale", mul, add), ("clamp", lo, hi)) if mul != 0:
            pass
        case _:
            return None
    if rounding is None or codes.step != 1 or (lo is not None and hi is not None and lo > hi):
        return None
    scale, zero = params
    bounds, halves = _bounds(rounding, codes)
    slope, at_zero = scale / mul, -(zero * scale + add) / mul
    one = lcm(slope.denominator * 2, at_zero.denominator)
    p, r = int(slope * one / 2), int(at_zero * one)  # u_k is a multiple of one half
    rising = mul > 0
    edges = []
    for half, strict in halves:
        whole, rest = divmod(half * p + r, one)
        edges.append(whole + 1 if rest or strict == rising else whole)
    found = np.array([min(max(e, x.lo), x.hi + x.step) for e in edges], np.int64)
    found = x.lo + -((x.lo - found) // x.step) * x.step
    everywhere, nowhere = (x.lo, x.hi + x.step) if rising else (x.hi + x.step, x.lo)
    if lo is not None:
        found[: bisect_left(bounds, True, key=lambda b: not _at(lo, b, scale, zero))] = everywhere
    if hi is not None:
        found[bisect_left(bounds, True, key=lambda b: not _at(hi, b, scale, zero)) :] = nowhere
    return found


@lru_cache(maxsize=64)
def _bounds(rounding: str, codes: IntType) -> tuple[list[Bound], list[tuple[int, bool]]]:
    """The bounds of all codes but the least, and each as a number of halves."""
    bounds = [rounding_bound(rounding, k) for k in range(codes.lo + 1, codes.hi + 1)]
    return bounds, [(int(b.value * 2), b.strict) for b in bounds]


def _at(v: Fraction, bound: Bound, scale: Fraction, zero: Fraction) -> bool:
    """Whether v meets a bound of the rounded value."""
    return met(v, Bound((bound.value - zero) * scale, bound.strict))
