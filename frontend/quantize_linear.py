"""ONNX QuantizeLinear: clamp(round_half_even(x / scale) + zero_point)."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.inputs import int_type
from gatesmith.frontend.quantizers import linear_parameters, quantized_constant, quantizer
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import INT_BITS, Activation, Constant, T, kind_name
from gatesmith.ir import Array
from gatesmith.ops.quantize import Quantize


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

    ``saturate`` speaks of 8-bit floats, which are refused, so it changes nothing. The rounding
    comes before the zero point: behind an odd one the ties are odd.
    """
    x, kind = call.value(0), _kind(call)
    scale, zero = linear_parameters(call, x.full)
    if call.opset >= 23 and call.integer("precision") not in (0, T.FLOAT, T.DOUBLE):
        what = f"QuantizeLinear divides in {kind_name(call.integer('precision'))}"
        why = "its rounding would become part of the network"
        raise call.error("attribute", what, why, "remove the attribute precision")
    odd = zero % 2 == 1
    if odd.any() != odd.all():
        what = "QuantizeLinear has even and odd zero points"
        why = "ties round to even codes in some channels and to odd ones in others"
        raise call.error("zero-point", what, why, "use one zero point for the whole tensor")
    rounding = "HALF_ODD" if odd.any() else "ROUND"
    op = Quantize(Array(scale), Array(zero), int_type(kind), rounding)
    if isinstance(x, Constant):
        codes = quantized_constant(call, op, x)
        return Constant(codes, kind, call.node.output[0])
    x = call.real_activation(0)
    return Activation(call.emit(quantizer(call, x, op), x.node), x.batched, kind)


def _kind(call: Call) -> int:
    """Element type of the codes: an integer type of at most 16 bits."""
    stated = call.integer("output_dtype") if call.opset >= 21 else 0
    kind = call.kind(2) if call.has(2) else stated or int(T.UINT8)
    if stated not in (0, kind):
        what = f"output_dtype of QuantizeLinear is {kind_name(stated)}"
        raise call.error("attribute", what, f"its zero point is {kind_name(kind)}", "remove one")
    if kind not in INT_BITS or INT_BITS[kind][1] > 16:
        what = f"QuantizeLinear makes {kind_name(kind)}"
        raise call.error("element-type", what, "integers of 2 to 16 bits are taken", "use INT8")
    return kind
