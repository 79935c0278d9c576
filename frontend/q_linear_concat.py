"""onnxruntime's QLinearConcat: (y_scale, y_zero, then data, scale and zero of each part)."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.movement import same_batch
from gatesmith.frontend.q_operators import real_activation, requantized
from gatesmith.frontend.registry import MICROSOFT, Attribute, converter
from gatesmith.frontend.values import Activation
from gatesmith.ops.concat import Concat


@converter(
    "QLinearConcat",
    domain=MICROSOFT,
    inputs=(5, 2**31),
    attributes=(Attribute("axis", "int", required=True),),
)
def convert(call: Call) -> Activation:
    """Dequantize of each part, Concat, Quantize."""
    count, left = divmod(len(call.node.input) - 2, 3)
    if left:
        what = f"QLinearConcat has {len(call.node.input)} inputs"
        raise call.error("invalid-node", what, "it takes 2, and 3 for each part", "export again")
    found = [real_activation(call, 2 + 3 * k, 3 + 3 * k, 4 + 3 * k) for k in range(count)]
    parts, batched = same_batch(call, found)
    first = parts[0]
    axis = call.frame_axis(call.integer("axis"), first)
    y = call.emit(Concat(axis), *(part.node for part in parts))
    return requantized(call, Activation(y, batched, first.kind), 0, 1, call.kind(2))
