"""onnxruntime's QLinearSoftmax; its attribute opset says which Softmax it stands for."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.q_operators import real_activation, requantized
from gatesmith.frontend.registry import MICROSOFT, Attribute, converter
from gatesmith.frontend.softmax import softmax
from gatesmith.frontend.values import Activation


@converter(
    "QLinearSoftmax",
    domain=MICROSOFT,
    inputs=5,
    attributes=(Attribute("axis", "int", -1), Attribute("opset", "int", required=True)),
)
def convert(call: Call) -> Activation:
    """Dequantize, Softmax, Quantize."""
    y = softmax(call, real_activation(call, 0, 1, 2), call.integer("opset"))
    return requantized(call, y, 3, 4, call.kind(0))
