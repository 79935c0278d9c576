"""ONNX Neg: Mul by -1."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.functions import mapped, times
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation


@converter("Neg", since=6)
def convert(call: Call) -> Activation:
    """Real, element by element."""
    return mapped(call, lambda x: times(call, x, -1.0, "minus"))
