"""Sign: y = -1, 0 or +1, on reals; Sign(0) is 0. Source: ONNX Sign-9."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Op, TensorType, Values
from gatesmith.ops.elementwise import broadcast


@dataclass(frozen=True, slots=True)
class Sign(Op):
    """The sign as a real; see BipolarQuant for the quantizer that sends 0 to +1."""

    def infer(self, *args: TensorType) -> TensorType:
        """Same shape, real."""
        return broadcast(*args)

    def run(self, *args: Values) -> Values:
        """float64."""
        (x,) = args
        y: Values = np.sign(x)
        return y
