"""A network whose layers share weights by a hash of their places (hashed.py).

A layer is put on shared weights by least squares: the mean of each bucket. Training goes on from
there with the same projection after every step, which is gradient descent on the table. Quantizers
keep weights shared where all outputs have one scale, and weights are rounded to the nearest; what
scales channels against each other (batch norms, equalization) is to be done before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gatesmith.ir import Array, Graph, Node, Reals
from gatesmith.ops.const import Const
from gatesmith.prune.coding.hashed import MOST_BITS, project
from gatesmith.prune.dense_order import input_order
from gatesmith.quant.calibrate.layers import Layer, const, layers


def share(graph: Graph, bits: Mapping[str, int]) -> Graph:
    """A real graph with the weights of some layers on shared tables.

    Args:
        graph: Weights are constants, perhaps before a FakeQuant.
        bits: Of a place in the table, by name of the layer.

    Raises:
        ValueError: There is no such layer, or no such table.
    """
    found = {layer.name: layer for layer in layers(graph)}
    unknown = sorted(set(bits) - set(found))
    if unknown or not all(1 <= n <= MOST_BITS for n in bits.values()):
        raise ValueError(f"tables of 1 to {MOST_BITS} bits, of layers: {', '.join(found)}")
    values = {found[name].weight.name: _shared(found[name], n) for name, n in bits.items()}

    def rule(node: Node, _users: Mapping[Node, int]) -> Node | None:
        if node.name not in values or not isinstance(node.op, Const):
            return None
        return replace(node, op=Const(Array(values[node.name])))

    return graph.rewrite(rule)


def _shared(layer: Layer, bits: int) -> Reals:
    """Weights of a layer, in their own shape."""
    value, order = const(layer.weight), input_order(layer)
    matrix = value.reshape(-1, value.shape[-1])
    shared = np.empty_like(matrix)
    shared[order] = project(matrix[order].T, bits).T
    return shared.astype(np.float32).astype(np.float64).reshape(value.shape)
