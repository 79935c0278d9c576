"""ONNX LeakyRelu."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.functions import mapped
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation
from gatesmith.ir import Array
from gatesmith.ops.leaky_relu import LeakyRelu


@converter("LeakyRelu", attributes=(Attribute("alpha", "float", 0.01),), since=6)
def convert(call: Call) -> Activation:
    """One slope for all elements."""
    op = LeakyRelu(Array(call.real("alpha")))
    return mapped(call, lambda x: call.emit(op, x))
