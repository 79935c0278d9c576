"""ONNX Tan."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.functions import function
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation


@converter("Tan", since=7)
def convert(call: Call) -> Activation:
    """Real, element by element."""
    return function(call, "tan")
