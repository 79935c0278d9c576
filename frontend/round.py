"""ONNX Round: to the nearest integer, ties to the even one."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.functions import function
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation


@converter("Round", since=11)
def convert(call: Call) -> Activation:
    """Real, element by element."""
    return function(call, "round")
