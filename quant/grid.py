"""The integer grid of a constant: w = scale * n with integers n, exactly.

Quantized weights reach lowering as exact reals (scale times code). The greatest common divisor of
a channel's values recovers the integers, and often smaller ones than the quantizer's codes. It is
the same for QONNX, QDQ, FINN's annotated floats and networks of plain +1 and -1, so lowering needs
no notion of how the weights were written down.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd, lcm

import numpy as np

from gatesmith.ir import BIPOLAR, TERNARY, Ints, IntType, Reals
from gatesmith.quant.form import Rationals

MAX_BITS = 16
"""Widest weight that counts as quantized; a float32 weight matrix needs 24 bits and more."""


def integer_grid(columns: Reals) -> tuple[Ints, tuple[Fraction, ...]] | None:
    """Integers and positive scale of each column of a (in, out) matrix of exact float64.

    None when some column needs more than :data:`MAX_BITS` bits. A column of zeros has scale 1.

    >>> integer_grid(np.array([[0.75, 2.0], [-1.5, 2.0]]))
    (array([[ 1,  1],
           [-2,  1]]), (Fraction(3, 4), Fraction(2, 1)))
    """
    mantissa, exponent = np.frexp(columns)
    exponent = np.where(columns == 0, np.iinfo(np.int32).max, exponent)
    lowest = exponent.min(axis=0, initial=np.iinfo(np.int32).max)
    spread = np.where(columns == 0, 0, exponent - lowest)
    if spread.max(initial=0) > MAX_BITS:
        return None  # the largest is more than 2**MAX_BITS times the smallest
    # Units of 2**(lowest - 53) are integers of up to 53 + spread bits; drop common zeros first.
    units = np.ldexp(mantissa, 53).astype(np.int64)
    trailing = np.where(units == 0, 63, _trailing_zeros(units)) + spread
    shift = trailing.min(axis=0, initial=63)
    if (53 + spread - shift).max(initial=0) > 62:
        return None
    # Each value is units * 2**(spread - shift) in units of 2**(lowest - 53 + shift).
    up = spread - shift
    whole = np.where(up >= 0, units << np.maximum(up, 0), units >> np.maximum(-up, 0))
    divisor = np.maximum(np.gcd.reduce(whole, axis=0), 1)
    integers = whole // divisor
    if not IntType(-(1 << (MAX_BITS - 1)), (1 << (MAX_BITS - 1)) - 1).contains(integers):
        return None
    scales = tuple(
        Fraction(int(d)) * _power(int(e) - 53 + int(s)) if column.any() else Fraction(1)
        for d, e, s, column in zip(divisor, lowest, shift, columns.T, strict=True)
    )
    return integers, scales


def rational_grid(columns: Rationals) -> tuple[Ints, tuple[Fraction, ...]] | None:
    """The same for a matrix of rationals."""
    integers = np.zeros(columns.shape, np.int64)
    scales = []
    for index, column in enumerate(columns.T):
        denominator = lcm(*(v.denominator for v in column))
        whole = [int(v * denominator) for v in column]
        divisor = gcd(*whole) or 1
        whole = [n // divisor for n in whole]
        if max((abs(n).bit_length() for n in whole), default=0) >= MAX_BITS:
            return None
        integers[:, index] = whole
        scales.append(Fraction(divisor, denominator) if any(whole) else Fraction(1))
    return integers, tuple(scales)


def weight_type(integers: Ints) -> IntType:
    """The cheapest type that holds the weights."""
    if BIPOLAR.contains(integers):
        return BIPOLAR
    if TERNARY.contains(integers):
        return TERNARY
    return IntType(int(integers.min()), int(integers.max()))


def _power(exponent: int) -> Fraction:
    return Fraction(2) ** exponent


def _trailing_zeros(values: Ints) -> Ints:
    """Number of trailing zero bits; 0 for 0."""
    lowest = values & -values
    return np.where(lowest == 0, 0, np.frexp(lowest.astype(np.float64))[1] - 1).astype(np.int64)
