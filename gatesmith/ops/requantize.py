"""Requantize: multiply, add, shift, clamp, per channel.

    y[..., c] = clamp((x[..., c] * mul[c] + add[c]) >> shift, out.lo, out.hi)

The shift is arithmetic (floor). With shift 0 it is an exact affine map; with mul 1 as well, a
clamp. Lowering proves it equal to the real function it replaces on every integer of the range
(docs/semantics.md); the form is that of Jacob et al., CVPR 2018, section 2.2.
"""

from __future__ import annotations

from dataclasses import dataclass

from gatesmith.ir import Array, IntType, Op, TensorType, Values


@dataclass(frozen=True, slots=True)
class Requantize(Op):
    """Integer multiply-shift.

    Attributes:
        mul: int64 (channels or 1,), of any sign.
        add: int64 (channels or 1,), rounding constant included.
        shift: 0 or more, one for all channels.
        out: Clamp limits and type of the result.

    >>> import numpy as np
    >>> op = Requantize(Array([3]), Array([2]), 2, IntType(-128, 127))
    >>> op.run(np.array([[-2, -1, 1, 2, 500]]))
    array([[ -1,  -1,   1,   2, 127]])
    """

    mul: Array
    add: Array
    shift: int
    out: IntType

    def product(self, x: IntType) -> IntType:
        """Range that holds x * mul + add on every channel, and the clamp limits shifted up."""
        channels = max(self.mul.shape[0], self.add.shape[0])
        muls = [int(m) for m in self.mul.data] * (channels // self.mul.shape[0])
        adds = [int(a) for a in self.add.data] * (channels // self.add.shape[0])
        ends = [end * m + a for m, a in zip(muls, adds, strict=True) for end in (x.lo, x.hi)]
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
        y: Values = (x * self.mul.data + self.add.data) >> self.shift
        return y.clip(self.out.lo, self.out.hi)
