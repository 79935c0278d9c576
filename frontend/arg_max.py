"""ONNX ArgMax. Without ``axis`` it works along axis 0, which is the batch and refused."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.frames import along_last
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation, T
from gatesmith.ops.top_k import TopK


@converter(
    "ArgMax",
    attributes=(
        Attribute("axis", "int", 0),
        Attribute("keepdims", "int", 1),
        Attribute("select_last_index", "int", 0, since=12),
    ),
)
def convert(call: Call) -> Activation:
    """TopK of one. Among equals the first wins, or the last with select_last_index."""
    x = call.activation(0)
    axis = call.frame_axis(call.integer("axis"), x)
    last = call.opset >= 12 and call.flag("select_last_index")
    node, back = along_last(call, x, axis)
    node = call.transpose(call.emit(TopK(1, last=last), node), back, "_back")
    if not call.flag("keepdims"):
        node = call.reshape(node, node.type.shape[:axis] + node.type.shape[axis + 1 :])
    return Activation(node, x.batched, int(T.INT64))
