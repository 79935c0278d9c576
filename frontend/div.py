"""ONNX Div."""

from __future__ import annotations

from gatesmith.frontend.arithmetic import arithmetic
from gatesmith.frontend.call import Call
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation
from gatesmith.ops.div import Div


@converter("Div", inputs=2, since=7)
def convert(call: Call) -> Activation:
    """Real, with NumPy broadcasting; a constant on either side."""
    return arithmetic(call, Div())
