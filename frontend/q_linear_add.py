"""onnxruntime's QLinearAdd."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.q_arithmetic import q_arithmetic
from gatesmith.frontend.registry import MICROSOFT, converter
from gatesmith.frontend.values import Activation
from gatesmith.ops.add import Add


@converter("QLinearAdd", domain=MICROSOFT, inputs=(7, 8))
def convert(call: Call) -> Activation:
    """Dequantize of both operands, Add, Quantize; one of the two may be constant."""
    return q_arithmetic(call, Add())
