"""ONNX QLinearConv: a convolution of codes, with an int32 bias of scale x_scale * w_scale."""

from __future__ import annotations

from gatesmith.frontend.call import Call, as_float
from gatesmith.frontend.conv import ATTRIBUTES, add_bias, arrange, convolve
from gatesmith.frontend.q_operators import (
    centered,
    codes,
    requantized,
    scale_of,
    scaled,
    weight_scale,
    weights,
)
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation
from gatesmith.frontend.windows import channels_first, channels_last, spatial


@converter("QLinearConv", inputs=(8, 9), attributes=ATTRIBUTES, since=10)
def convert(call: Call) -> Activation:
    """Conv and Add on whole numbers, Mul by the scales, Quantize."""
    x = spatial(call, codes(call))
    w = weights(call, 3, 5, axis=0)
    place, kernel = arrange(call, x, w)
    real = centered(call, x, 2)
    y = convolve(call, channels_last(call, real), place, call.const(kernel, call.node.input[3]))
    if call.has(8):
        y = add_bias(call, y, as_float(call.constant(8, "the bias")), call.node.input[8])
    y = scaled(call, y, scale_of(call, 1), weight_scale(call, 4, w, axis=0))
    return requantized(call, channels_first(call, y, real), 6, 7, x.kind)
