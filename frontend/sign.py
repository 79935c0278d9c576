"""ONNX Sign."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation
from gatesmith.ops.sign import Sign


@converter("Sign", since=9)
def convert(call: Call) -> Activation:
    """Real, element by element."""
    x = call.real_activation()
    return Activation(call.emit(Sign(), x.node), x.batched, x.kind)
