"""Dequantize: with its quantizer one operator, or DequantizeLinear, or Cast and arithmetic."""

from __future__ import annotations

from typing import cast

import numpy as np
from onnx import TensorProto

from gatesmith.frontend.to_onnx.grids import SINCE_WIDE, WIDE, one_axis, whole
from gatesmith.frontend.to_onnx.quantizers import write_bipolar, write_thresholds, write_uniform
from gatesmith.frontend.to_onnx.registry import all_exports, exports
from gatesmith.frontend.to_onnx.uniform import Uniform, refuse
from gatesmith.frontend.to_onnx.writer import Held, Writer, parameter
from gatesmith.ir import IntType, Node, Reals
from gatesmith.ops.bipolar_quant import BipolarQuant
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.multi_threshold import MultiThreshold
from gatesmith.ops.quantize import Quantize


@exports(Dequantize)
def dequantize(w: Writer, node: Node) -> None:
    """One operator with its quantizer where that says the same, else on its own."""
    (codes,) = node.args
    if w.absorbed.get(codes) is node:
        if _with_quantizer(w, node, codes):
            return
        all_exports()[type(codes.op)](w, codes)
    order = w.order(codes)
    held = w.ready(codes, order)
    op = cast(Dequantize, node.op)
    scale, offset = parameter(op.scale.data, order), parameter(op.offset.data, order)
    zero = -offset / scale
    axis = one_axis(np.broadcast_arrays(scale, zero)[0])
    if axis is not None and op.denominator == 1 and _fits(zero, held.kind):
        _linear(w, node, held, scale, zero)
    else:
        _arithmetic(w, node, held, scale, offset)


def _with_quantizer(w: Writer, node: Node, codes: Node) -> bool:
    """Write both as one, if there is an operator that is both."""
    op, inner, (x,) = cast(Dequantize, node.op), codes.op, codes.args
    scale, offset = op.scale.data, op.offset.data
    if op.denominator != 1:
        return False
    match inner:
        case Quantize():
            own, zero = inner.scale.data, inner.zero_point.data
            if (own != scale).any() or (offset + scale * zero).any():
                return False
            given = [parameter(p, w.order(x)) for p in (own, zero)]
            write_uniform(w, node, x, Uniform(given[0], given[1], inner.clip, inner.rounding))
        case BipolarQuant() if not offset.any():
            write_bipolar(w, node, x, parameter(scale, w.order(x)))
        case MultiThreshold() if scale.size == offset.size == 1:
            write_thresholds(w, node, codes, float(scale.item()), float(offset.item()))
        case _:
            return False
    return True


def _fits(zero: Reals, kind: int) -> bool:
    """Whether DequantizeLinear takes codes of an element type with this zero point."""
    if kind in (TensorProto.FLOAT, TensorProto.INT64):
        return False
    if kind == TensorProto.INT32:
        return not zero.any()
    held = whole(kind)
    return bool((zero == np.rint(zero)).all() and held.lo <= zero.min() and zero.max() <= held.hi)


def _linear(w: Writer, node: Node, held: Held, scale: Reals, zero: Reals) -> None:
    scale, zero = np.broadcast_arrays(scale, zero)
    along = one_axis(scale)
    assert along is not None
    axis, form = (0, ()) if along == -1 else (1 + along + len(held.shape) - scale.ndim, (-1,))
    inputs = [held.tensor, w.store(f"{node.name}_scale", scale.reshape(form))]
    if zero.any():
        inputs.append(w.store(f"{node.name}_zero", zero.reshape(form), held.kind))
    if held.kind in WIDE:
        w.require(SINCE_WIDE)
    y = w.emit(node.name, "DequantizeLinear", inputs, held.shape, axis=axis)
    w.put(node, y, held.order)


def _arithmetic(w: Writer, node: Node, held: Held, scale: Reals, offset: Reals) -> None:
    elem = node.args[0].type.elem
    assert isinstance(elem, IntType)
    unclipped = elem.bits > 32  # such a range stands for none (frontend/trunc.py)
    if max(abs(elem.lo), abs(elem.hi)) > 2**24 and not unclipped:
        refuse(w, node.name, f"float32 does not hold {elem}")
    y = held.tensor
    if held.kind != TensorProto.FLOAT:
        to = int(TensorProto.FLOAT)
        y = w.emit(f"{node.name}_real", "Cast", [y], held.shape, to=to)
    denominator = np.float64(cast(Dequantize, node.op).denominator)
    for kind, value, nothing in (
        ("Mul", scale, 1.0),
        ("Add", offset, 0.0),
        ("Div", denominator, 1.0),
    ):
        if (value != nothing).any():
            by = w.store(f"{node.name}_{kind.lower()}_by", value)
            y = w.emit(f"{node.name}_{kind.lower()}", kind, [y, by], held.shape)
    w.put(node, y, held.order)
