"""ONNX Mish: x * tanh(log(1 + exp(x)))."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.functions import mapped
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation
from gatesmith.ir import Node
from gatesmith.ops.function import Function
from gatesmith.ops.mul import Mul


@converter("Mish", since=18)
def convert(call: Call) -> Activation:
    """Two Functions and a Mul."""

    def make(x: Node) -> Node:
        soft = call.emit(Function("softplus"), x, suffix="_softplus")
        return call.emit(Mul(), x, call.emit(Function("tanh"), soft, suffix="_tanh"))

    return mapped(call, make)
