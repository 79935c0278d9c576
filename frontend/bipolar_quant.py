"""QONNX BipolarQuant: +scale if x >= 0 else -scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gatesmith.frontend.call import Call, as_float
from gatesmith.frontend.quantizers import dequantize, dequantized_constant, positive_scale
from gatesmith.frontend.registry import QONNX, converter
from gatesmith.frontend.values import Activation, Constant
from gatesmith.ops.bipolar_quant import BipolarQuant


@converter("BipolarQuant", domain=QONNX, inputs=2)
def convert(call: Call) -> Activation | Constant:
    """BipolarQuant and Dequantize of a computed value; of a constant, its exact value."""
    return bipolar(call, positive_scale(call, 1))


def bipolar(call: Call, scale: NDArray[np.float64]) -> Activation | Constant:
    """Shared with Quant of one signed bit."""
    x, zero = call.value(0), np.zeros(())
    if isinstance(x, Constant):
        data = as_float(call.constant(0, "the data"))
        return dequantized_constant(call, np.where(data >= 0, 1, -1), scale, zero, x.kind)
    x = call.real_activation(0)
    codes = call.emit(BipolarQuant(), x.node)
    return Activation(dequantize(call, x, codes, scale, zero), x.batched, x.kind)
