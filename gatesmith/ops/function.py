"""Function: y = f(x), element by element, on reals, f a smooth or rounding function of one number.

    sigmoid     1 / (1 + exp(-x))          softplus    log(1 + exp(x))
    reciprocal  1 / x                      round       to the nearest integer, ties to the even one
    step        1 where x > 0, else 0

and exp, log (natural), sqrt, erf, floor, ceil, the trigonometric and hyperbolic functions and their
inverses, under their usual names. Sources: the ONNX operators of these names. Silu, Gelu, Elu and
others are graphs of these with Mul, Add, Clip and Select.

Hardware never computes one: behind it stands a quantizer, and the two together are a table of an
integer. Which code a value gets is decided by :func:`precise`, not in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from gatesmith.ir import Op, Reals, TensorType, Values
from gatesmith.ops.elementwise import broadcast


def _sigmoid(x: Reals) -> Reals:
    """Without overflow at either end."""
    small = np.exp(-np.abs(x))
    y: Reals = np.where(x >= 0, 1.0, small) / (1.0 + small)
    return y


def _erf(x: Reals) -> Reals:
    y: Reals = np.vectorize(math.erf, otypes=[np.float64])(x)
    return y


FLOAT64: dict[str, Callable[[Reals], Reals]] = {
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "erf": _erf,
    "softplus": lambda x: np.logaddexp(0.0, x),
    "reciprocal": lambda x: 1.0 / x,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "step": lambda x: (x > 0).astype(np.float64),
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
}
"""Every kind and its float64 form."""

MONOTONE = {
    **dict.fromkeys(("sigmoid", "tanh", "exp", "log", "sqrt", "erf", "softplus"), "rising"),
    **dict.fromkeys(("floor", "ceil", "round", "step"), "rising"),
    **dict.fromkeys(("asin", "atan", "sinh", "asinh", "acosh", "atanh"), "rising"),
    "acos": "falling",
}
"""Kinds that never fall, or never rise, on all of their domain."""


@dataclass(frozen=True, slots=True)
class Function(Op):
    """``kind`` is a key of :data:`FLOAT64`.

    >>> Function("round").run(np.array([0.5, 1.5, -2.5]))
    array([ 0.,  2., -2.])
    """

    kind: str

    def __post_init__(self) -> None:
        if self.kind not in FLOAT64:
            raise ValueError(f"no function {self.kind!r}: add it in gatesmith/ops/function.py")

    def infer(self, *args: TensorType) -> TensorType:
        """Same shape, real."""
        (x,) = args
        return broadcast(x)

    def run(self, *args: Values) -> Values:
        """float64; infinity or not-a-number outside the domain."""
        (x,) = args
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            return FLOAT64[self.kind](np.asarray(x, np.float64))


# -- the same, exactly or nearly so ---------------------------------------------------------------

_ROUNDING: dict[str, Callable[[Fraction], int]] = {
    "floor": math.floor,
    "ceil": math.ceil,
    "round": round,
    "step": lambda x: int(x > 0),
}
_KNOWN: dict[tuple[str, int], Fraction] = {
    **{(kind, 0): Fraction(0) for kind in ("tanh", "erf", "sin", "tan", "asin", "atan")},
    **{(kind, 0): Fraction(0) for kind in ("sinh", "asinh", "atanh")},
    **{(kind, 0): Fraction(1) for kind in ("exp", "cos", "cosh")},
    **{(kind, 1): Fraction(0) for kind in ("log", "acos", "acosh")},
    ("sigmoid", 0): Fraction(1, 2),
}
"""The rational arguments at which a transcendental kind is rational (Lindemann and Weierstrass)."""

_DOMAIN: dict[str, tuple[int | None, int | None, bool]] = {
    "log": (0, None, False),
    "sqrt": (0, None, True),
    "asin": (-1, 1, True),
    "acos": (-1, 1, True),
    "acosh": (1, None, True),
    "atanh": (-1, 1, False),
}
"""Least and largest argument, and whether these belong to the domain."""

_ASYMPTOTE: dict[str, tuple[Fraction, Fraction | None]] = {
    "sigmoid": (Fraction(0), Fraction(1)),
    "tanh": (Fraction(-1), Fraction(1)),
    "erf": (Fraction(-1), Fraction(1)),
    "exp": (Fraction(0), None),
    "softplus": (Fraction(0), None),  # and x itself above
}
"""Limits at both ends of kinds that come nearer to one than any result can say."""

_RELATIVE = 160
_NEAREST = Fraction(1, 2**8192)
_LARGEST = 2**20
_REACH = {"erf": 76, "tanh": 2840}
"""Arguments from which on a kind is within _NEAREST of its limit; others from 5679 on."""


def defined(kind: str, x: Fraction) -> bool:
    """Whether x lies in the domain of a kind.

    >>> defined("log", Fraction(0)), defined("sqrt", Fraction(0))
    (False, True)
    """
    if kind == "reciprocal":
        return x != 0
    lo, hi, closed = _DOMAIN.get(kind, (None, None, True))
    if lo is not None and (x < lo or (x == lo and not closed)):
        return False
    return hi is None or x < hi or (x == hi and closed)


def precise(kind: str, x: Fraction) -> Fraction:
    """f(x) with a relative error of at most 2**-150; exact where the result is rational.

    A result nearer than 2**-8192 to the limit of its kind (0 or 1 of sigmoid) is given at that
    distance: it never is the limit itself. The working precision is doubled until two of them
    agree (A. Ziv, ACM TOMS 17, 1991), which also covers cancellation, as of log near 1.

    Raises:
        ValueError: x is outside the domain, or the result is too large to write down.

    >>> precise("sigmoid", Fraction(0)), precise("sqrt", Fraction(9, 4))
    (Fraction(1, 2), Fraction(3, 2))
    >>> float(precise("exp", Fraction(1)))
    2.718281828459045
    """
    if not defined(kind, x):
        raise ValueError(f"{kind} of {x} is not defined")
    if kind in _ROUNDING:
        return Fraction(_ROUNDING[kind](x))
    if kind == "reciprocal":
        return 1 / x
    if kind == "sqrt":
        root = Fraction(math.isqrt(x.numerator), math.isqrt(x.denominator))
        if root * root == x:
            return root
    if x.denominator == 1 and (kind, x.numerator) in _KNOWN:
        return _KNOWN[kind, x.numerator]
    if (abs(x) > _LARGEST and kind in ("sinh", "cosh")) or (kind == "exp" and x > _LARGEST):
        raise ValueError(f"{kind} of {float(x):.6g} is too large to write down")
    limit = _limit(kind, x)
    if limit is None:
        return _converged(kind, x, Fraction(0))
    below = x > 0 and kind != "softplus"  # the side from which it comes to the limit
    nearest = limit - _NEAREST if below else limit + _NEAREST
    if abs(x) > _REACH.get(kind, 5679):
        return nearest
    y = _converged(kind, x, limit)
    return min(y, nearest) if below else max(y, nearest)


def _converged(kind: str, x: Fraction, limit: Fraction) -> Fraction:
    """Double the precision until the result stays, and its distance from a limit with it."""
    from mpmath import MPContext  # type: ignore[import-untyped]  # a fifth of a second

    context = MPContext()  # its own: mpmath's global one belongs to whoever set its precision
    bits = 256 + abs(x.numerator).bit_length()
    before: Fraction | None = None
    while True:
        context.prec = bits
        now = _evaluated(context, kind, x)
        within = min(abs(now), abs(now - limit)) / 2**_RELATIVE
        if before is not None and within > 0 and abs(now - before) <= within:
            return now
        before, bits = now, 2 * bits


def _limit(kind: str, x: Fraction) -> Fraction | None:
    """The limit of a kind on the side of x, if it has one."""
    if kind == "softplus" and x > 0:
        return x
    below, above = _ASYMPTOTE.get(kind, (None, None))
    return below if x < 0 else above


def _evaluated(context: Any, kind: str, x: Fraction) -> Fraction:
    """f(x) at the precision of a context, as the dyadic rational that it is."""
    argument = context.mpf(x.numerator) / x.denominator
    match kind:
        case "sigmoid":
            y = 1 / (1 + context.exp(-argument))
        case "softplus":
            y = context.log1p(context.exp(argument))
        case _:
            y = getattr(context, kind)(argument)
    sign, mantissa, exponent, _ = y._mpf_
    scale = Fraction(1 << exponent) if exponent > 0 else Fraction(1, 1 << -exponent)
    return scale * (-int(mantissa) if sign else int(mantissa))
