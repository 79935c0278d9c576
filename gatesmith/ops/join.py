"""Join: the weighted sum of two integers, shifted and clamped, per channel.

    y[..., c] = clamp((a[..., c] * mul_a[c] + b[..., c] * mul_b[c] + add[c]) >> shift, lo, hi)

with lo, hi = out.lo, out.hi.
The shift is arithmetic (floor); with ``even`` it rounds to the nearest instead, ties to even, as
Requantize does (gatesmith/ops/requantize.py). A sum of two values with one scale is mul 1, 1 and
shift 0; with two scales and a quantizer behind it, lowering finds multipliers that equal the real
function on all pairs. The form is that of Jacob et al., CVPR 2018, appendix A.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Array, Ints, IntType, Op, TensorType, Values


@dataclass(frozen=True, slots=True)
class Join(Op):
    """Integer sum of two operands of one shape.

    Attributes:
        mul_a: int64 (channels or 1,), of any sign.
        mul_b: int64 (channels or 1,), of any sign.
        add: int64 (channels or 1,), rounding constant included.
        shift: 0 or more, one for all channels.
        out: Clamp limits and type of the result; its step is 1.
        even: Round half to even in place of down; needs shift 1 or more.

    >>> op = Join(Array([3]), Array([-1]), Array([2]), 2, IntType(-128, 127))
    >>> op.run(np.array([[-2, 1, 500]]), np.array([[4, 1, 0]]))
    array([[ -2,   1, 127]])
    """

    mul_a: Array
    mul_b: Array
    add: Array
    shift: int
    out: IntType
    even: bool = False

    def __post_init__(self) -> None:
        if self.even and self.shift < 1:
            raise ValueError("rounding to even needs a shift")
        if self.out.step != 1:
            raise ValueError(f"Join to {self.out}, which has a step")

    @property
    def half(self) -> int:
        """Added before the shift so that it rounds to the nearest."""
        return 1 << (self.shift - 1) if self.even else 0

    def total(self, a: IntType, b: IntType) -> IntType:
        """Range that holds both products and their sum with add + half, on every channel.

        An operand with a step travels as a code, x = lo + step * code: the products of the code,
        and the constant beside them, are in the range as well.
        """
        arrays = np.broadcast_arrays(self.mul_a.data, self.mul_b.data, self.add.data)
        ends: list[int] = []
        for row in zip(*arrays, strict=True):
            low = high = constant = int(row[2]) + self.half
            for mul, x in ((int(row[0]), a), (int(row[1]), b)):
                product = sorted((mul * x.lo, mul * x.hi))
                low, high = low + product[0], high + product[1]
                ends += product
                if x.step != 1:
                    ends.append(mul * (x.hi - x.lo))
                    constant += mul * x.lo
            ends += [low, high, constant]
        return IntType(min(ends), max(ends))

    def infer(self, *args: TensorType) -> TensorType:
        """Same shape, the stated type; products and sums must fit 63 bits."""
        a, b = args
        if a.shape != b.shape:
            raise ValueError(f"expected operands of one shape, not {a} and {b}")
        for name, array in (("mul_a", self.mul_a), ("mul_b", self.mul_b), ("add", self.add)):
            if array.shape not in ((1,), (a.channels,)):
                raise ValueError(f"{name} of shape {array.shape} for {a.channels} channels")
        bits = self.total(a.int_elem, b.int_elem).bits
        if bits > 63:
            raise ValueError(f"a * mul_a + b * mul_b + add needs {bits} bits, over 63")
        return TensorType(a.shape, self.out)

    def run(self, *args: Values) -> Values:
        """int64."""
        a, b = args
        products = a * self.mul_a.data + b * self.mul_b.data
        total: Ints = np.asarray(products + (self.add.data + self.half), np.int64)
        y: Ints = total >> self.shift
        if self.even:
            tie = (total & ((1 << self.shift) - 1)) == 0  # half was added: a tie ends in zeros
            y = np.where(tie, y & ~1, y)
        return y.clip(self.out.lo, self.out.hi)
