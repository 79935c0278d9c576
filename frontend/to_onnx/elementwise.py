"""Operators that work element by element: they stay in the order of axes that they find."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from gatesmith.frontend.to_onnx.layout import in_order
from gatesmith.frontend.to_onnx.registry import exports
from gatesmith.frontend.to_onnx.vectors import write_layer_norm
from gatesmith.frontend.to_onnx.windows import write_conv
from gatesmith.frontend.to_onnx.writer import Writer, parameter
from gatesmith.ir import Node
from gatesmith.ops.add import Add
from gatesmith.ops.clip import Clip
from gatesmith.ops.conv import Conv
from gatesmith.ops.div import Div
from gatesmith.ops.function import Function
from gatesmith.ops.leaky_relu import LeakyRelu
from gatesmith.ops.mul import Mul
from gatesmith.ops.relu import Relu
from gatesmith.ops.select import Select
from gatesmith.ops.sign import Sign
from gatesmith.ops.sub import Sub

FUNCTIONS = {
    **{kind: kind.capitalize() for kind in ("sigmoid", "tanh", "exp", "log", "sqrt", "erf")},
    **{kind: kind.capitalize() for kind in ("softplus", "reciprocal", "floor", "ceil", "round")},
    **{kind: kind.capitalize() for kind in ("sin", "cos", "tan", "asin", "acos", "atan")},
    **{kind: kind.capitalize() for kind in ("sinh", "cosh", "asinh", "acosh", "atanh")},
}
"""ONNX operator of each kind of Function; ``step`` is the positive part of Sign."""


@exports(Add, Sub, Mul, Div, Select)
def binary(w: Writer, node: Node) -> None:
    """Two operands; an Add may be a bias, and with a Mul the end of a LayerNormalization."""
    inner = next((arg for arg in node.args if w.absorbed.get(arg) is node), None)
    if inner is not None:
        if isinstance(inner.op, Conv):
            write_conv(w, node, inner)
        else:
            write_layer_norm(w, node)
        return
    order = w.common_order(node)
    kind = type(node.op).__name__
    if isinstance(node.op, Select):
        kind = node.op.kind.capitalize()
    inputs = [w.operand(arg, order) for arg in node.args]
    y = w.emit(node.name, kind, inputs, in_order(node.type.shape, order))
    w.put(node, y, order)


@exports(Relu, Sign)
def unary(w: Writer, node: Node) -> None:
    """The ONNX operator of the same name."""
    _emit(w, node, type(node.op).__name__)


@exports(Clip)
def clip(w: Writer, node: Node) -> None:
    """An end that is infinite is left out; nothing at both ends is Identity."""
    op = cast(Clip, node.op)
    ends = [
        "" if np.isinf(end) else w.store(f"{node.name}_{name}", float(end))
        for name, end in (("min", op.lo), ("max", op.hi))
    ]
    while ends and not ends[-1]:
        ends.pop()
    _emit(w, node, "Clip" if ends else "Identity", *ends)


@exports(Function)
def function(w: Writer, node: Node) -> None:
    """By name; step(x) is max(sign(x), 0)."""
    kind = cast(Function, node.op).kind
    if kind != "step":
        _emit(w, node, FUNCTIONS[kind])
        return
    (x,) = node.args
    order = w.order(x)
    shape = in_order(node.type.shape, order)
    sign = w.emit(f"{node.name}_sign", "Sign", [w.tensor(x, order)], shape)
    w.put(node, w.emit(node.name, "Relu", [sign], shape), order)


@exports(LeakyRelu)
def leaky_relu(w: Writer, node: Node) -> None:
    """One slope: LeakyRelu, or Abs for -1; several: PRelu."""
    slope = cast(LeakyRelu, node.op).slope.data
    if slope.size == 1:
        if float(slope.item()) == -1.0:
            _emit(w, node, "Abs")
            return
        if float(np.float32(slope.item())) != float(slope.item()):
            w.rounded[node.name] = None
        _emit(w, node, "LeakyRelu", alpha=float(slope.item()))
        return
    _emit(w, node, "PRelu", w.store(f"{node.name}_slope", parameter(slope, w.order(node.args[0]))))


def _emit(w: Writer, node: Node, kind: str, *inputs: str, **attributes: Any) -> None:
    (x,) = node.args
    order = w.order(x)
    shape = in_order(node.type.shape, order)
    y = w.emit(node.name, kind, [w.tensor(x, order), *inputs], shape, **attributes)
    w.put(node, y, order)
