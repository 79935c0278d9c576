"""Dequantize: the real number that an integer stands for, y = (scale * x + offset) / denominator.

ONNX DequantizeLinear is ``scale * (x - zero_point)``, so offset = -scale * zero_point; the second
half of QONNX Quant, BipolarQuant and of MultiThreshold's out_scale and out_bias are the same. The
denominator is there for scales that no float holds: a pixel that stands for 1/255.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Array, IntType, Op, Real, TensorType, Values


@dataclass(frozen=True, slots=True)
class Dequantize(Op):
    """Affine map of integers to reals.

    Attributes:
        scale: float64, exact; broadcasts to the frame shape.
        offset: float64, exact; broadcasts to the frame shape.
        denominator: 1 or more.
    """

    scale: Array
    offset: Array
    denominator: int = 1

    def infer(self, *args: TensorType) -> TensorType:
        """Same shape, real."""
        (x,) = args
        if not isinstance(x.elem, IntType):
            raise ValueError(f"expected an integer operand, not {x}")
        shape = np.broadcast_shapes(x.shape, self.scale.shape, self.offset.shape)
        if shape != x.shape:
            raise ValueError(f"scale or offset is larger than the value: {shape} and {x.shape}")
        return TensorType(x.shape, Real())

    def run(self, *args: Values) -> Values:
        """float64."""
        (x,) = args
        y: Values = (x * self.scale.data + self.offset.data) / self.denominator
        return y
