"""ONNX Celu: max(0, x) + min(0, alpha * (exp(x / alpha) - 1))."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.elu import exponential_unit
from gatesmith.frontend.functions import mapped
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation


@converter("Celu", attributes=(Attribute("alpha", "float", 1.0),), since=12)
def convert(call: Call) -> Activation:
    """An Elu whose exponent is divided by alpha; the second term is 0 wherever x is above 0."""
    alpha = call.real("alpha")
    if alpha == 0.0:
        what, why = "alpha of Celu is 0", "x is divided by it"
        raise call.error("attribute", what, why, "use Relu, which is its limit")
    return mapped(call, lambda x: exponential_unit(call, x, alpha, alpha))
