"""ONNX Abs: a LeakyRelu of slope -1."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.functions import magnitude, mapped
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation


@converter("Abs", since=6)
def convert(call: Call) -> Activation:
    """Real, element by element."""
    return mapped(call, lambda x: magnitude(call, x))
