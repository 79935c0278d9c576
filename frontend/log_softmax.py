"""ONNX LogSoftmax: the logarithm of Softmax, over the same axes."""

from __future__ import annotations

from dataclasses import replace

from gatesmith.frontend.call import Call
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.softmax import convert as softmax
from gatesmith.frontend.values import Activation
from gatesmith.ops.function import Function


@converter(
    "LogSoftmax",
    attributes=(
        Attribute("axis", "int", 1, until=12),
        Attribute("axis", "int", -1, since=13),
    ),
)
def convert(call: Call) -> Activation:
    """Softmax, and a Function behind."""
    y = softmax(call)
    assert isinstance(y, Activation)
    return replace(y, node=call.emit(Function("log"), y.node, suffix="_log"))
