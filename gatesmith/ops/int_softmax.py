"""IntSoftmax: softmax of integers on one scale, by a defined integer algorithm with a proven error.

With F = fraction, n = bits, G = guard, K = F + n + G, ``>>`` rounding down, for each vector:

    m   = max over c of x_c
    e_c = exp_table(m - x_c)                      2**F * exp(-scale * (m - x_c)), rounded
    S   = sum over c of e_c                       2**F <= S, because the maximum's e is 2**F
    R   = floor(2**K / S)
    y_c = (e_c * R + 2**(K - n - 1)) >> (K - n)   0 <= y_c <= 2**n, because e_c * R <= 2**K

    exp_table(d) = coarse[d]                                             one table, h = 0
                 = (coarse[d >> h] * fine[d % 2**h] + 2**(F - 1)) >> F   two, 2**h = len(fine)

and 0 behind the last entry of ``coarse``. Each entry is 2**F * exp(-scale * its d) rounded to the
nearest (:meth:`IntSoftmax.of`), decided with 150 bits. Against the real softmax p_c of the integers

    |y_c - 2**n * p_c| <= 1/2 + 2**-G + (C - 1) * t * 2**(n - F)

for C channels: 1/2 is the last rounding. R is short by less than 1, so e_c * R * 2**(n - K) by less
than 2**(F + n - K) = 2**-G. With e_c = 2**F * (exp + q_c), |q_c| <= t * 2**-F, and S = 2**F * (sum
+ Q), the error of e_c / S is (q_c - p_c * Q) / (S / 2**F), where S / 2**F >= 1, q is 0 at the
maximum and p_c <= 1/2 elsewhere: at most C - 1 times the largest q. An entry is off by half a unit,
also where it rounds to 0, so t = 1/2 with one table; with two t = 3/2 + 2**-(F + 2), half a unit
for each factor (at most 1) and for their product. :meth:`IntSoftmax.bound` computes the sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, log

import numpy as np

from gatesmith.ir import Array, Ints, IntType, Op, TensorType, Values
from gatesmith.ops.function import precise

GUARD = 3
"""Bits by which the algorithm is finer than its result."""

ONE_TABLE = 2048
"""Most entries of a single table of exp."""

TWO_TABLES = 1 << 24
"""Most differences that two tables tell apart."""

MOST_FRACTION = 30
"""Largest F: products of two table entries stay within int64."""


@dataclass(frozen=True, slots=True)
class IntSoftmax(Op):
    """Softmax over the last axis; the result stands for ``y / 2**bits``.

    Attributes:
        coarse: int64 (entries,), from 2**fraction down.
        fine: int64 (2**h,); one entry of 2**fraction where there is one table.
        fraction: F, bits behind the point of a table entry.
        bits: n, bits behind the point of the result.
        guard: G, further bits of the reciprocal.

    >>> op = IntSoftmax.of(Fraction(1, 2), 16, 3, 8)
    >>> op.run(np.array([[0, 0, 0], [9, 3, 1], [-7, 8, 8]]))
    array([[ 85,  85,  85],
           [240,  12,   4],
           [  0, 128, 128]])
    """

    coarse: Array
    fine: Array
    fraction: int
    bits: int
    guard: int = GUARD

    def __post_init__(self) -> None:
        one = 1 << self.fraction
        if self.fine.shape[0] & (self.fine.shape[0] - 1):
            raise ValueError(f"{self.fine.shape[0]} entries of the fine table are no power of two")
        if not 0 < self.fraction <= MOST_FRACTION or self.bits < 1 or self.quotient_shift > 62:
            raise ValueError(f"{self.fraction} and {self.bits} bits are outside what is taken")
        for table in (self.coarse, self.fine):
            if table.data[0] != one or not IntType(0, one).contains(table.data):
                raise ValueError("a table of exp begins with 1 and stays within 0 and 1")

    @property
    def low_bits(self) -> int:
        """h: bits of a difference that address the fine table."""
        return self.fine.shape[0].bit_length() - 1

    @property
    def quotient_shift(self) -> int:
        """K."""
        return self.fraction + self.bits + self.guard

    @staticmethod
    def of(scale: Fraction, count: int, channels: int, bits: int, guard: int = GUARD) -> IntSoftmax:
        """The operator with F so large that the tables add at most 2**-guard to the error.

        Args:
            scale: Real step between neighbouring integers, above 0.
            count: Integers that occur: differences are below it.
            channels: Extent of the last axis.
            bits: n.
            guard: G.

        Raises:
            ValueError: the scale is so fine that two tables are not enough, or F is too large.
        """
        if scale <= 0:
            raise ValueError(f"the scale must be above 0, not {scale}")
        terms = max(channels - 2, 0).bit_length()  # 2**terms >= channels - 1
        fraction = bits + guard - 1 + terms
        entries = min(count, _reach(scale, fraction))
        low = 0
        if entries > ONE_TABLE:
            fraction += 2
            entries = min(count, _reach(scale, fraction))
            low = ((entries - 1).bit_length() + 1) // 2
        if entries > TWO_TABLES or fraction > MOST_FRACTION:
            raise ValueError(f"{entries} differences, {fraction} bits: too many for two tables")
        coarse = -(-entries >> low)
        return IntSoftmax(
            Array([_exp(scale * (i << low), fraction) for i in range(coarse)]),
            Array([_exp(scale * i, fraction) for i in range(1 << low)]),
            fraction,
            bits,
            guard,
        )

    def bound(self, channels: int) -> Fraction:
        """Largest |y - 2**bits * softmax|, see the top of this file.

        >>> float(IntSoftmax.of(Fraction(1, 16), 256, 10, 12).bound(10))
        0.6953125
        """
        unit = Fraction(1, 2)
        if self.low_bits:
            unit = Fraction(3, 2) + Fraction(1, 1 << (self.fraction + 2))
        tables = (channels - 1) * unit * (1 << self.bits) / (1 << self.fraction)
        return Fraction(1, 2) + Fraction(1, 1 << self.guard) + tables

    def infer(self, *args: TensorType) -> TensorType:
        """Same shape, 0 to 2**bits."""
        (x,) = args
        if not x.shape:
            raise ValueError("a scalar has no vectors")
        if x.int_elem.step != 1:
            raise ValueError(f"integers in steps of {x.int_elem.step}")
        if x.channels << self.fraction >> 62:
            raise ValueError(f"a sum of {x.channels} numbers of {self.fraction} bits")
        return TensorType(x.shape, IntType(0, 1 << self.bits))

    def exponentials(self, d: Ints) -> Ints:
        """exp_table, element by element."""
        place = d >> self.low_bits
        known = place < self.coarse.shape[0]
        e = self.coarse.data[np.where(known, place, 0)]
        if self.low_bits:
            fine = self.fine.data[d & (self.fine.shape[0] - 1)]
            e = (e * fine + (1 << (self.fraction - 1))) >> self.fraction
        return np.where(known, e, 0)

    def run(self, *args: Values) -> Values:
        """int64; no product is wider."""
        x = args[0].astype(np.int64)
        e = self.exponentials(x.max(axis=-1, keepdims=True) - x)
        reciprocal = (1 << self.quotient_shift) // e.sum(axis=-1, keepdims=True)
        shift = self.quotient_shift - self.bits
        y: Ints = (e * reciprocal + (1 << (shift - 1))) >> shift
        return y


def _exp(d: Fraction, fraction: int) -> int:
    """2**fraction * exp(-d), rounded."""
    return round(precise("exp", -d) * (1 << fraction))


def _reach(scale: Fraction, fraction: int) -> int:
    """Differences whose exponential does not round to 0."""
    return max(1, ceil((fraction + 1) * log(2) / float(scale)) + 1)
