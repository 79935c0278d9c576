"""ONNX Min: of any number of operands."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.registry import converter
from gatesmith.frontend.several import extreme
from gatesmith.frontend.values import Activation


@converter("Min", inputs=(1, 2**31), since=6)
def convert(call: Call) -> Activation:
    """Real, with NumPy broadcasting."""
    return extreme(call, "min")
