"""ONNX TopK: k as an attribute (opset 1 to 9) or as an input (10 and later); indices only."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.frames import along_last
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation, T
from gatesmith.ops.top_k import TopK


@converter(
    "TopK",
    inputs=(1, 2),
    attributes=(
        Attribute("k", "int", required=True, until=9),
        Attribute("axis", "int", -1),
        Attribute("largest", "int", 1, since=11),
        Attribute("sorted", "int", 1, since=11),
    ),
)
def convert(call: Call) -> tuple[None, Activation]:
    """Indices, best first; that order is also right where ``sorted`` is 0 and any would do."""
    if call.used[0]:
        raise call.error(
            "unsupported-output",
            f"the output Values of TopK, {call.node.output[0]!r}, is read",
            "the hardware gives the indices only",
            "use the output Indices, and look the values up in software",
        )
    x = call.activation(0)
    k = (call.integer("k"),) if call.opset < 10 else call.integers_of(1, "k")
    if len(k) != 1:
        what = f"k of TopK is {list(k)}"
        raise call.error("shape", what, "it must be one number", "export again")
    largest = call.opset < 11 or call.flag("largest")
    if call.opset >= 11:
        call.flag("sorted")
    node, back = along_last(call, x, call.frame_axis(call.integer("axis"), x))
    node = call.emit(TopK(k[0], largest=largest), node)
    return None, Activation(call.transpose(node, back, "_back"), x.batched, int(T.INT64))
