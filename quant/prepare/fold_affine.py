"""Constant factors and sums behind a layer, taken into its weights and one bias.

    (x * w + b) * m + a  =  x * (w * m) + (b * m + a),  one m and a for each output channel

Batch normalization is two such pairs (Jacob et al., 2018, section 3.2). Weights are folded before
they are quantized: a quantizer then sees what the hardware will multiply with. All constants end
as float32 numbers, which is what a file can hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gatesmith.ir import Array, Graph, Node, Reals
from gatesmith.ops.add import Add
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.div import Div
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.mul import Mul
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.sub import Sub


def fold_affine(graph: Graph) -> Graph:
    """The same function, but for rounding, with a layer's constants in its weights and bias."""
    return graph.rewrite(_fold).named_once().rewrite(_single)


def _fold(node: Node, users: Mapping[Node, int]) -> Node | None:
    if isinstance(node.op, Reshape):
        return _one_reshape(node)
    found = _affine(node)
    if found is None:
        return None
    x, mul, add = found
    layer, bias = _layer(x, users)
    if layer is None:
        return None
    w = layer.args[1]
    assert isinstance(w.op, Const)
    origin = tuple(dict.fromkeys((*x.origin, *node.origin)))
    if (mul != 1).any():
        name = w.name if users[w] <= 1 else f"{layer.name}_weight"
        w = Node(name, Const(Array(w.op.value.data * mul)), (), w.origin)
        layer = replace(layer, args=(layer.args[0], w), tensor=None, origin=layer.origin)
    total = np.broadcast_to(bias * mul + add, (node.type.channels,))
    constant = Node(f"{layer.name}_bias", Const(Array(total)), (), node.origin)
    return Node(node.name, Add(), (layer, constant), origin, node.tensor)


def _affine(node: Node) -> tuple[Node, Reals, Reals] | None:
    """x, mul and add of ``node = x * mul + add``, by output channel; None where it is not that."""
    if not isinstance(node.op, Add | Sub | Mul | Div) or len(node.args) != 2:
        return None
    first, second = node.args
    x, constant = (second, first) if isinstance(first.op, Const) else (first, second)
    if not isinstance(constant.op, Const) or isinstance(x.op, Const):
        return None
    c = np.asarray(constant.op.value.data, np.float64)
    if x.type.shape != node.type.shape or (c.size > 1 and c.size != c.shape[-1]):
        return None
    c = c.reshape(-1)
    one, zero = np.ones_like(c), np.zeros_like(c)
    match node.op:
        case Add():
            return x, one, c
        case Sub():
            return (x, -one, c) if constant is first else (x, one, -c)
        case Mul():
            return x, c, zero
    return None if constant is first else (x, 1 / c, zero)


def _layer(x: Node, users: Mapping[Node, int]) -> tuple[Node | None, Reals]:
    """The layer that ``x`` is, with its bias, if nobody else reads it."""
    bias = np.zeros(1)
    if users[x] > 1:  # what this pass has just made is not counted: it has one reader
        return None, bias
    if isinstance(x.op, Add) and isinstance(x.args[1].op, Const):
        c = np.asarray(x.args[1].op.value.data, np.float64)
        x, bias = x.args[0], c.reshape(-1)
        if users[x] > 1 or (c.size > 1 and c.size != c.shape[-1]):
            return None, bias
    if isinstance(x.op, Conv | MatMul) and isinstance(x.args[1].op, Const):
        return x, bias
    return None, bias


def _one_reshape(node: Node) -> Node | None:
    """Reshapes in a row are one, and one that changes nothing is none."""
    (x,) = node.args
    if isinstance(x.op, Reshape):
        return _one_reshape(replace(node, args=x.args)) or replace(node, args=x.args)
    return x if x.type.shape == node.type.shape and x.args else None


def _single(node: Node, _users: Mapping[Node, int]) -> Node | None:
    """Constants as float32 numbers."""
    if not isinstance(node.op, Const) or node.op.value.data.dtype.kind != "f":
        return None
    single = node.op.value.data.astype(np.float32).astype(np.float64)
    if (single == node.op.value.data).all():
        return None
    return replace(node, op=Const(Array(single)))
