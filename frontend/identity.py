"""ONNX Identity."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation


@converter("Identity")
def convert(call: Call) -> Activation:
    """Its operand."""
    return call.activation(0)
