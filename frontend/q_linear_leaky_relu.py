"""onnxruntime's QLinearLeakyRelu."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.q_operators import real_activation, requantized
from gatesmith.frontend.registry import MICROSOFT, Attribute, converter
from gatesmith.frontend.values import Activation
from gatesmith.ir import Array
from gatesmith.ops.leaky_relu import LeakyRelu


@converter(
    "QLinearLeakyRelu",
    domain=MICROSOFT,
    inputs=(4, 5),
    attributes=(Attribute("alpha", "float", 0.01),),
)
def convert(call: Call) -> Activation:
    """Dequantize, LeakyRelu, Quantize."""
    x = real_activation(call, 0, 1, 2)
    y = call.emit(LeakyRelu(Array(call.real("alpha"))), x.node)
    return requantized(call, Activation(y, x.batched, x.kind), 3, 4, call.kind(0))
