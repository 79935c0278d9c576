"""ONNX Softsign: x / (1 + |x|)."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.functions import magnitude, mapped, plus
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation
from gatesmith.ir import Node
from gatesmith.ops.div import Div


@converter("Softsign")
def convert(call: Call) -> Activation:
    """LeakyRelu of slope -1, Add, Div."""

    def make(x: Node) -> Node:
        return call.emit(Div(), x, plus(call, magnitude(call, x, "_abs"), 1.0, "one"))

    return mapped(call, make)
