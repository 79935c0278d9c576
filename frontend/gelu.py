"""ONNX Gelu: x / 2 * (1 + erf(x / sqrt(2))), or its approximation by tanh.

sqrt(2) and sqrt(2 / pi) are irrational: they are evaluated here in float64, once.
"""

from __future__ import annotations

from math import pi, sqrt

from gatesmith.frontend.call import Call
from gatesmith.frontend.functions import mapped, plus, times
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation
from gatesmith.ir import Node
from gatesmith.ops.add import Add
from gatesmith.ops.function import Function
from gatesmith.ops.mul import Mul

CUBIC = 0.044715


@converter("Gelu", attributes=(Attribute("approximate", "string", "none"),), since=20)
def convert(call: Call) -> Activation:
    """0.5 * x * (1 + f), with f = erf(x / sqrt(2)) or tanh(sqrt(2 / pi) * (x + 0.044715 x^3))."""
    approximate = call.text("approximate")
    if approximate not in ("none", "tanh"):
        what, why = f"approximate of Gelu is {approximate!r}", "it is none or tanh"
        raise call.error("attribute", what, why, "export the model again")

    def make(x: Node) -> Node:
        if approximate == "none":
            kind, inner = "erf", times(call, x, sqrt(0.5), "root")
        else:
            square = call.emit(Mul(), x, x, suffix="_square")
            cube = times(call, call.emit(Mul(), square, x, suffix="_cube"), CUBIC, "cubic")
            kind, inner = (
                "tanh",
                times(call, call.emit(Add(), x, cube, suffix="_sum"), sqrt(2 / pi), "root"),
            )
        gate = plus(call, call.emit(Function(kind), inner, suffix=f"_{kind}"), 1.0, "one")
        return call.emit(Mul(), times(call, x, 0.5, "half"), gate)

    return mapped(call, make)
