"""Multiplications and parameters of a real graph.

Of a layer that runs at P positions of a frame, with weights of kh * kw * (inputs / groups) *
outputs, the multiplications are P times its weights: P is H' * W' for a convolution and the number
of vectors for a matrix product. Parameters are the elements of all constants, and slopes by channel
(PRelu).
"""

from __future__ import annotations

from gatesmith.ir import Graph, Node
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.leaky_relu import LeakyRelu
from gatesmith.ops.mat_mul import MatMul
from gatesmith.quant.calibrate.layers import bias_const, layers


def macs(graph: Graph) -> int:
    """Multiplications of a frame, all layers together."""
    return sum(macs_by_layer(graph).values())


def macs_by_layer(graph: Graph) -> dict[str, int]:
    """Multiplications of a frame, by name of the Conv or MatMul, in the order of the graph."""
    return {node.name: _macs(node) for node in graph if isinstance(node.op, Conv | MatMul)}


def parameters(graph: Graph) -> int:
    """Elements of constants and learned slopes; a constant that two layers share counts once."""
    return sum(_parameters(node) for node in graph)


def parameters_by_layer(graph: Graph) -> dict[str, int]:
    """Weights and bias of each layer with constant weights, in the order of the graph."""
    return {
        layer.name: layer.weight.type.size + (bias_const(layer.bias).type.size if layer.bias else 0)
        for layer in layers(graph)
    }


def _macs(node: Node) -> int:
    return node.type.vectors * node.args[1].type.size


def _parameters(node: Node) -> int:
    match node.op:
        case Const():
            return node.type.size
        case LeakyRelu(slope=slope) if slope.data.size > 1:
            return int(slope.data.size)
    return 0
