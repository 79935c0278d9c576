"""ONNX Cosh."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.functions import function
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation


@converter("Cosh", since=9)
def convert(call: Call) -> Activation:
    """Real, element by element."""
    return function(call, "cosh")
