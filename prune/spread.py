"""How labels go through one operator: the rules of the dependency analysis.

    movements (Reshape, Transpose, Take, Concat, Pad)  what they do to elements, they do to labels
    element-wise with several values                   position by position, one set
    Conv, MatMul                                       outputs are new; inputs unite over positions
    depthwise                                          an output is its input channel
    grouped convolution                                inputs at one place of every group unite
    pools, Reduce                                      unite over what they run over
    Softmax, LayerNorm, TopK                           unite along the axes that they mix

A channel that is put in (Pad, a constant in Concat) has a label of its own, which nothing makes:
it goes when something else that it is united with goes. A value that is spread over the channels of
another (a gate of one channel) is fixed. After Fang et al., DepGraph, CVPR 2023, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Ints, Node
from gatesmith.ops.add import Add
from gatesmith.ops.average_pool import AveragePool
from gatesmith.ops.bipolar_quant import BipolarQuant
from gatesmith.ops.clip import Clip
from gatesmith.ops.concat import Concat
from gatesmith.ops.conv import Conv
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.div import Div
from gatesmith.ops.fake_quant import FakeQuant
from gatesmith.ops.function import Function
from gatesmith.ops.input import Input
from gatesmith.ops.layer_norm import LayerNorm
from gatesmith.ops.leaky_relu import LeakyRelu
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.mul import Mul
from gatesmith.ops.multi_threshold import MultiThreshold
from gatesmith.ops.pad import Pad
from gatesmith.ops.quantize import Quantize
from gatesmith.ops.reduce import Reduce
from gatesmith.ops.relu import Relu
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.select import Select
from gatesmith.ops.sign import Sign
from gatesmith.ops.softmax import Softmax
from gatesmith.ops.sub import Sub
from gatesmith.ops.take import Take
from gatesmith.ops.top_k import TopK
from gatesmith.ops.transpose import Transpose
from gatesmith.prune.labels import Units

UNARY = (
    *(Relu, Clip, LeakyRelu, Function, Sign),
    *(FakeQuant, Quantize, Dequantize, BipolarQuant, MultiThreshold),
)
BINARY = (Add, Sub, Mul, Div, Select)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What a layer reads and makes.

    Attributes:
        node: Conv or MatMul with constant weights.
        reads: Label of each position along the input axis of the weights; none if depthwise.
        makes: Label of each output channel.
    """

    node: Node
    reads: Ints
    makes: Ints

    @property
    def groups(self) -> int:
        """Groups that must stay of one size: 1 of a depthwise layer, whose outputs are tied."""
        op = self.node.op
        return op.group if isinstance(op, Conv) and self.reads.size else 1


class Spread:
    """Labels of all nodes that depend on an input, and the layers met on the way."""

    def __init__(self, units: Units) -> None:
        self.units = units
        self.labels: dict[Node, Ints] = {}
        self.layers: list[Reading] = []

    def visit(self, node: Node) -> None:
        """Label a node whose arguments have been visited; constants have no labels."""
        if isinstance(node.op, Input):
            labels = self.units.fresh((1,) * len(node.type.shape))
            self.units.fix(
                labels,
                f"the network's input {node.name}",
                f"they are those of the network's input {node.name}",
            )
        elif any(arg in self.labels for arg in node.args):
            labels = self._result(node)
        else:
            return
        self.labels[node] = self.units.flattened(labels)

    def settle(self) -> None:
        """Make all labels vary along one axis: last, so that operators have said what mixes."""
        for node, labels in self.labels.items():
            self.labels[node] = self.units.rectangular(labels, _by(node))

    def _result(self, node: Node) -> Ints:
        match node.op:
            case Conv() | MatMul():
                return self._layer(node)
            case op if isinstance(op, BINARY):
                return self._joined(node)
            case Concat(axis=axis):
                return self._concatenated(node, axis)
        x, shape = self.labels[node.args[0]], node.args[0].type.shape
        match node.op:
            case op if isinstance(op, UNARY):
                return x
            case Transpose(perm=perm):
                return x.transpose(perm)
            case Reshape(shape=new):
                moved = np.broadcast_to(x, shape if x.size > 1 else x.shape)
                return moved.reshape(new) if x.size > 1 else x.reshape((1,) * len(new))
            case Take(axis=axis, index=index):
                return x.take(index.data, axis) if x.shape[axis] > 1 else x
            case Pad():
                return self._padded(node, node.op, x, shape)
            case MaxPool() | AveragePool():
                return self._pooled(node, node.op, x)
            case Reduce():
                return self.units.merged(x, (len(shape) - 2,), _by(node)).squeeze(-2)
            case Softmax(axes=axes):
                over = tuple(range(len(shape) - axes, len(shape)))
                return self.units.merged(x, over, _by(node))
            case LayerNorm() | TopK():
                return self.units.merged(x, (len(shape) - 1,), _by(node))
        kind = type(node.op).__name__
        raise ValueError(f"{node.name}: no rule for {kind}: add it in gatesmith/prune/spread.py")

    # -- layers ------------------------------------------------------------------------------------

    def _layer(self, node: Node) -> Ints:
        """New labels for the outputs; those of a depthwise layer are those of its inputs."""
        x, w = node.args
        fresh = self.units.fresh
        if w in self.labels:
            return self._computed_weights(node)
        labels, channels, outputs = self.labels[x], x.type.channels, node.type.channels
        lead = (1,) * (len(node.type.shape) - 1)
        over = tuple(range(len(x.type.shape) - 1))
        reads = np.broadcast_to(
            self.units.merged(labels, over, _by(node)).reshape(-1), (channels,)
        ).copy()
        group = node.op.group if isinstance(node.op, Conv) else 1
        if group == 1:
            makes = fresh((outputs,))
        elif group == channels:
            makes, reads = np.repeat(reads, outputs // channels), reads[:0]
        else:
            reads = reads.reshape(group, -1)
            self.units.unite(reads, reads[:1], _by(node))
            reads, makes = reads[0], fresh((outputs,))
        self.layers.append(Reading(node, reads, makes))
        return makes.reshape(*lead, -1)

    def _computed_weights(self, node: Node) -> Ints:
        why = f"{node.name} multiplies values with each other"
        for arg in node.args:
            if arg in self.labels:
                self.units.fix(self.labels[arg], f"what {node.name} multiplies", why)
        labels = self.units.fresh((1,) * len(node.type.shape))
        self.units.fix(labels, f"the products of {node.name}", why)
        return labels

    # -- joins -------------------------------------------------------------------------------------

    def _joined(self, node: Node) -> Ints:
        """Position by position; an argument that is spread over channels of another is fixed."""
        rank = len(node.type.shape)
        given = [arg for arg in node.args if arg in self.labels]
        shapes = [(1,) * (rank - len(a.type.shape)) + a.type.shape for a in given]
        parts = [
            self.labels[a].reshape((1,) * (rank - len(a.type.shape)) + self.labels[a].shape)
            for a in given
        ]
        spread = [
            any(
                shape[axis] < node.type.shape[axis] and self._told_apart(parts, shapes, axis)
                for axis in range(rank)
            )
            for shape in shapes
        ]
        kept = []
        for part, fixed, arg in zip(parts, spread, given, strict=True):
            if fixed:
                what = f"{arg.name}, which {node.name} spreads"
                self.units.fix(part, what, f"{node.name} uses {arg.name} for several channels")
            else:
                kept.append(part)
        if not kept:
            return parts[0].reshape(-1)[:1].reshape((1,) * rank)
        for part in kept[1:]:
            self.units.unite(kept[0], part, _by(node))
        return np.broadcast_arrays(*kept)[0]

    @staticmethod
    def _told_apart(parts: list[Ints], shapes: list[tuple[int, ...]], axis: int) -> bool:
        """Whether elements of the result differ along an axis in more than their position.

        They do where the labels of an argument vary along it, and where no argument with labels has
        that axis: then a constant stretches the value.
        """
        if all(shape[axis] == 1 for shape in shapes):
            return True
        return any(part.shape[axis] > 1 for part in parts)

    def _concatenated(self, node: Node, axis: int) -> Ints:
        """One behind the other; elements of constants get labels of their own."""
        parts = [
            self.labels[arg] if arg in self.labels else self.units.fresh(arg.type.shape)
            for arg in node.args
        ]
        rank = len(node.type.shape)
        shape = [max(part.shape[i] for part in parts) for i in range(rank)]
        whole = [
            np.broadcast_to(part, (*shape[:axis], arg.type.shape[axis], *shape[axis + 1 :]))
            for part, arg in zip(parts, node.args, strict=True)
        ]
        return np.concatenate(whole, axis)

    # -- windows and padding -----------------------------------------------------------------------

    def _pooled(self, node: Node, op: MaxPool | AveragePool, x: Ints) -> Ints:
        """Elements of one window unite; where each is its own, nothing does."""
        shape = node.args[0].type.shape
        moved = [
            number
            for number, axis in enumerate(op.axes(shape))
            if axis.taps > 1 or axis.stride > 1 or axis.before or axis.after
        ]
        return self.units.merged(x, tuple(moved), _by(node))

    def _padded(self, node: Node, op: Pad, x: Ints, shape: tuple[int, ...]) -> Ints:
        """New labels for what is put in, where labels vary along the axis or could do so."""
        for axis, extent in enumerate(shape):
            if op.interior[axis] and x.shape[axis] > 1:
                x = self.units.merged(x, (axis,), _by(node))
            if x.shape[axis] > 1 or extent == 1:
                rest = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
                front, back = (
                    self.units.fresh((*rest[:axis], count, *rest[axis + 1 :]))
                    for count in (op.before[axis], op.after[axis])
                )
                x = np.concatenate([front, x, back], axis)
        return x


def _by(node: Node) -> str:
    return f"{node.name} ({type(node.op).__name__})"
