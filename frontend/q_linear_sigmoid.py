"""onnxruntime's QLinearSigmoid."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.q_operators import real_activation, requantized
from gatesmith.frontend.registry import MICROSOFT, converter
from gatesmith.frontend.values import Activation
from gatesmith.ops.function import Function


@converter("QLinearSigmoid", domain=MICROSOFT, inputs=(4, 5))
def convert(call: Call) -> Activation:
    """Dequantize, the sigmoid function, Quantize."""
    x = real_activation(call, 0, 1, 2)
    y = call.emit(Function("sigmoid"), x.node)
    return requantized(call, Activation(y, x.batched, x.kind), 3, 4, call.kind(0))
