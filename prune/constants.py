"""Parts of constants: weights, biases, scales and the attributes of operators."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Array, Graph, Node, Op, Values
from gatesmith.ir.execute import execute
from gatesmith.ops.const import Const
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.fake_quant import FakeQuant
from gatesmith.ops.leaky_relu import LeakyRelu
from gatesmith.ops.multi_threshold import MultiThreshold
from gatesmith.ops.quantize import Quantize
from gatesmith.ops.transpose import Transpose
from gatesmith.prune.spread import BINARY, UNARY

Keep: TypeAlias = NDArray[np.bool_]
"""Of each position along an axis: whether it stays."""


class Parts:
    """Parts of nodes that depend on no input; the same part of one node is one node."""

    def __init__(self) -> None:
        self._made: dict[tuple[Node, int, bytes], Node] = {}

    def part(self, node: Node, axis: int, keep: Keep) -> Node:
        """What stays of a constant along one of its axes; the node itself where all of it does.

        Quantizers stay in front of what is left; what cannot be divided becomes one Const.
        """
        if keep.all():
            return node
        key = (node, axis, keep.tobytes())
        if key not in self._made:
            self._made[key] = self._new(node, axis, keep)
        return self._made[key]

    def parameter(self, node: Node, rank: int, axis: int, keep: Keep) -> Node:
        """The same of a constant that broadcasts to a value; ``axis`` is one of the value."""
        own = axis - rank + len(node.type.shape)
        if own < 0 or node.type.shape[own] == 1:
            return node
        return self.part(node, own, keep)

    def _new(self, node: Node, axis: int, keep: Keep) -> Node:
        rank = len(node.type.shape)
        match node.op:
            case Const(value=value):
                data: Values = value.data.compress(keep, axis)
                return replace(node, op=Const(Array(data)))
            case op if isinstance(op, (*UNARY, *BINARY)):
                args = tuple(self.parameter(arg, rank, axis, keep) for arg in node.args)
                return replace(node, op=with_part(op, rank, axis, keep), args=args, tensor=None)
            case Transpose(perm=perm):
                arg = self.part(node.args[0], perm[axis], keep)
                return replace(node, args=(arg,), tensor=None)
        return self._new(Node(node.name, Const(Array(value_of(node))), (), node.origin), axis, keep)


def with_part(op: Op, rank: int, axis: int, keep: Keep) -> Op:
    """An element-wise operator for what stays along an axis of a value of ``rank`` axes."""

    def cut(array: Array) -> Array:
        own = axis - rank + array.data.ndim
        if own < 0 or array.shape[own] == 1:
            return array
        return Array(array.data.compress(keep, own))

    match op:
        case LeakyRelu():
            return replace(op, slope=cut(op.slope))
        case Quantize():
            return replace(op, scale=cut(op.scale), zero_point=cut(op.zero_point))
        case Dequantize():
            return replace(op, scale=cut(op.scale), offset=cut(op.offset))
        case FakeQuant(grid=grid):
            part = replace(grid, scale=cut(grid.scale), zero_point=cut(grid.zero_point))
            return FakeQuant(part)
        case MultiThreshold() if op.axis % rank == axis and op.thresholds.shape[0] > 1:
            return replace(op, thresholds=Array(op.thresholds.data.compress(keep, 0)))
    return op


def value_of(node: Node) -> Values:
    """Value of a node that depends on no input."""
    if isinstance(node.op, Const):
        data: Values = node.op.value.data
        return data
    result: Values = execute(Graph((node,)), {})[node][0]
    return result


def weight_const(node: Node) -> Node | None:
    """The constant behind quantizers and other element-wise operators of one argument."""
    while isinstance(node.op, UNARY):
        (node,) = node.args
    return node if isinstance(node.op, Const) else None
