"""onnxruntime's QLinearGlobalAveragePool, channels first or last."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.q_operators import real_activation, requantized
from gatesmith.frontend.reductions import global_pool, reduce_axes
from gatesmith.frontend.registry import MICROSOFT, Attribute, converter
from gatesmith.frontend.values import Activation
from gatesmith.frontend.windows import spatial


@converter(
    "QLinearGlobalAveragePool",
    domain=MICROSOFT,
    inputs=(4, 5),
    attributes=(Attribute("channels_last", "int", 0),),
)
def convert(call: Call) -> Activation:
    """Dequantize, the mean of each channel, Quantize."""
    x = spatial(call, real_activation(call, 0, 1, 2))
    if not call.flag("channels_last"):
        return requantized(call, global_pool(call, x, "mean"), 3, 4, call.kind(0))
    *sizes, channels = x.frame
    node = reduce_axes(call, x.node, set(range(len(sizes))), "mean")
    y = Activation(call.reshape(node, (*(1,) * len(sizes), channels)), True, x.kind)
    return requantized(call, y, 3, 4, call.kind(0))
