"""ONNX Swish: x * sigmoid(alpha * x); Silu is alpha = 1."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.functions import mapped, times
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation
from gatesmith.ir import Node
from gatesmith.ops.function import Function
from gatesmith.ops.mul import Mul


@converter("Swish", attributes=(Attribute("alpha", "float", 1.0),), since=24)
def convert(call: Call) -> Activation:
    """Mul, Function, Mul."""
    alpha = call.real("alpha")

    def make(x: Node) -> Node:
        scaled = times(call, x, alpha, "alpha")
        return call.emit(Mul(), x, call.emit(Function("sigmoid"), scaled, suffix="_sigmoid"))

    return mapped(call, make)
