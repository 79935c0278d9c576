"""LeakyRelu: y = x where x >= 0, slope * x elsewhere, on reals.

Source: ONNX LeakyRelu-6, PRelu-7. The slope is a constant; one of -1 makes the absolute value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Array, Op, TensorType, Values
from gatesmith.ops.elementwise import broadcast


@dataclass(frozen=True, slots=True)
class LeakyRelu(Op):
    """Two lines that meet at zero.

    Attributes:
        slope: float64, of a shape that broadcasts to the frame; any sign.

    >>> LeakyRelu(Array([0.5, -1.0])).run(np.array([[-4.0, -4.0], [4.0, 4.0]]))
    array([[-2.,  4.],
           [ 4.,  4.]])
    """

    slope: Array

    def infer(self, *args: TensorType) -> TensorType:
        """Same shape, real."""
        (x,) = args
        y = broadcast(x)
        slope = self.slope
        if slope.data.dtype != np.float64 or np.broadcast_shapes(x.shape, slope.shape) != x.shape:
            raise ValueError(f"a slope {slope} for {x}")
        return y

    def run(self, *args: Values) -> Values:
        """float64."""
        (x,) = args
        y: Values = np.where(x >= 0, x, self.slope.data * x)
        return y
