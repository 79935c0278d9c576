"""ONNX GlobalAveragePool: the mean of each channel."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.reductions import global_pool
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation


@converter("GlobalAveragePool")
def convert(call: Call) -> Activation:
    """Reduce to the mean over all spatial axes."""
    return global_pool(call, call.real_activation(0), "mean")
