"""Quantizers, as the form of the file has them.

qonnx   Quant, BipolarQuant, MultiThreshold; QuantizeLinear, Clip, DequantizeLinear for ranges
        of codes that no Quant has
qdq     QuantizeLinear, Clip where the codes are fewer, DequantizeLinear; weights as integers
        behind DequantizeLinear; x >= 0 as Sign(Floor(x) + 1/2), which is exact in float32 too
float   as qdq where that can say it, else as qonnx; FakeQuant is refused by to_onnx
"""

from __future__ import annotations

from typing import cast

import numpy as np

from gatesmith.frontend.registry import QONNX
from gatesmith.frontend.to_onnx.grids import remark
from gatesmith.frontend.to_onnx.layout import in_order
from gatesmith.frontend.to_onnx.registry import exports
from gatesmith.frontend.to_onnx.uniform import (
    ROUNDING,
    Uniform,
    arithmetic,
    bipolar_quant,
    linear,
    quant,
    refuse,
)
from gatesmith.frontend.to_onnx.writer import Writer, parameter
from gatesmith.ir import Node, Real, Reals
from gatesmith.ops.bipolar_quant import BipolarQuant
from gatesmith.ops.fake_quant import FakeQuant
from gatesmith.ops.input import Input
from gatesmith.ops.multi_threshold import MultiThreshold
from gatesmith.ops.quantize import Quantize
from gatesmith.ops.sign import Sign

QUANTIZERS = (FakeQuant, Quantize, BipolarQuant, MultiThreshold, Sign)


@exports(FakeQuant)
def fake_quant(w: Writer, node: Node) -> None:
    """A quantizer of a computed value."""
    grid, (x,) = cast(FakeQuant, node.op).grid, node.args
    if grid.levels is not None:
        raise ValueError(f"{node.name}: only constants can be put on chosen levels")
    order, doc = w.order(x), remark(grid)
    scale = parameter(grid.scale.data, order)
    if grid.kind == "bipolar":
        write_bipolar(w, node, x, scale, doc)
        return
    zero = parameter(grid.zero_point.data, order)
    write_uniform(w, node, x, Uniform(scale, zero, grid.clip, grid.rounding, doc))


def write_uniform(w: Writer, node: Node, x: Node, what: Uniform) -> None:
    """``node`` is ``x`` on the values of a uniform quantizer, parameters in the order of ``x``."""
    order = w.order(x)
    shape = in_order(node.type.shape, order)
    if w.form != "qdq" and what.bits and (w.form == "qonnx" or what.not_linear):
        w.put(node, quant(w, node.name, w.tensor(x, order), what, shape), order)
        return
    if what.not_linear:
        y = arithmetic(w, f"{node.name}_codes", x, what)
        for kind, value, nothing in (("Sub", what.zero, 0.0), ("Mul", what.scale, 1.0)):
            if (np.asarray(value) != nothing).any():
                by = w.store(f"{node.name}_{kind.lower()}_by", np.asarray(value, np.float64))
                y = w.emit(f"{node.name}_{kind.lower()}", kind, [y, by], shape)
        w.put(node, y, order)
        return
    codes = linear(w, f"{node.name}_codes", x, what)
    w.put(node, codes.dequantized(w, node.name, shape, what.doc), order)


def write_bipolar(w: Writer, node: Node, x: Node, scale: Reals, doc: str = "") -> None:
    """``node`` is +scale where x >= 0, else -scale; ``scale`` is in the order of ``x``."""
    order = w.order(x)
    shape, data = in_order(node.type.shape, order), w.tensor(x, order)
    from_input = _of_real_input(x)
    if w.form == "qdq" and from_input:
        refuse(w, node.name, "it is the first quantizer of an input, and Sign of 0 is 0")
    if w.form == "qonnx" or from_input:
        w.put(node, bipolar_quant(w, node.name, data, scale, shape, doc=doc), order)
        return
    floor = w.emit(f"{node.name}_floor", "Floor", [data], shape)
    half = w.store(f"{node.name}_half", 0.5)
    moved = w.emit(f"{node.name}_moved", "Add", [floor, half], shape)
    one = bool((scale == 1.0).all())
    y = w.emit(node.name if one else f"{node.name}_sign", "Sign", [moved], shape, doc=doc)
    if not one:
        y = w.emit(node.name, "Mul", [y, w.store(f"{node.name}_scale", scale)], shape)
    w.put(node, y, order)


def _of_real_input(x: Node) -> bool:
    """Whether a real input reaches a value without a quantizer; lowering then takes no Floor."""
    seen: set[Node] = set()
    left = [x]
    while left:
        node = left.pop()
        if isinstance(node.op, Input) and isinstance(node.type.elem, Real):
            return True
        if node not in seen and not isinstance(node.op, QUANTIZERS):
            seen.add(node)
            left += node.args
    return False


@exports(Quantize)
def quantize(w: Writer, node: Node) -> None:
    """Codes that something else than a Dequantize reads."""
    op, (x,) = cast(Quantize, node.op), node.args
    order = w.order(x)
    scale, zero = (parameter(p.data, order) for p in (op.scale, op.zero_point))
    what = Uniform(scale, zero, op.clip, op.rounding)
    if not what.not_linear:
        codes = linear(w, node.name, x, what)
        w.put(node, codes.codes, order, codes.kind)
        return
    if what.rounding in ROUNDING or w.form == "qdq" or what.bits is None:
        w.put(node, arithmetic(w, node.name, x, what), order)
        return
    shape = in_order(node.type.shape, order)
    y = quant(w, f"{node.name}_values", w.tensor(x, order), what, shape)
    by, plus = w.store(f"{node.name}_by", scale), w.store(f"{node.name}_plus", zero)
    y = w.emit(f"{node.name}_steps", "Div", [y, by], shape)
    w.put(node, w.emit(node.name, "Add", [y, plus], shape), order)


@exports(BipolarQuant)
def bipolar(w: Writer, node: Node) -> None:
    """Codes -1 and +1, as reals."""
    write_bipolar(w, node, node.args[0], np.ones(()))


@exports(MultiThreshold)
def multi_threshold(w: Writer, node: Node) -> None:
    """Counts, as reals."""
    write_thresholds(w, node, node, 1.0, 0.0)


def write_thresholds(w: Writer, node: Node, inner: Node, scale: float, bias: float) -> None:
    """``node`` is scale * count + bias, with the count of ``inner``; QONNX's own in every form."""
    if w.form == "qdq":
        refuse(w, node.name, "thresholds of no uniform quantizer have no standard operator")
    op, (x,) = cast(MultiThreshold, inner.op), inner.args
    order = w.order(x)
    letters = [letter for letter, _ in zip("HWDTUV", order[1:], strict=False)]
    letters.insert(order.index(len(order) + op.axis), "C")
    y = w.emit(
        node.name,
        "MultiThreshold",
        [w.tensor(x, order), w.store(f"{inner.name}_thresholds", op.thresholds.data)],
        in_order(node.type.shape, order),
        domain=QONNX,
        out_scale=scale,
        out_bias=bias,
        data_layout="".join(["N", *letters]),
    )
    w.put(node, y, order)
