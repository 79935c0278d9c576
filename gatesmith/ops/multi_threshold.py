"""MultiThreshold: y = number of thresholds at or below x. Source: FINN / QONNX MultiThreshold.

    y[..., c] = sum over k of (x[..., c] >= thresholds[c, k])

The operator's out_scale and out_bias are the Dequantize behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Array, IntType, Op, TensorType, Values
from gatesmith.ops.elementwise import broadcast


@dataclass(frozen=True, slots=True)
class MultiThreshold(Op):
    """Real to count.

    Attributes:
        thresholds: float64 (channels or 1, K), ascending in each row.
        axis: Axis of the frame that is the channel; negative, counted from the end.
    """

    thresholds: Array
    axis: int = -1

    def infer(self, *args: TensorType) -> TensorType:
        """Same shape, 0..K."""
        shape = broadcast(*args).shape
        rows, steps = self.thresholds.shape
        if rows not in (1, shape[self.axis]):
            raise ValueError(f"{rows} rows of thresholds for {shape[self.axis]} channels")
        return TensorType(shape, IntType(0, steps))

    def run(self, *args: Values) -> Values:
        """int64."""
        (x,) = args
        last = np.moveaxis(x, self.axis, -1)
        count = np.zeros(last.shape, np.int64)
        for column in self.thresholds.data.T:
            count += last >= column
        return np.moveaxis(count, -1, self.axis)
