"""ONNX GlobalMaxPool: the largest value of each channel."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.reductions import global_pool
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation


@converter("GlobalMaxPool")
def convert(call: Call) -> Activation:
    """Reduce to the maximum over all spatial axes, of reals or integers."""
    return global_pool(call, call.activation(0), "max")
