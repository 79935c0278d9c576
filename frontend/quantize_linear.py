"""ONNX QuantizeLinear: clamp(round_half_even(x / scale) + zero_point)."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.quantizers import (
    linear_parameters,
    linear_quantizer,
    quantized_constant,
    quantizer,
)
from gatesmith.frontend.registry import MICROSOFT, Attribute, converter
from gatesmith.frontend.values import Activation, Constant, T, kind_name


@converter(
    "QuantizeLinear",
    domain=MICROSOFT,
    inputs=(2, 3),
    attributes=(Attribute("axis", "int", 1), Attribute("block_size", "int", 0)),
)
@converter(
    "QuantizeLinear",
    inputs=(2, 3),
    attributes=(
        Attribute("axis", "int", 1, since=13),
        Attribute("saturate", "int", 1, since=19),
        Attribute("block_size", "int", 0, since=21),
        Attribute("output_dtype", "int", 0, since=21),
        Attribute("precision", "int", 0, since=23),
    ),
    since=10,
)
def convert(call: Call) -> Activation | Constant:
    """Quantize to the type of the zero point, of output_dtype, or UINT8.

    ``saturate`` speaks of 8-bit floats, which are refused, so it changes nothing.
    """
    x, kind = call.value(0), _kind(call)
    scale, zero = linear_parameters(call, x.full)
    if call.knows("precision") and call.integer("precision") not in (0, T.FLOAT, T.DOUBLE):
        what = f"QuantizeLinear divides in {kind_name(call.integer('precision'))}"
        why = "its rounding would become part of the network"
        raise call.error("attribute", what, why, "remove the attribute precision")
    op = linear_quantizer(call, scale, zero, kind)
    if isinstance(x, Constant):
        codes = quantized_constant(call, op, x)
        return Constant(codes, kind, call.node.output[0])
    x = call.real_activation(0)
    return Activation(call.emit(quantizer(call, x, op), x.node), x.batched, kind)


def _kind(call: Call) -> int:
    """Element type of the codes."""
    stated = call.integer("output_dtype") if call.knows("output_dtype") else 0
    kind = call.kind(2) if call.has(2) else stated or int(T.UINT8)
    if stated not in (0, kind):
        what = f"output_dtype of QuantizeLinear is {kind_name(stated)}"
        raise call.error("attribute", what, f"its zero point is {kind_name(kind)}", "remove one")
    return kind
