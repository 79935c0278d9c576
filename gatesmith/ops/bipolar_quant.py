"""BipolarQuant: +1 if x >= 0 else -1, so that 0 becomes +1. Source: QONNX BipolarQuant.

The scale of the QONNX operator is the Dequantize behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.ir import BIPOLAR, Op, TensorType, Values
from gatesmith.ops.elementwise import broadcast


@dataclass(frozen=True, slots=True)
class BipolarQuant(Op):
    """Real to bipolar."""

    def infer(self, *args: TensorType) -> TensorType:
        """Same shape, bipolar."""
        return TensorType(broadcast(*args).shape, BIPOLAR)

    def run(self, *args: Values) -> Values:
        """int64 in {-1, +1}."""
        (x,) = args
        y: Values = np.where(x >= 0, 1, -1).astype(np.int64)
        return y
