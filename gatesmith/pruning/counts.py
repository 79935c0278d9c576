"""Parameters and multiplications of a network, with and without its zeros."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Graph, Node
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.mat_mul import MatMul


@dataclass(frozen=True, slots=True)
class LayerCount:
    """A layer with weights.

    Attributes:
        name: Of the node.
        op: Conv or MatMul.
        channels: Outputs.
        parameters: Weights.
        nonzero: Those that are not 0.
        macs: Multiplications of a frame.
        nonzero_macs: Those by a weight that is not 0.
    """

    name: str
    op: str
    channels: int
    parameters: int
    nonzero: int
    macs: int
    nonzero_macs: int


def counts(graph: Graph) -> list[LayerCount]:
    """Every layer, in the order of the graph."""
    found = []
    for node in graph:
        if not isinstance(node.op, Conv | MatMul):
            continue
        weights = _weights(node.args[1])
        if weights is None:  # a product of two computed values
            continue
        vectors = prod(node.type.shape[:-1])
        size, nonzero = weights.size, int(np.count_nonzero(weights))
        name, op = node.name, type(node.op).__name__
        channels = node.type.shape[-1]
        found.append(
            LayerCount(name, op, channels, size, nonzero, size * vectors, nonzero * vectors)
        )
    return found


def totals(graph: Graph) -> dict[str, int]:
    """``parameters`` and ``macs``, zeros left out; parameters with biases and the like."""
    layers = counts(graph)
    read = {node.args[1] for node in graph if isinstance(node.op, Conv | MatMul)}
    others = sum(
        node.op.value.data.size
        for node in graph
        if isinstance(node.op, Const) and node not in read and node.op.value.data.size > 1
    )
    return {
        "parameters": sum(row.nonzero for row in layers) + others,
        "macs": sum(row.nonzero_macs for row in layers),
    }


def _weights(node: Node) -> NDArray[Any] | None:
    while not isinstance(node.op, Const):
        if len(node.args) != 1:
            return None
        node = node.args[0]
    return node.op.value.data
