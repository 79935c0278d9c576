"""ONNX Elu: x above 0, alpha * (exp(x) - 1) below."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.functions import mapped, over, plus, times
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation
from gatesmith.ir import Node
from gatesmith.ops.add import Add
from gatesmith.ops.clip import Clip
from gatesmith.ops.function import Function
from gatesmith.ops.relu import Relu


@converter("Elu", attributes=(Attribute("alpha", "float", 1.0),), since=6)
def convert(call: Call) -> Activation:
    """See :func:`exponential_unit`."""
    alpha = call.real("alpha")
    return mapped(call, lambda x: exponential_unit(call, x, alpha))


def exponential_unit(call: Call, x: Node, alpha: float, width: float = 1.0) -> Node:
    """max(x, 0) + alpha * (exp(min(x, 0) / width) - 1): below 0 and above, one term is zero."""
    below = over(call, call.emit(Clip(-float("inf"), 0.0), x, suffix="_below"), width, "width")
    grown = plus(call, call.emit(Function("exp"), below, suffix="_exp"), -1.0, "one")
    above = call.emit(Relu(), x, suffix="_above")
    return call.emit(Add(), above, times(call, grown, alpha, "alpha"))
