"""QONNX Quant, also called IntQuant: scale * (clamp(round(x / scale + zero), lo, hi) - zero).

Source: qonnx.custom_op.general.intquant. One bit, signed, is bipolar there, and here.
"""

from __future__ import annotations

import numpy as np

from gatesmith.frontend.bipolar_quant import bipolar
from gatesmith.frontend.call import Call, as_float
from gatesmith.frontend.quantizers import (
    dequantize,
    dequantized_constant,
    positive_scale,
    quantized_constant,
    quantizer,
)
from gatesmith.frontend.registry import QONNX, Attribute, converter
from gatesmith.frontend.values import Activation, Constant
from gatesmith.ir import Array, IntType
from gatesmith.ops.quantize import ROUNDING, Quantize

MOST_BITS = 32
_ALIASES = {"DOWN": "ROUND_TO_ZERO", "HALF_EVEN": "ROUND"}
_MODES = sorted((ROUNDING.keys() | _ALIASES.keys()) - {"HALF_ODD"})
_ATTRIBUTES = (
    Attribute("signed", "int", required=True),
    Attribute("narrow", "int", required=True),
    Attribute("rounding_mode", "string", "ROUND"),
)


@converter("Quant", domain=QONNX, inputs=4, attributes=_ATTRIBUTES)
@converter("IntQuant", domain=QONNX, inputs=4, attributes=_ATTRIBUTES)
def convert(call: Call) -> Activation | Constant:
    """Quantize and Dequantize of a computed value; of a constant, its exact value."""
    signed, narrow, bits = call.flag("signed"), call.flag("narrow"), bit_width(call, 3)
    rounding = rounding_mode(call)
    scale, zero = positive_scale(call, 1), as_float(call.constant(2, "the zero point"))
    if bits == 1 and signed:
        if zero.any():
            what = "Quant of one bit, signed, has a zero point"
            raise call.error("zero-point", what, "bipolar codes have none", "set it to 0")
        return bipolar(call, scale)
    op = Quantize(Array(scale), Array(zero), code_range(bits, signed, narrow), rounding)
    x = call.value(0)
    if isinstance(x, Constant):
        codes = quantized_constant(call, op, x)
        return dequantized_constant(call, codes, scale, zero, x.kind)
    x = call.real_activation(0)
    codes_node = call.emit(quantizer(call, x, op), x.node)
    return Activation(dequantize(call, x, codes_node, scale, zero), x.batched, x.kind)


def code_range(bits: int, signed: bool, narrow: bool) -> IntType:
    """Codes of QONNX: narrow leaves out the lowest signed, or the highest unsigned, one.

    >>> code_range(2, True, True), code_range(3, False, True), code_range(8, True, False)
    (i2[-1..1], u3[0..6], i8)
    """
    if signed:
        half = 1 << (bits - 1)
        return IntType(-half + narrow, half - 1)
    return IntType(0, (1 << bits) - 1 - narrow)


def bit_width(call: Call, index: int) -> int:
    """An operand that is a bit width: one integer from 1 to 32."""
    data = as_float(call.constant(index, "the bit width"))
    widths = np.unique(data)
    if len(widths) != 1:
        what = f"{call.node.op_type} has {len(widths)} bit widths"
        why = "one tensor has one width; per-channel widths are not taken"
        raise call.error("bit-width", what, why, "use the largest of them")
    bits = float(widths[0])
    if not bits.is_integer():
        what = f"the bit width of {call.node.op_type} is {bits:g}"
        why = "a wire is there or not; widths that training has learnt must be rounded first"
        raise call.error("fractional-bits", what, why, "round it up and train on for a few epochs")
    if not 1 <= bits <= MOST_BITS:
        what = f"the bit width of {call.node.op_type} is {bits:g}"
        raise call.error("bit-width", what, f"1 to {MOST_BITS} are taken", "quantize to fewer bits")
    return int(bits)


def rounding_mode(call: Call) -> str:
    """Rounding mode as gatesmith/ops/quantize.py calls it."""
    stated = call.text("rounding_mode").upper()
    if stated not in _MODES:
        what = f"rounding_mode of {call.node.op_type} is {stated!r}"
        raise call.error("rounding", what, f"taken: {', '.join(_MODES)}", "use ROUND")
    return _ALIASES.get(stated, stated)
