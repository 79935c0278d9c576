"""QONNX Trunc: codes of a quantized value, shifted right and rounded, as a real again.

    n = round_half_even(x / scale + zero)
    with 5 inputs:  y = scale * (rounded(n / 2^(in bits - out bits)) - zero)
    with 6 inputs:  k = 2^round(log2(out scale / scale))
                    y = out scale * (clamp(rounded(n / k)) - zero / k)

Source: qonnx.custom_op.general.trunc, whose version 1 has 5 inputs and version 2 has 6. Neither
checks that n has as many bits as it says, so nor is it done here.
"""

from __future__ import annotations

import numpy as np

from gatesmith.frontend.call import Call, as_float
from gatesmith.frontend.frames import frame_parameter
from gatesmith.frontend.quant import bit_width, code_range, rounding_mode
from gatesmith.frontend.quantizers import Reals, dequantize, positive_scale, quantizer
from gatesmith.frontend.registry import QONNX, Attribute, converter
from gatesmith.frontend.values import Activation
from gatesmith.ir import Array, IntType
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.quantize import Quantize

WIDE = IntType(-(2**40), 2**40)
"""Codes that are not clamped; lowering narrows the range to what is reached."""


@converter(
    "Trunc",
    domain=QONNX,
    inputs=(5, 6),
    attributes=(
        Attribute("rounding_mode", "string", "FLOOR"),
        Attribute("signed", "int", 1),
        Attribute("narrow", "int", 0),
    ),
)
def convert(call: Call) -> Activation:
    """Quantize to the codes of x, Dequantize by the shift, Quantize, Dequantize."""
    x, mode = call.real_activation(0), rounding_mode(call)
    scale, zero = positive_scale(call, 1), as_float(call.constant(2, "the zero point"))
    shift, clip, out_scale, out_zero = _target(call, scale, zero)
    given = quantizer(call, x, Quantize(Array(scale), Array(zero), WIDE))
    codes = call.emit(given, x.node, suffix="_codes")
    inverse = frame_parameter(call, 1 / shift, x, "the scale")
    shifted = call.emit(Dequantize(Array(inverse), Array(0.0)), codes, suffix="_shift")
    kept = call.emit(Quantize(Array(1.0), Array(0.0), clip, mode), shifted)
    return Activation(dequantize(call, x, kept, out_scale, out_zero), x.batched, x.kind)


def _target(call: Call, scale: Reals, zero: Reals) -> tuple[Reals, IntType, Reals, Reals]:
    """Power of two that the codes are divided by, and range, scale and zero point behind it."""
    if len(call.node.input) == 5:
        for attribute in call.node.attribute:
            if attribute.name != "rounding_mode":
                what = f"Trunc of 5 inputs has the attribute {attribute.name!r}"
                raise call.error("attribute", what, "version 1 has no clamp", "remove it")
        dropped = bit_width(call, 3) - bit_width(call, 4)
        return np.array(2.0**dropped), WIDE, scale, zero
    bit_width(call, 3)  # not used; that it makes sense is checked
    out_scale = positive_scale(call, 4)
    shift = np.asarray(2.0 ** np.round(np.log2(out_scale / scale)), np.float64)
    clip = code_range(bit_width(call, 5), call.flag("signed"), call.flag("narrow"))
    return shift, clip, out_scale, zero / shift
