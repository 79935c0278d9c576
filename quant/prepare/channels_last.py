"""Transposes moved behind element-wise operators until they cancel.

The importer puts a Transpose before and behind every window operator, so that the axes of every
value are those of the file. A quantizer, a bias or an activation does not care about the order of
axes; with the transposes moved behind them a network is channels last from its input to where the
file itself turns axes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from gatesmith.ir import Array, Graph, Node, Op, Values
from gatesmith.ops.add import Add
from gatesmith.ops.clip import Clip
from gatesmith.ops.concat import Concat
from gatesmith.ops.const import Const
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.div import Div
from gatesmith.ops.function import Function
from gatesmith.ops.leaky_relu import LeakyRelu
from gatesmith.ops.mul import Mul
from gatesmith.ops.pad import Pad
from gatesmith.ops.quantize import Quantize
from gatesmith.ops.relu import Relu
from gatesmith.ops.select import Select
from gatesmith.ops.sub import Sub
from gatesmith.ops.take import Take
from gatesmith.ops.transpose import Transpose

Perm: TypeAlias = tuple[int, ...]

_UNARY = (Relu, Clip, Function)
_BINARY = (Add, Sub, Mul, Div, Select)


def channels_last(graph: Graph) -> Graph:
    """The same function with its transposes moved towards the outputs, and cancelled.

    Outputs keep their shapes. A node that now has another order of axes has no ``tensor``.
    """
    return _Sinking(graph).run()


class _Sinking:
    """``held[node]`` is (other, perm) with node's value equal to Transpose(other, perm)."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.held: dict[Node, tuple[Node, Perm]] = {}
        self.made: dict[tuple[Node, Perm], Node] = {}

    def run(self) -> Graph:
        for node in self.graph:
            self.held[node] = self._visit(node)
        outputs = tuple(self._settled(node) for node in self.graph.outputs)
        told = {new.name: old.tensor for new, old in zip(outputs, self.graph.outputs, strict=True)}

        def tell(node: Node, _users: Mapping[Node, int]) -> Node | None:
            """An output whose last transpose is gone is still the file's tensor."""
            tensor = told.get(node.name) if node.tensor is None else None
            return None if tensor is None else replace(node, tensor=tensor)

        return replace(self.graph, outputs=outputs).rewrite(tell)

    def _settled(self, node: Node) -> Node:
        """The value itself: the transpose that was held back, if there is one."""
        other, perm = self.held[node]
        if perm == _identity(perm):
            return other
        if (other, perm) not in self.made:
            name = node.name if isinstance(node.op, Transpose) else f"{node.name}_turned"
            self.made[other, perm] = Node(name, Transpose(perm), (other,), node.origin, node.tensor)
        return self.made[other, perm]

    def _visit(self, node: Node) -> tuple[Node, Perm]:
        plain = _identity(tuple(range(len(node.type.shape))))
        if isinstance(node.op, Transpose):
            other, perm = self.held[node.args[0]]
            return other, tuple(perm[axis] for axis in node.op.perm)
        moved = self._moved(node)
        if moved is not None:
            return moved
        args = tuple(self._settled(arg) for arg in node.args)
        return (node if args == node.args else replace(node, args=args)), plain

    def _moved(self, node: Node) -> tuple[Node, Perm] | None:
        """The operator before the transpose of its operands, where it may be."""
        held = [self.held[arg] for arg in node.args if not isinstance(arg.op, Const)]
        perms = {perm for _, perm in held}
        if not held or len(perms) > 1:
            return None
        (perm,) = perms
        if perm == _identity(perm) or len(perm) != len(node.type.shape):
            return None
        op = _turned(node.op, perm)
        if op is None:
            return None
        args = []
        for arg in node.args:
            if isinstance(arg.op, Const):
                value = _parameter(arg.op.value.data, perm)
                args.append(Node(arg.name, Const(Array(value)), (), arg.origin))
            else:
                args.append(self.held[arg][0])
        return Node(node.name, op, tuple(args), node.origin, meaning=node.meaning), perm


def _identity(perm: Perm) -> Perm:
    return tuple(range(len(perm)))


def _parameter(data: Values, perm: Perm) -> Values:
    """A parameter that broadcasts to the value, for the value before its transpose."""
    if data.size == 1:
        return data.reshape(())
    full = data.reshape((1,) * (len(perm) - data.ndim) + data.shape)
    return full.transpose(np.argsort(perm))


def _turned(op: Op, perm: Perm) -> Op | None:
    """The operator on axes before the transpose; None for one that depends on their order."""

    def turn(array: Array) -> Array:
        return Array(_parameter(array.data, perm))

    def entries(values: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(values[perm.index(axis)] for axis in range(len(perm)))

    match op:
        case Quantize():
            return replace(op, scale=turn(op.scale), zero_point=turn(op.zero_point))
        case Dequantize():
            return replace(op, scale=turn(op.scale), offset=turn(op.offset))
        case LeakyRelu():
            return replace(op, slope=turn(op.slope))
        case Concat() | Take():
            return replace(op, axis=perm[op.axis])
        case Pad():
            return replace(
                op,
                before=entries(op.before),
                after=entries(op.after),
                interior=entries(op.interior),
            )
    return op if isinstance(op, (*_UNARY, *_BINARY)) else None
