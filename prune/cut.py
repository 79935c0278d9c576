"""The smaller graph, and the one of the old size that computes the same.

:func:`cut` takes units out: their weights, biases and scales, their places in reshapes, indices and
paddings. :func:`masked` leaves everything where it is and zeroes the weights that read the units.
Both compute the same: exactly in exact arithmetic, so bit for bit on integers that float64 holds.

Where all that a layer reads is taken away, its sums are zero, and what follows up to a join is a
constant: in a residual branch that is the shortcut with a bias. Anywhere else it is refused.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from gatesmith.ir import Array, Graph, Ints, Node
from gatesmith.ops.const import Const
from gatesmith.ops.mul import Mul
from gatesmith.prune.constants import Keep, value_of, weight_const
from gatesmith.prune.dependency import Analysis, analyse
from gatesmith.prune.smaller import smaller

Removed: TypeAlias = Mapping[str, Collection[int]]
"""Units of groups, by the name of the group."""


def cut(graph: Graph, removed: Removed) -> Graph:
    """The graph without these units.

    Node names stay; a node whose shape changes is no tensor of the file any more. Channel shuffles
    become Take.

    Raises:
        ValueError: No such group or unit, or nothing would be left for a layer to read.
    """
    return cut_analysed(analyse(graph), removed)


def cut_analysed(analysis: Analysis, removed: Removed) -> Graph:
    """The same for a graph whose labels are known."""
    gone = _labels(analysis, removed)
    return smaller(analysis, gone) if gone.size else analysis.graph


def macs_after(analysis: Analysis, removed: Removed) -> int:
    """Multiplications of a frame that are left, without making the graph.

    >>> from gatesmith.ir import Graph
    >>> macs_after(analyse(Graph(())), {})
    0
    """
    gone = _labels(analysis, removed)
    total = 0
    for layer in analysis.layers:
        inputs, outputs = (~np.isin(labels, gone) for labels in (layer.reads, layer.makes))
        taps = math.prod(layer.node.args[1].type.shape[:-2])
        each = int(inputs.sum()) if inputs.size else 1  # depthwise
        total += layer.node.type.vectors * taps * each * int(outputs.sum())
    return total


def masked(graph: Graph, removed: Removed) -> Graph:
    """The graph with zeros for the weights that read these units; ValueError for unknown ones."""
    analysis = analyse(graph)
    gone = _labels(analysis, removed)
    zeros = {layer.node.name: np.isin(layer.reads, gone) for layer in analysis.layers}

    def rule(node: Node, _users: Mapping[Node, int]) -> Node | None:
        none = zeros.get(node.name)
        if none is None or not none.any():
            return None
        return replace(node, args=(node.args[0], _zeroed(node.args[1], none)))

    return graph.rewrite(rule).named_once()


def _labels(analysis: Analysis, removed: Removed) -> Ints:
    found: list[Ints] = [np.zeros(0, np.int64)]
    for name, units in removed.items():
        group = analysis.structure.group(name)
        wanted = sorted(set(units))
        if wanted and not 0 <= wanted[0] <= wanted[-1] < group.count:
            raise ValueError(f"{name} has the units 0 to {group.count - 1}, not {wanted}")
        found.append(analysis.units[name][wanted])
    return np.concatenate(found)


def _zeroed(weight: Node, none: Keep) -> Node:
    """Weights with zeros for some inputs: in the constant itself if quantizers leave them zero."""
    shape = [1] * len(weight.type.shape)
    shape[-2] = none.size
    mask = np.where(none, 0.0, 1.0).reshape(shape)
    const = weight_const(weight)
    if const is not None:
        zero = replace(const, op=Const(Array(value_of(const) * mask)))
        chain = Graph((weight,)).rewrite(lambda n, _: zero if n is const else None).outputs[0]
        if (value_of(chain) == value_of(weight) * mask).all():
            return chain
    factor = Node(f"{weight.name}_mask", Const(Array(mask)))
    return Node(f"{weight.name}_masked", Mul(), (weight, factor), weight.origin)
