"""ONNX Sum: of any number of operands."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.registry import converter
from gatesmith.frontend.several import total
from gatesmith.frontend.values import Activation


@converter("Sum", inputs=(1, 2**31), since=6)
def convert(call: Call) -> Activation:
    """Adds, with NumPy broadcasting."""
    return total(call)
