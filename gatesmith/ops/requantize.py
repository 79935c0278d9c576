"""Requantize: multiply, add, shift, clamp, per channel.

    y[..., c] = clamp((x[..., c] * mul[c] + add[c]) >> shift, out.lo, out.hi)

The shift is arithmetic (floor); with ``even`` it rounds to the nearest instead, ties to even, as
ONNX and QONNX do, which an ``add`` cannot express where ties are met. With shift 0 it is an exact
affine map; with mul 1 as well, a clamp. Lowering proves it equal to the real function it replaces
on every integer of the range (docs/semantics.md); the form is that of Jacob et al., CVPR 2018,
section 2.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Array, Ints, IntType, Op, TensorType, Values


@dataclass(frozen=True, slots=True)
class Requantize(Op):
    """Integer multiply-shift.

    Attributes:
        mul: int64 (channels or 1,), of any sign.
        add: int64 (channels or 1,), rounding constant included.
        shift: 0 or more, one for all channels.
        out: Clamp limits and type of the result.
        even: Round half to even in place of down; needs shift 1 or more.

    >>> op = Requantize(Array([3]), Array([2]), 2, IntType(-128, 127))
    >>> op.run(np.array([[-2, -1, 1, 2, 500]]))
    array([[ -1,  -1,   1,   2, 127]])
    >>> Requantize(Array([1]), Array([0]), 1, IntType(-8, 7), even=True).run(np.arange(-3, 6))
    array([-2, -1,  0,  0,  0,  1,  2,  2,  2])
    """

    mul: Array
    add: Array
    shift: int
    out: IntType
    even: bool = False

    def __post_init__(self) -> None:
        if self.even and self.shift < 1:
            raise ValueError("rounding to even needs a shift")

    @property
    def half(self) -> int:
        """Added before the shift so that it rounds to the nearest."""
        return 1 << (self.shift - 1) if self.even else 0

    def product(self, x: IntType) -> IntType:
        """Range that holds x * mul + add + half on every channel."""
        channels = max(self.mul.shape[0], self.add.shape[0])
        muls = [int(m) for m in self.mul.data] * (channels // self.mul.shape[0])
        adds = [int(a) for a in self.add.data] * (channels // self.add.shape[0])
        pairs = zip(muls, adds, strict=True)
        ends = [end * m + a + self.half for m, a in pairs for end in (x.lo, x.hi)]
        return IntType(min(ends), max(ends))

    def infer(self, *args: TensorType) -> TensorType:
        """Same shape, the stated type; the product must fit 63 bits."""
        (x,) = args
        for name, array in (("mul", self.mul), ("add", self.add)):
            if array.shape not in ((1,), (x.channels,)):
                raise ValueError(f"{name} of shape {array.shape} for {x.channels} channels")
        if self.product(x.int_elem).bits > 63:
            raise ValueError(f"x * mul + add needs {self.product(x.int_elem).bits} bits, over 63")
        return TensorType(x.shape, self.out)

    def run(self, *args: Values) -> Values:
        """int64."""
        (x,) = args
        product: Ints = np.asarray(x * self.mul.data + self.add.data + self.half, np.int64)
        y: Ints = product >> self.shift
        if self.even:
            tie = (product & ((1 << self.shift) - 1)) == 0  # half was added: a tie ends in zeros
            y = np.where(tie, y & ~1, y)
        return y.clip(self.out.lo, self.out.hi)
