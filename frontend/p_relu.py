"""ONNX PRelu: a LeakyRelu with learned slopes."""

from __future__ import annotations

from gatesmith.frontend.call import Call, as_float
from gatesmith.frontend.frames import frame_parameter
from gatesmith.frontend.functions import mapped
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation
from gatesmith.ir import Array
from gatesmith.ops.leaky_relu import LeakyRelu


@converter("PRelu", inputs=2, since=7)
def convert(call: Call) -> Activation:
    """The slope is a constant that broadcasts to the data, and never the other way round."""
    x = call.real_activation()
    slope = as_float(call.constant(1, "the slope"))
    op = LeakyRelu(Array(frame_parameter(call, slope, x, "the slope")))
    return mapped(call, lambda node: call.emit(op, node))
