"""Rows of constant weights over the codes of their inputs: signs chosen, constants gathered.

An input is x = base + step * c with c its code on the wires, so an output is, as a code,

    y = constant + sum of factor[i] * c[i]

A code of all its 2**bits values is inverted for nothing, c = 2**bits - 1 - c', which negates its
factor and moves the constant. Codes are inverted until the constant is gone, where they can be: a
sum of bipolar products becomes the popcount of xnor, and one of bipolar inputs and ternary weights
the difference of two popcounts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gatesmith.codegen.signed_digits import digits
from gatesmith.codegen.sums import Sums, Term
from gatesmith.ir import Ints, IntType

MOST_BITS = 1 << 26
"""Bits of all sets of sums that are held at a time."""


@dataclass(frozen=True, slots=True)
class Factor:
    """A factor other than 0, of an input's code or of the inverted code."""

    input: int
    value: int
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """``(sum of factors << shift) + constant``.

    Attributes:
        factors: Of the codes; one of them at least is odd, unless there is none.
        shift: Powers of two that all of them have in common.
        constant: Below ``2**shift`` and not negative where the codes could be inverted so.
    """

    factors: tuple[Factor, ...]
    shift: int
    constant: int

    @property
    def fill(self) -> int:
        """Lowest ``shift`` bits of the result."""
        return self.constant % (1 << self.shift)

    @property
    def offset(self) -> int:
        """What is added to the sum above them."""
        return self.constant >> self.shift

    def terms(self, sums: Sums) -> list[Term]:
        """The factors as signed powers of two."""
        return [
            Term(
                sums.input(factor.input, inverted=factor.inverted),
                digit.shift,
                digit.negative != (factor.value < 0),
            )
            for factor in self.factors
            for digit in digits(abs(factor.value))
        ]


def row_of(weights: Ints, x: IntType, y: IntType) -> Row:
    """The row of one output.

    Args:
        weights: By input.
        x: Type of an input.
        y: Type of the output.

    >>> import numpy as np
    >>> from gatesmith.ir import BIPOLAR
    >>> xnor = row_of(np.array([1, -1, 1]), BIPOLAR, IntType(-3, 3, 2))
    >>> [(f.value, f.inverted) for f in xnor.factors], xnor.constant
    ([(1, False), (1, True), (1, False)], 0)
    """
    base, step = (0, 1) if x.step == 1 else (x.lo, x.step)
    low, unit = (0, 1) if y.step == 1 else (y.lo, y.step)
    values = [int(w) * step for w in weights]
    constant = sum(int(w) for w in weights) * base - low
    if constant % unit or any(value % unit for value in values):
        raise ValueError(f"sums of {x} by these weights do not all lie in {y}")
    factors = [Factor(i, value // unit) for i, value in enumerate(values) if value]
    shift = _common_shift([factor.value for factor in factors])
    factors = [Factor(f.input, f.value >> shift) for f in factors]
    constant //= unit
    flipped = _inverted(factors, x.code, -(constant >> shift))
    for number in flipped:
        factor = factors[number]
        factors[number] = Factor(factor.input, -factor.value, inverted=True)
        constant += (factor.value * x.code.hi) << shift
    return Row(tuple(factors), shift, constant)


def _common_shift(values: Sequence[int]) -> int:
    """Trailing zeros that all have."""
    every = 0
    for value in values:
        every |= abs(value)
    return (every & -every).bit_length() - 1 if every else 0


def _inverted(factors: Sequence[Factor], code: IntType, wanted: int) -> list[int]:
    """Factors whose inversion brings ``wanted`` into the constant, or as near as can be."""
    if wanted == 0 or (code.lo, code.hi) != (0, (1 << code.bits) - 1):
        return []
    gains = {
        number: abs(factor.value) * code.hi
        for number, factor in enumerate(factors)
        if (factor.value > 0) == (wanted > 0)
    }
    return sorted(_subset(gains, abs(wanted)))


def _subset(sizes: Mapping[int, int], wanted: int) -> list[int]:
    """Keys whose sizes have the largest sum that is not above ``wanted``.

    By dynamic programming over sets of sums, as bits of a number; what would take more than
    MOST_BITS of them is filled with the largest sizes first.

    >>> _subset({0: 5, 1: 4, 2: 3}, 7)
    [1, 2]
    """
    found, left = [], sorted(sizes, key=lambda key: -sizes[key])
    while left and len(left) * wanted > MOST_BITS:
        key = left.pop(0)
        if sizes[key] <= wanted:
            found.append(key)
            wanted -= sizes[key]
    reached = [1]  # bit s: the keys so far have a subset of sum s
    for key in left:
        reached.append((reached[-1] | reached[-1] << sizes[key]) & ((2 << wanted) - 1))
    total = reached[-1].bit_length() - 1
    for key, before in zip(reversed(left), reversed(reached[:-1]), strict=True):
        if not before >> total & 1:
            found.append(key)
            total -= sizes[key]
    return sorted(found)
