"""Multiplications and weights of the layers of a graph: Conv and MatMul with constant weights.

    Conv      H' * W' * kh * kw * (C / group) * O   for a result (H', W', O)
    MatMul    rows * in * out                       for a result (rows, out)

that is, elements of the result times the weights of one output channel.
"""

from __future__ import annotations

from gatesmith.ir import Graph, Node, TensorType
from gatesmith.ops.conv import Conv
from gatesmith.ops.mat_mul import MatMul


def is_layer(node: Node) -> bool:
    """Whether a node multiplies with weights."""
    return isinstance(node.op, Conv | MatMul)


def products(result: TensorType, weights: TensorType) -> int:
    """Multiplications of one layer for one frame."""
    return result.size * (weights.size // weights.channels)


def multiplications(graph: Graph) -> int:
    """Multiplications of all layers for one frame."""
    return sum(products(node.type, node.args[1].type) for node in graph if is_layer(node))


def parameters(graph: Graph) -> int:
    """Weights of all layers; biases are not counted; a shared weight counts once."""
    return sum(weights.type.size for weights in {n.args[1] for n in graph if is_layer(n)})
