"""Relu: y = max(x, 0), on reals. Source: ONNX Relu-6."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Op, TensorType, Values
from gatesmith.ops.elementwise import broadcast


@dataclass(frozen=True, slots=True)
class Relu(Op):
    """Clamp from below at zero."""

    def infer(self, *args: TensorType) -> TensorType:
        """Same shape, real."""
        return broadcast(*args)

    def run(self, *args: Values) -> Values:
        """float64."""
        (x,) = args
        y: Values = np.maximum(x, 0.0)
        return y
