"""A graph without some labels: every operator on what is left of its arguments.

A value keeps the elements whose labels stay. Where none do it is gone: a Concat goes on without it,
a layer that reads it gives zeros (see cut.py), and nothing else can have it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Array, Graph, Ints, Node, Op
from gatesmith.ops.concat import Concat
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.pad import Pad
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.take import Take
from gatesmith.ops.transpose import Transpose
from gatesmith.prune.constants import Keep, Parts, value_of, with_part
from gatesmith.prune.dependency import Analysis
from gatesmith.prune.labels import varying
from gatesmith.prune.spread import BINARY, UNARY, Reading

Cut: TypeAlias = tuple[int, Keep] | None
"""The axis along which a value is cut and what stays along it; None where all does."""


def smaller(analysis: Analysis, gone: Ints) -> Graph:
    """The graph without these labels; ValueError where something would have nothing to read."""
    return _Smaller(analysis, gone).run()


class _Smaller:
    """``new[node]`` is what is left of a node, None where nothing is."""

    def __init__(self, analysis: Analysis, gone: Ints) -> None:
        self.graph, self.labels, self.gone = analysis.graph, analysis.labels, gone
        self.layers = {layer.node: layer for layer in analysis.layers}
        self.parts = Parts()
        self.new: dict[Node, Node | None] = {}
        self.idle: set[Node] = set()  # constants that layers which read nothing have become

    def run(self) -> Graph:
        """The smaller graph."""
        for node in self.graph:
            self.new[node] = self._visit(node) if node in self.labels else node
        outputs = tuple(self._value(output, output) for output in self.graph.outputs)
        return replace(self.graph, outputs=outputs).named_once()

    def _visit(self, node: Node) -> Node | None:
        keep = self._keep(node)
        if not keep.any():
            return None
        axis = varying(self.labels[node])
        cut = None if axis is None or keep.all() else (axis, keep)
        if node in self.layers:
            return self._layer(node, self.layers[node], cut)
        if isinstance(node.op, Concat):
            return self._concat(node, node.op, cut)
        args = tuple(self._argument(node, arg, cut) for arg in node.args)
        if any(arg in self.idle for arg in args) and all(isinstance(a.op, Const) for a in args):
            return self._idle(node, value_of(Node(node.name, self._op(node, cut), args)))
        return self._made(node, self._op(node, cut), args, cut)

    def _keep(self, node: Node) -> Keep:
        return ~np.isin(self.labels[node], self.gone).reshape(-1)

    def _value(self, old: Node, reader: Node, *, idle: bool = False) -> Node:
        """What is left of a value; ValueError where that is nothing the reader can have."""
        new = self.new[old]
        if new is None or (new in self.idle and not idle):
            raise ValueError(f"nothing would be left of {old.name} for {reader.name} to read")
        return new

    def _argument(self, node: Node, arg: Node, cut: Cut) -> Node:
        """What is left of an argument of a movement or element-wise operator."""
        if arg in self.labels:
            return self._value(arg, node, idle=isinstance(node.op, (*UNARY, *BINARY, Transpose)))
        return arg if cut is None else self.parts.parameter(arg, len(node.type.shape), *cut)

    def _made(self, node: Node, op: Op, args: tuple[Node, ...], cut: Cut) -> Node:
        """The node with another operator and other arguments."""
        new, wanted = replace(node, op=op, args=args), _shape(node, cut)
        if new.type.shape != wanted:  # a constant that was spread over an argument that is gone
            raise ValueError(f"nothing would be left of the shape of {node.name}")
        return new if wanted == node.type.shape else replace(new, tensor=None)

    def _idle(self, node: Node, value: NDArray[Any]) -> Node:
        """A constant in the place of a node."""
        new = Node(node.name, Const(Array(value)), (), node.origin)
        self.idle.add(new)
        return new

    def _layer(self, node: Node, layer: Reading, cut: Cut) -> Node:
        """Fewer inputs and outputs; a depthwise layer has as many groups as channels."""
        source, w = node.args
        rank = len(w.type.shape)
        if self.new[source] is None:
            lead = (1,) * (len(node.type.shape) - 1)
            return self._idle(node, np.zeros((*lead, _shape(node, cut)[-1])))
        x, op = self._value(source, node), node.op
        if layer.reads.size:
            w = self.parts.part(w, rank - 2, ~np.isin(layer.reads, self.gone))
        elif isinstance(op, Conv):
            op = replace(op, group=x.type.channels)
        if cut is not None:
            w = self.parts.part(w, rank - 1, cut[1])
        return self._made(node, op, (x, w), cut)

    def _concat(self, node: Node, op: Concat, cut: Cut) -> Node:
        """Of what is left; constants are cut where the result is."""
        args: list[Node] = []
        at = 0
        for arg in node.args:
            extent = arg.type.shape[op.axis]
            if arg in self.labels:
                args += [self._value(arg, node)] if self.new[arg] is not None else []
            elif cut is None or cut[0] != op.axis:
                args.append(arg if cut is None else self.parts.part(arg, *cut))
            elif (keep := cut[1][at : at + extent]).any():
                args.append(self.parts.part(arg, op.axis, keep))
            at += extent
        if len(args) == 1:
            return self._made(node, Reshape(args[0].type.shape), (args[0],), cut)
        return self._made(node, op, tuple(args), cut)

    def _op(self, node: Node, cut: Cut) -> Op:
        """The operator on values that are cut."""
        if isinstance(node.op, Take):
            return self._take(node, node.op)
        if cut is None:
            return node.op
        axis, keep = cut
        match node.op:
            case Reshape():
                return Reshape(_shape(node, cut))
            case Pad() as op:
                front, back = op.before[axis], len(keep) - op.after[axis]
                return replace(
                    op,
                    before=_put(op.before, axis, int(keep[:front].sum())),
                    after=_put(op.after, axis, int(keep[back:].sum())),
                )
        return with_part(node.op, len(node.type.shape), axis, keep)

    def _take(self, node: Node, op: Take) -> Take:
        """Where the elements are now; what is cut is that to which an index leads."""
        source = node.args[0]
        if varying(self.labels[source]) != op.axis:
            return op
        keep, index = self._keep(source), op.index.data
        return Take(op.axis, Array((np.cumsum(keep) - 1)[index[keep[index]]]))


def _put(values: tuple[int, ...], axis: int, value: int) -> tuple[int, ...]:
    return (*values[:axis], value, *values[axis + 1 :])


def _shape(node: Node, cut: Cut) -> tuple[int, ...]:
    """Shape of what is left."""
    return node.type.shape if cut is None else _put(node.type.shape, cut[0], int(cut[1].sum()))
