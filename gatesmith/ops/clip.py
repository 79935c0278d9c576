"""Clip: y = min(max(x, lo), hi), on reals. Source: ONNX Clip-6 (attributes), Clip-11 (inputs)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Op, TensorType, Values
from gatesmith.ops.elementwise import broadcast


@dataclass(frozen=True, slots=True)
class Clip(Op):
    """Clamp at both ends; an end that is not clamped is infinite.

    ONNX defines Clip with lo above hi as everything equal to hi; the formula above says the same.
    """

    lo: float
    hi: float

    def infer(self, *args: TensorType) -> TensorType:
        """Same shape, real."""
        return broadcast(*args)

    def run(self, *args: Values) -> Values:
        """float64."""
        (x,) = args
        y: Values = np.minimum(np.maximum(x, self.lo), self.hi)
        return y
