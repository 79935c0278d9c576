"""ONNX HardSwish: x * max(0, min(1, x / 6 + 1 / 2))."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.functions import mapped, over, plus
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation
from gatesmith.ir import Node
from gatesmith.ops.clip import Clip
from gatesmith.ops.mul import Mul


@converter("HardSwish", since=14)
def convert(call: Call) -> Activation:
    """Div, Add, Clip, Mul: the sixth is exact."""

    def make(x: Node) -> Node:
        line = plus(call, over(call, x, 6.0, "six"), 0.5, "half")
        return call.emit(Mul(), x, call.emit(Clip(0.0, 1.0), line, suffix="_gate"))

    return mapped(call, make)
