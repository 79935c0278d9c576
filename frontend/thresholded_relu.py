"""ONNX ThresholdedRelu: x where it is above alpha, else 0."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.functions import mapped, plus
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation
from gatesmith.ir import Node
from gatesmith.ops.function import Function
from gatesmith.ops.mul import Mul


@converter("ThresholdedRelu", attributes=(Attribute("alpha", "float", 1.0),), since=10)
def convert(call: Call) -> Activation:
    """The product with the step function of x - alpha."""
    alpha = call.real("alpha")

    def make(x: Node) -> Node:
        step = call.emit(Function("step"), plus(call, x, -alpha, "alpha"), suffix="_step")
        return call.emit(Mul(), x, step)

    return mapped(call, make)
