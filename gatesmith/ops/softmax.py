"""Softmax: y = exp(x) / sum(exp(x)) over one axis, on reals. Source: ONNX Softmax-13."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Op, TensorType, Values
from gatesmith.ops.elementwise import broadcast


@dataclass(frozen=True, slots=True)
class Softmax(Op):
    """Softmax over the last ``axes`` axes of the frame, flattened together.

    One axis is ONNX opset 13 and later on the last axis; more are the older definition, which
    flattens everything from ``axis`` on.
    """

    axes: int = 1

    def infer(self, *args: TensorType) -> TensorType:
        """Same shape, real."""
        return broadcast(*args)

    def run(self, *args: Values) -> Values:
        """float64, shifted by the maximum so that nothing overflows."""
        (x,) = args
        over = tuple(range(-self.axes, 0))
        e = np.exp(x - x.max(axis=over, keepdims=True))
        y: Values = e / e.sum(axis=over, keepdims=True)
        return y
