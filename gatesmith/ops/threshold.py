"""Threshold: an integer step function per channel.

    n[..., c] = number of k with x[..., c] >= thresholds[c, k]
    y = out.lo + out.step * n                 (rising channel)
    y = out.lo + out.step * (K - n)           (falling channel)

Every monotone function of an integer with few results is one: batch norm, scale, activation and
quantizer behind a matrix product (FINN, Umuroglu et al., FPGA 2017, section 4.2.2).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gatesmith.ir import Array, IntType, Op, TensorType, Values


@dataclass(frozen=True, slots=True)
class Threshold(Op):
    """Compare with constants and count.

    Attributes:
        thresholds: int64 (channels or 1, K), ascending in each row, inside [x.lo, x.hi + x.step]:
            x.lo is always reached, x.hi + x.step never.
        out: Type of the result; ``out.count`` is K + 1.
        falling: int64 (channels or 1,) of 0 and 1; 1 where the function falls.
        reloadable: Whether thresholds and directions are only the first ones: hardware then keeps
            all of them in memory, for any values of the input's range.

    >>> op = Threshold(Array([[0, 10]]), IntType(-1, 1), Array([0]))
    >>> op.run(np.array([[-5, 0, 10]]))
    array([[-1,  0,  1]])
    """

    thresholds: Array
    out: IntType
    falling: Array
    reloadable: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        if self.thresholds.shape[1] != self.out.count - 1:
            raise ValueError(f"{self.thresholds.shape[1]} thresholds for {self.out}")
        if (np.diff(self.thresholds.data, axis=1) < 0).any():
            raise ValueError("thresholds must ascend")

    def infer(self, *args: TensorType) -> TensorType:
        """Same shape, the stated type."""
        (x,) = args
        for name, array in (("thresholds", self.thresholds), ("falling", self.falling)):
            if array.shape[0] not in (1, x.channels):
                raise ValueError(f"{array.shape[0]} rows of {name} for {x.channels} channels")
        return TensorType(x.shape, self.out)

    def run(self, *args: Values) -> Values:
        """Count; K is small, so a loop over the thresholds is vector work."""
        (x,) = args
        count = np.zeros(x.shape, np.int64)
        for column in self.thresholds.data.T:
            count += x >= column
        steps = self.thresholds.shape[1]
        falling = self.falling.data.astype(bool)
        if falling.any():
            count = np.where(falling, steps - count, count)
        y: Values = self.out.lo + self.out.step * count
        return y
