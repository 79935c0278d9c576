"""Inverses of the monotone functions, precise enough to compare with integers.

A bound f(v) >= t is v >= g(t). Results are rational approximations with a relative error below
2**-150; an integer that close to an irrational edge does not occur by the transcendence of these
functions at rational arguments, but for the arguments of which the result is exact here.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from gatesmith.ops.function import precise

INVERTIBLE = ("sigmoid", "tanh", "exp", "log", "sqrt", "erf", "softplus")
"""Kinds that :func:`inverse` knows; all of them rise."""

ONE, ZERO = Fraction(1), Fraction(0)


@lru_cache(maxsize=1 << 14)
def inverse(kind: str, t: Fraction) -> Fraction | bool:
    """Where the function is ``t``; True if all its results are above t, False if all are below.

    >>> inverse("sigmoid", Fraction(1, 2)), inverse("tanh", Fraction(2)), inverse("exp", ZERO)
    (Fraction(0, 1), False, True)
    """
    match kind:
        case "sigmoid":
            return t <= 0 if not 0 < t < 1 else precise("log", t / (1 - t))
        case "tanh":
            return t <= -1 if not -1 < t < 1 else precise("log", (1 + t) / (1 - t)) / 2
        case "exp":
            return True if t <= 0 else precise("log", t)
        case "log":
            return precise("exp", t)
        case "sqrt":
            return True if t < 0 else t * t
        case "softplus":
            return True if t <= 0 else precise("log", precise("exp", t) - 1)
        case "erf":
            return t <= -1 if not -1 < t < 1 else _erf_inverse(t)
        case _:
            raise ValueError(f"no inverse of {kind}")


def _erf_inverse(t: Fraction) -> Fraction:
    """Bisection on the precise erf: 400 halvings of [-64, 64]."""
    if t == 0:
        return ZERO
    lo, hi = Fraction(-64), Fraction(64)
    for _ in range(200):
        middle = (lo + hi) / 2
        lo, hi = (middle, hi) if precise("erf", middle) < t else (lo, middle)
    return hi
