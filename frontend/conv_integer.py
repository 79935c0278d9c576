"""ONNX ConvInteger: a convolution of x - x_zero and w - w_zero, whole numbers of 32 bits."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.conv import ATTRIBUTES, arrange, convolve
from gatesmith.frontend.q_operators import centered, centered_range, codes, int32, weights
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation
from gatesmith.frontend.windows import channels_first, channels_last, spatial


@converter("ConvInteger", inputs=(2, 4), attributes=ATTRIBUTES, since=10)
def convert(call: Call) -> Activation:
    """Conv on whole numbers, Quantize to a type that holds every sum."""
    x = spatial(call, codes(call))
    place, kernel = arrange(call, x, weights(call, 1, 3, axis=0))
    real = centered(call, x, 2)
    y = convolve(call, channels_last(call, real), place, call.const(kernel, call.node.input[1]))
    terms = kernel.reshape(-1, kernel.shape[-1])
    return int32(call, channels_first(call, y, real), centered_range(call, x, 2), terms)
