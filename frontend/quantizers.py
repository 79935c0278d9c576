"""Shared by the quantizers of QONNX and ONNX: scales, and constants quantized exactly."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gatesmith.frontend.call import Call, as_float
from gatesmith.frontend.frames import frame_parameter
from gatesmith.frontend.inputs import int_type
from gatesmith.frontend.values import (
    INT_BITS,
    Activation,
    Constant,
    T,
    exact_difference,
    exact_product,
    kind_name,
)
from gatesmith.ir import Array, Node
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.quantize import Quantize

Reals = NDArray[np.float64]


def positive_scale(call: Call, index: int) -> Reals:
    """A scale: known, finite, above 0.

    A scale that the file computes (abs, max, divide, ...) was folded in float64, but it is
    a float32 tensor there: it is rounded to that, so that scale times code is exact.
    """
    scale = as_float(call.constant(index, "the scale"))
    if call.kind(index) == T.FLOAT:
        single = as_float(scale.astype(np.float32))
        if (single != scale).any():
            call.note("its scale is computed in the file; taken as the nearest float32")
        scale = single
    if not (scale > 0).all():
        what = f"the scale of {call.node.op_type} reaches {scale.min()}"
        why = "a quantizer's step must be above 0"
        raise call.error("scale", what, why, "look for a dead channel, and give it the scale 1")
    return scale


def inexact(call: Call, what: str) -> Exception:
    """The error of a constant that float64 cannot hold."""
    return call.error(
        "inexact-constant",
        f"{what} of {call.node.op_type} cannot be held exactly",
        "scale * (code - zero point) needs more than the 53 bits of float64",
        "store the scale as FLOAT, and use an integer zero point and 32 bits or fewer",
    )


def quantized_constant(call: Call, op: Quantize, x: Constant) -> NDArray[np.int64]:
    """Codes of a constant, exact."""
    data = as_float(call.constant(0, "the data"))
    flat = np.atleast_1d(data)
    try:
        fits = np.broadcast_shapes(flat.shape, op.scale.shape, op.zero_point.shape) == flat.shape
    except ValueError:
        fits = False
    if not fits:
        what = f"the scale or zero point of {call.node.op_type} does not fit the data"
        raise call.error("shape", what, f"the data is {list(data.shape)}", "export again")
    codes = op.run(flat)
    if x.kind == T.FLOAT:
        _note_doubt(call, op, flat, codes)
    return cast(NDArray[np.int64], codes.reshape(data.shape))


def _note_doubt(call: Call, op: Quantize, x: Reals, codes: NDArray[Any]) -> None:
    """Say how many codes a float32 runtime would round differently."""
    scale = op.scale.data.astype(np.float32)
    shifted = x.astype(np.float32) / scale + op.zero_point.data.astype(np.float32)
    again = Quantize(Array(1.0), Array(0.0), op.clip, op.rounding).run(as_float(shifted))
    differ = int((again != codes).sum())
    if differ:
        call.note(
            f"{differ} of {codes.size} constants lie so near a rounding boundary that a float32 "
            "runtime gives them another code"
        )


def dequantized_constant(
    call: Call, codes: NDArray[Any], scale: Reals, zero: Reals, kind: int
) -> Constant:
    """Exact scale * (codes - zero), or UserError frontend.inexact-constant."""
    difference, exact = exact_difference(as_float(codes), zero)
    product, also = exact_product(scale, difference)
    if not (exact and also):
        raise inexact(call, "the constant")
    if product.shape != codes.shape:
        what = f"the scale or zero point of {call.node.op_type} is larger than the data"
        raise call.error("shape", what, f"the data is {list(codes.shape)}", "export again")
    return Constant(product, kind, call.node.output[0])


def dequantize(
    call: Call,
    x: Activation,
    codes: Node,
    scale: Reals,
    zero: Reals,
    *,
    suffix: str = "_dequantize",
) -> Node:
    """Dequantize of computed codes; scale and zero broadcast to the full shape."""
    offset, exact = exact_product(-scale, zero)
    if not exact:
        raise inexact(call, "the offset")
    offset = np.zeros(()) if not offset.any() else offset
    op = Dequantize(
        Array(frame_parameter(call, scale, x, "the scale")),
        Array(frame_parameter(call, offset, x, "the zero point")),
    )
    return call.emit(op, codes, suffix=suffix)


def quantizer(call: Call, x: Activation, op: Quantize) -> Quantize:
    """The quantizer with its parameters shaped for the frame of ``x``."""
    return Quantize(
        Array(frame_parameter(call, op.scale.data, x, "the scale")),
        Array(frame_parameter(call, op.zero_point.data, x, "the zero point")),
        op.clip,
        op.rounding,
    )


def linear_quantizer(call: Call, scale: Reals, zero: Reals, kind: int) -> Quantize:
    """The quantizer of QuantizeLinear, and of all operators that end in one.

    The rounding comes before the zero point: behind an odd one the ties are odd.
    """
    if kind not in INT_BITS or INT_BITS[kind][1] > 16:
        what = f"{call.node.op_type} makes {kind_name(kind)}"
        raise call.error("element-type", what, "integers of 2 to 16 bits are taken", "use INT8")
    odd = zero % 2 == 1
    if odd.any() != odd.all():
        what = f"{call.node.op_type} has even and odd zero points"
        why = "ties round to even codes in some channels and to odd ones in others"
        raise call.error("zero-point", what, why, "use one zero point for the whole tensor")
    rounding = "HALF_ODD" if odd.any() else "ROUND"
    return Quantize(Array(scale), Array(zero), int_type(kind), rounding)


def linear_parameters(call: Call, full: tuple[int, ...]) -> tuple[Reals, Reals]:
    """Scale and zero point of QuantizeLinear or DequantizeLinear, shaped to broadcast."""
    scale = per_axis(call, positive_scale(call, 1), "the scale", full)
    if not call.has(2):
        return scale, np.zeros(())
    zero = as_float(call.constant(2, "the zero point"))
    return scale, per_axis(call, zero, "the zero point", full)


def per_axis(call: Call, data: Reals, role: str, full: tuple[int, ...]) -> Reals:
    """Scale or zero point of QuantizeLinear and DequantizeLinear, shaped to broadcast.

    One element; or (opset 13) one for each position along ``axis``; or (opset 21) one for each
    block of ``block_size`` along it.
    """
    if data.size == 1 and data.ndim <= 1:
        return data.reshape(())
    block = call.integer("block_size") if call.knows("block_size") else 0
    axis = call.axis(call.integer("axis") if call.knows("axis") else len(full), len(full))
    wanted: tuple[int, ...] = (full[axis],)
    if block:
        wanted = tuple(-(-d // block) if a == axis else d for a, d in enumerate(full))
    if data.shape != wanted:
        what = f"{role} of {call.node.op_type} has the shape {list(data.shape)}"
        why = f"for data of the shape {list(full)} it must be a scalar or {list(wanted)}"
        raise call.error("shape", what, why, "check axis and block_size, and export again")
    if block:
        spread = np.repeat(data, block, axis=axis)
        return as_float(np.take(spread, range(full[axis]), axis=axis))
    return data.reshape([full[axis] if a == axis else 1 for a in range(len(full))])
