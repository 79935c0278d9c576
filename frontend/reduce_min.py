"""ONNX ReduceMin."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.reductions import attributes, reduction
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation


@converter("ReduceMin", inputs=(1, 2), attributes=attributes(inputs_since=18))
def convert(call: Call) -> Activation:
    """Over axes that are known at import; not over the batch."""
    return reduction(call, "min")
