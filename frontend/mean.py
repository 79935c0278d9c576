"""ONNX Mean: of any number of operands, element by element."""

from __future__ import annotations

from dataclasses import replace

from gatesmith.frontend.call import Call
from gatesmith.frontend.functions import over
from gatesmith.frontend.registry import converter
from gatesmith.frontend.several import total
from gatesmith.frontend.values import Activation


@converter("Mean", inputs=(1, 2**31), since=6)
def convert(call: Call) -> Activation:
    """Adds, and a Div by their number, which is exact."""
    y = total(call)
    return replace(y, node=over(call, y.node, float(len(call.node.input)), "count"))
