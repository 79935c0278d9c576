"""onnxruntime's QLinearAveragePool, channels first or last."""

from __future__ import annotations

from gatesmith.frontend.average_pool import average
from gatesmith.frontend.call import Call
from gatesmith.frontend.q_operators import real_activation, requantized
from gatesmith.frontend.registry import MICROSOFT, Attribute, converter
from gatesmith.frontend.values import Activation
from gatesmith.frontend.windows import channels_first, channels_last, spatial


@converter(
    "QLinearAveragePool",
    domain=MICROSOFT,
    inputs=(4, 5),
    attributes=(
        Attribute("auto_pad", "string", "NOTSET"),
        Attribute("ceil_mode", "int", 0),
        Attribute("channels_last", "int", 0),
        Attribute("count_include_pad", "int", 0),
        Attribute("kernel_shape", "ints", required=True),
        Attribute("pads", "ints"),
        Attribute("strides", "ints"),
    ),
)
def convert(call: Call) -> Activation:
    """Dequantize, AveragePool, Quantize."""
    x = spatial(call, real_activation(call, 0, 1, 2))
    if not call.flag("channels_last"):
        y = channels_first(call, average(call, channels_last(call, x), x.full[2:]), x)
        return requantized(call, y, 3, 4, call.kind(0))
    *sizes, channels = x.frame
    node = call.reshape(x.node, (*(1, *sizes)[-2:], channels))
    pooled = average(call, node, tuple(sizes))
    shape = (*pooled.type.shape[2 - len(sizes) : 2], channels)
    y = Activation(call.reshape(pooled, shape), True, x.kind)
    return requantized(call, y, 3, 4, call.kind(0))
