"""ONNX HardSigmoid: max(0, min(1, alpha * x + beta))."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.functions import mapped, plus, times
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation
from gatesmith.ops.clip import Clip


@converter(
    "HardSigmoid",
    attributes=(Attribute("alpha", "float", 0.2), Attribute("beta", "float", 0.5)),
    since=6,
)
def convert(call: Call) -> Activation:
    """Mul, Add, Clip."""
    alpha, beta = call.real("alpha"), call.real("beta")
    return mapped(
        call,
        lambda x: call.emit(
            Clip(0.0, 1.0), plus(call, times(call, x, alpha, "alpha"), beta, "beta")
        ),
    )
