"""ONNX Selu: gamma * Elu."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.elu import exponential_unit
from gatesmith.frontend.functions import mapped, times
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation


@converter(
    "Selu",
    attributes=(
        Attribute("alpha", "float", 1.67326319217681884765625),
        Attribute("gamma", "float", 1.05070102214813232421875),
    ),
    since=6,
)
def convert(call: Call) -> Activation:
    """Elu, and a Mul behind."""
    alpha, gamma = call.real("alpha"), call.real("gamma")
    return mapped(call, lambda x: times(call, exponential_unit(call, x, alpha), gamma, "gamma"))
