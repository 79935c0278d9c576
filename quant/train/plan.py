"""What training needs to know of a graph: which constants learn, where batch norms go, what is one.

A *layer* is a Conv or a MatMul of a computed value and a constant. Its *chain* is the layer and the
Add, Sub and Mul of one constant a channel that follow, each read by the next one only: an affine
function a channel, which a batch norm can replace.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Graph, Node, Real, Reals
from gatesmith.ops.add import Add
from gatesmith.ops.concat import Concat
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.fake_quant import FakeQuant
from gatesmith.ops.input import Input
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.mul import Mul
from gatesmith.ops.pad import Pad
from gatesmith.ops.relu import Relu
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.softmax import Softmax
from gatesmith.ops.sub import Sub
from gatesmith.ops.take import Take
from gatesmith.ops.transpose import Transpose

_KEEPS_GRID = (Reshape, Transpose, Take, Pad, MaxPool, Relu)


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """A layer and the affine functions behind it.

    Attributes:
        layer: Conv or MatMul.
        rest: Add, Sub, Mul nodes in order; the last one's value is the chain's.
        inner: Whether a quantizer follows anywhere, or in a network without any another layer: it
            is not the last one.
    """

    layer: Node
    rest: tuple[Node, ...]
    inner: bool

    @property
    def end(self) -> Node:
        """The node whose value is the chain's."""
        return self.rest[-1] if self.rest else self.layer

    @property
    def bias(self) -> Node | None:
        """The constant that is added, where that is all."""
        if len(self.rest) != 1 or not isinstance(self.end.op, Add):
            return None
        return _other(self.end, self.layer)

    def affine(self) -> tuple[Reals, Reals]:
        """Factor and term of each channel."""
        channels = self.layer.type.channels
        factor, term = np.ones(channels), np.zeros(channels)
        before = self.layer
        for node in self.rest:
            op = _other(node, before).op
            assert isinstance(op, Const)
            value = np.broadcast_to(op.value.data, (*(1,) * op.value.data.ndim, channels)).reshape(
                -1
            )
            match node.op:
                case Mul():
                    factor, term = factor * value, term * value
                case Add():
                    term = term + value
                case Sub():
                    minus = -1.0 if node.args[1] is before else 1.0
                    factor, term = factor * minus, minus * term - minus * value
            before = node
        return factor, term


def _other(node: Node, arg: Node) -> Node:
    return node.args[1] if node.args[0] is arg else node.args[0]


def constants(graph: Graph) -> set[Node]:
    """Nodes that depend on no input."""
    found: set[Node] = set()
    for node in graph:
        if not isinstance(node.op, Input) and all(arg in found for arg in node.args):
            found.add(node)
    return found


def chains(graph: Graph, kept: Collection[str] = ()) -> list[Chain]:
    """Every layer's, in order. A value named in ``kept`` ends one, as if it had another reader."""
    constant, users = constants(graph), graph.users()
    readers: dict[Node, list[Node]] = {}
    for node in graph:
        for arg in node.args:
            readers.setdefault(arg, []).append(node)
    late = _inner(graph, constant)
    found = []
    for node in graph:
        layer = isinstance(node.op, Conv | MatMul) and node not in constant
        if not layer or node.args[1] not in constant or node.args[0] in constant:
            continue
        rest: list[Node] = []
        last = node
        while users[last] == 1 and last in readers and last.name not in kept:
            (reader,) = readers[last]
            if not _per_channel(reader, last):
                break
            rest.append(reader)
            last = reader
        found.append(Chain(node, tuple(rest), last in late))
    return found


def _per_channel(node: Node, arg: Node) -> bool:
    """Whether a node adds or multiplies one constant number a channel."""
    if not isinstance(node.op, Add | Sub | Mul):
        return False
    other = _other(node, arg)
    if not isinstance(other.op, Const) or node.type != arg.type:
        return False
    shape = other.type.shape
    return other.type.size == 1 or (other.type.size == shape[-1] == arg.type.channels)


def _inner(graph: Graph, constant: set[Node]) -> set[Node]:
    """Nodes that are quantized somewhere behind; that a layer follows, where nothing is."""
    order = [node for node in graph if node not in constant]
    quantized = any(isinstance(node.op, FakeQuant) for node in order)
    ends = FakeQuant if quantized else (Conv, MatMul)
    found: set[Node] = set()
    for node in reversed(order):
        if node in found or isinstance(node.op, ends):
            found.update(node.args)
    return found


def trained(graph: Graph, found: list[Chain]) -> set[Node]:
    """Constants that learn: weights, and what the chains add and multiply.

    A number for all channels (hard swish's 3, a pixel's 1/255) stays, but for the bias of one
    channel.
    """
    known = constants(graph)
    learn: set[Node] = set()
    for chain in found:
        stack = [chain.layer.args[1]]
        while stack:
            node = stack.pop()
            if isinstance(node.op, Const) and isinstance(node.type.elem, Real):
                learn.add(node)
            stack.extend(node.args)
        before = chain.layer
        for node in chain.rest:
            other = _other(node, before)
            if other in known and other.type.size == node.type.channels:
                learn.add(other)
            before = node
    return learn


def shared(graph: Graph) -> dict[Node, Node]:
    """The first quantizer of each group whose streams Concat puts together on one grid."""
    first: dict[Node, Node] = {}
    for node in graph:
        if not isinstance(node.op, Concat):
            continue
        joined = [s for s in _sources(node) if isinstance(s.op, FakeQuant)]
        for one in joined:
            lead = next(s for s in joined if s.op == one.op)
            old, new = first.get(one, one), first.get(lead, lead)
            first.update({n: new for n, f in first.items() if f is old})
            first[one] = first[old] = new
    return first


def signs_of(graph: Graph, chain: Chain) -> Node | None:
    """The bipolar quantizer that alone reads the values of a chain, moved or pooled perhaps."""
    node = chain.end
    while True:
        readers = [reader for reader in graph if node in reader.args]
        if len(readers) != 1 or node in graph.outputs:
            return None
        (node,) = readers
        if isinstance(node.op, FakeQuant):
            return node if node.op.grid.kind == "bipolar" else None
        if not isinstance(node.op, _KEEPS_GRID):
            return None


def logits(output: Node) -> Node:
    """The output, or what a final Softmax reads."""
    return output.args[0] if isinstance(output.op, Softmax) else output


def _sources(node: Node) -> list[Node]:
    """What is moved or put together into a value."""
    if isinstance(node.op, Concat):
        return [source for arg in node.args for source in _sources(arg)]
    return _sources(node.args[0]) if isinstance(node.op, _KEEPS_GRID) else [node]
