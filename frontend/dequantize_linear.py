"""ONNX DequantizeLinear: (x - zero_point) * scale."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.quantizers import (
    dequantize,
    dequantized_constant,
    linear_parameters,
)
from gatesmith.frontend.registry import MICROSOFT, Attribute, converter
from gatesmith.frontend.values import FLOATS, INT_BITS, Activation, Constant, kind_name
from gatesmith.ir import IntType


@converter(
    "DequantizeLinear",
    domain=MICROSOFT,
    inputs=(2, 3),
    attributes=(Attribute("axis", "int", 1), Attribute("block_size", "int", 0)),
)
@converter(
    "DequantizeLinear",
    inputs=(2, 3),
    attributes=(
        Attribute("axis", "int", 1, since=13),
        Attribute("block_size", "int", 0, since=21),
        Attribute("output_dtype", "int", 0, since=23),
    ),
    since=10,
)
def convert(call: Call) -> Activation | Constant:
    """Dequantize of computed codes; of constant ones, their exact value."""
    x = call.value(0)
    to = (call.integer("output_dtype") if call.knows("output_dtype") else 0) or call.kind(1)
    if x.kind not in INT_BITS or to not in FLOATS:
        what = f"DequantizeLinear of {kind_name(x.kind)} to {kind_name(to)}"
        raise call.error("element-type", what, "integers to usual floats are taken", "use INT8")
    scale, zero = linear_parameters(call, x.full)
    if isinstance(x, Constant):
        return dequantized_constant(call, x.data, scale, zero, to)
    x = call.activation(0)
    if not isinstance(x.node.type.elem, IntType):
        what = f"DequantizeLinear reads reals, {x.node.name} of type {x.node.type}"
        raise call.error("element-type", what, "it maps integers to reals", "remove it")
    y = dequantize(call, x, x.node, scale, zero, suffix="")
    return Activation(y, x.batched, to)
