"""The layers of a graph: products with constant weights, and the bias behind each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from gatesmith.ir import Array, Graph, Node, Reals
from gatesmith.ops.add import Add
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.fake_quant import FakeQuant
from gatesmith.ops.mat_mul import MatMul


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A Conv or MatMul.

    Attributes:
        node: It.
        source: What it reads.
        weight: The constant, (..., in, out).
        bias: The Add of a constant behind it, when nothing else reads the sums; or None.
    """

    node: Node
    source: Node
    weight: Node
    bias: Node | None

    @property
    def name(self) -> str:
        """Name of the product."""
        return self.node.name

    @property
    def group(self) -> int:
        """Groups of a convolution; 1 of a matrix product."""
        return self.node.op.group if isinstance(self.node.op, Conv) else 1

    @property
    def result(self) -> Node:
        """The sums, with the bias."""
        return self.bias or self.node


def layers(graph: Graph) -> tuple[Layer, ...]:
    """Every layer with constant weights, quantized or not, in the order of the graph."""
    users = graph.users()
    readers: dict[Node, Node] = {arg: node for node in graph for arg in node.args}
    found = []
    for node in graph:
        if not isinstance(node.op, Conv | MatMul):
            continue
        weight = node.args[1]
        if isinstance(weight.op, FakeQuant):
            weight = weight.args[0]
        if not isinstance(weight.op, Const):
            continue
        after = readers.get(node)
        bias = after if after is not None and users[node] == 1 and _is_bias(after) else None
        found.append(Layer(node, node.args[0], weight, bias))
    return tuple(found)


def _is_bias(node: Node) -> bool:
    """One value a channel, or one for all, is added."""
    if not isinstance(node.op, Add):
        return False
    consts = [arg for arg in node.args if isinstance(arg.op, Const)]
    if len(consts) != 1 or node.type.shape != _other(node).type.shape:
        return False
    shape = consts[0].type.shape
    return all(extent == 1 for extent in shape[:-1])


def _other(bias: Node) -> Node:
    return next(arg for arg in bias.args if not isinstance(arg.op, Const))


def bias_const(bias: Node) -> Node:
    """The constant that is added."""
    return next(arg for arg in bias.args if isinstance(arg.op, Const))


def const(node: Node) -> Reals:
    """Value of a constant, float64."""
    assert isinstance(node.op, Const), node.name
    return np.asarray(node.op.value.data, np.float64)


def with_consts(graph: Graph, values: Mapping[str, Reals]) -> Graph:
    """The graph with other values of the constants with these names, as float32 numbers."""

    def rule(node: Node, _users: Mapping[Node, int]) -> Node | None:
        if node.name not in values or not isinstance(node.op, Const):
            return None
        value = np.asarray(values[node.name], np.float32).astype(np.float64)
        return replace(node, op=Const(Array(value)))

    return graph.rewrite(rule) if values else graph


def by_name(graph: Graph) -> dict[str, Node]:
    """Nodes by name."""
    return {node.name: node for node in graph}
