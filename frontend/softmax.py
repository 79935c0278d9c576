"""ONNX Softmax: over everything from ``axis`` on (opset 1 to 12), or along it (13 and later)."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.frames import along_last
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation
from gatesmith.ops.softmax import Softmax


@converter(
    "Softmax",
    attributes=(
        Attribute("axis", "int", 1, until=12),
        Attribute("axis", "int", -1, since=13),
    ),
)
def convert(call: Call) -> Activation:
    """Real softmax within a frame."""
    return softmax(call, call.real_activation(), call.opset)


def softmax(call: Call, x: Activation, opset: int) -> Activation:
    """Along the attribute ``axis``, as this opset means it."""
    axis = call.frame_axis(call.integer("axis"), x)
    if opset < 13:
        y = call.emit(Softmax(len(x.frame) - axis), x.node)
        return Activation(y, x.batched, x.kind)
    node, back = along_last(call, x, axis)
    y = call.transpose(call.emit(Softmax(), node), back, "_back")
    return Activation(y, x.batched, x.kind)
