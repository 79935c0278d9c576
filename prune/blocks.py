"""Whole layers and residual blocks that can be left out.

A residual block ends in an Add of which one argument, the shortcut, is all that the other depends
on: without the block the Add is its shortcut (He et al., 2016; which blocks to drop: Veit et al.,
2016; shortcuts with a layer of their own are none). A plain layer can be left out with its bias and
activation where that gives the shape that it reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Graph, Node
from gatesmith.ops.add import Add
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.reshape import Reshape
from gatesmith.prune.count import macs, macs_by_layer, parameters
from gatesmith.prune.spread import BINARY, UNARY

Frames: TypeAlias = Any
Run: TypeAlias = Callable[[Graph, Frames], Sequence[NDArray[Any]]]
"""(graph, frames) to the value of each output of the graph."""


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a network that can be left out.

    Attributes:
        name: Of the Add of a residual block, or of the layer.
        kind: ``residual`` or ``layer``.
        layers: Conv and MatMul nodes that go with it.
        multiplications: Of a frame, that go with it.
        parameters: That go with it.
        end: The node in whose place its source comes.
        source: What it reads.
    """

    name: str
    kind: str
    layers: tuple[str, ...]
    multiplications: int
    parameters: int
    end: Node = field(repr=False, compare=False)
    source: Node = field(repr=False, compare=False)


def find_blocks(graph: Graph) -> tuple[Block, ...]:
    """Everything that can be left out, in the order of the graph: residual blocks, then layers."""
    real = _values(graph)
    users = graph.users()
    after: dict[Node, Node] = {arg: node for node in graph for arg in node.args}
    residual = [
        (node.name, "residual", node, source)
        for node in graph
        if (source := _shortcut(node, real)) is not None
    ]
    plain = [
        (node.name, "layer", end, node.args[0])
        for node in graph
        if isinstance(node.op, Conv | MatMul) and node in real
        if (end := _end(node, graph, users, after, real)) is not None
    ]
    blocks = (_block(graph, *found) for found in (*residual, *plain))
    return tuple(block for block in blocks if block.layers)


def without_blocks(graph: Graph, names: Collection[str]) -> Graph:
    """The graph without these blocks; ValueError for a name that :func:`find_blocks` has not."""
    blocks = {block.name: block for block in find_blocks(graph)}
    if missing := sorted(set(names) - set(blocks)):
        there = ", ".join(blocks) or "none"
        raise ValueError(f"no block {', '.join(missing)}: there are {there}")
    return _without(graph, {blocks[name].end: blocks[name].source for name in names})


def block_scores(
    graph: Graph, blocks: Iterable[Block], frames: Frames, run: Run
) -> dict[str, float]:
    """How much the outputs change without each block, as a part of what they are.

    The root of the sum of squared differences over the sum of squares, of all frames and outputs.
    """
    whole = [np.asarray(value, np.float64) for value in run(graph, frames)]
    size = sum(float((value**2).sum()) for value in whole)
    scores = {}
    for block in blocks:
        rest = run(_without(graph, {block.end: block.source}), frames)
        change = sum(
            float(((value - np.asarray(other, np.float64)) ** 2).sum())
            for value, other in zip(whole, rest, strict=True)
        )
        scores[block.name] = (change / size) ** 0.5 if size else float(change > 0)
    return scores


def _values(graph: Graph) -> set[Node]:
    """Nodes that depend on an input."""
    found: set[Node] = set()
    for node in graph:
        if any(arg in found for arg in node.args) or not (node.args or isinstance(node.op, Const)):
            found.add(node)
    return found


def _shortcut(node: Node, real: set[Node]) -> Node | None:
    """The argument of an Add through which all else comes that is added."""
    if not isinstance(node.op, Add) or any(arg not in real for arg in node.args):
        return None
    for source, branch in (node.args, node.args[::-1]):
        if source is not branch and source.type == branch.type and _through(branch, source, real):
            return source
    return None


def _through(node: Node, source: Node, real: set[Node]) -> bool:
    """Whether every way from an input to ``node`` leads through ``source``."""
    seen, stack = {source}, [node]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        values = [arg for arg in node.args if arg in real]
        if not values:
            return False
        stack += values
    return True


def _end(
    layer: Node, graph: Graph, users: Counter[Node], after: dict[Node, Node], real: set[Node]
) -> Node | None:
    """The last of the bias and activation behind a layer, if its shape is what the layer reads."""
    end, found = layer, None
    while True:
        if end.type == layer.args[0].type and end not in graph.outputs:
            found = end
        if users[end] != 1 or end in graph.outputs:
            return found
        end = after[end]
        alone = sum(arg in real for arg in end.args) == 1
        if not (alone and isinstance(end.op, (*UNARY, *BINARY))):
            return found


def _block(graph: Graph, name: str, kind: str, end: Node, source: Node) -> Block:
    """What goes, counted on the graph without it."""
    rest = _without(graph, {end: source})
    stay = macs_by_layer(rest)
    layers = tuple(layer for layer in macs_by_layer(graph) if layer not in stay)
    saved = (macs(graph) - macs(rest), parameters(graph) - parameters(rest))
    return Block(name, kind, layers, *saved, end, source)


def _without(graph: Graph, instead: dict[Node, Node]) -> Graph:
    """The graph with other nodes in the place of some; an output keeps its name."""
    new: dict[Node, Node] = {}
    for node in graph:
        if node in instead:
            new[node] = new[instead[node]]
            if node in graph.outputs:
                new[node] = replace(node, op=Reshape(node.type.shape), args=(new[node],))
            continue
        args = tuple(new[arg] for arg in node.args)
        new[node] = node if args == node.args else replace(node, args=args)
    return replace(graph, outputs=tuple(new[output] for output in graph.outputs))
