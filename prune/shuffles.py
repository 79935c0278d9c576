"""Channel shuffles as one Take.

A shuffle (Zhang et al., ShuffleNet, CVPR 2018) is written as Reshape, Transpose, Reshape. After a
cut the channels no longer fill the array between the two reshapes, while a Take of the channels
that are left still does the same. So a chain of movements that ends in the shape in which it began,
and only permutes the elements of one axis, becomes a Take along that axis.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from gatesmith.ir import Array, Graph, Ints, Node
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.take import Take
from gatesmith.ops.transpose import Transpose


def shuffles_as_takes(graph: Graph) -> Graph:
    """The same function; a Take has the name of the Reshape that ended the shuffle."""
    return graph.rewrite(_rule)


def _rule(node: Node, _users: Mapping[Node, int]) -> Node | None:
    if not isinstance(node.op, Reshape):
        return None
    steps: list[Node] = [node]
    for source in _sources(node):
        if source.type.shape == node.type.shape and len(steps) > 1:
            moved = any(isinstance(step.op, Transpose) for step in steps)
            found = _permuted(source.type.shape, steps) if moved else None
            if found is None:
                return None
            axis, index = found
            op = Take(axis, Array(index))
            origin = tuple(name for step in reversed(steps) for name in step.origin)
            return Node(node.name, op, (source,), origin, node.tensor)
        steps.append(source)
    return None


def _sources(node: Node) -> Iterator[Node]:
    """What a movement reads, and so on to the first value that no movement makes."""
    while isinstance(node.op, Reshape | Transpose):
        (node,) = node.args
        yield node


def _permuted(shape: tuple[int, ...], steps: list[Node]) -> tuple[int, Ints] | None:
    """The axis and the order of its elements; ``steps`` are last first."""
    before = np.arange(int(np.prod(shape))).reshape(shape)
    after = before
    for step in reversed(steps):
        op = step.op
        after = (
            after.transpose(op.perm)
            if isinstance(op, Transpose)
            else after.reshape(step.type.shape)
        )
    for axis, extent in enumerate(shape):
        stride = int(np.prod(shape[axis + 1 :]))
        line = after[tuple(slice(None) if i == axis else 0 for i in range(len(shape)))]
        index = line // stride
        if (index < extent).all() and (before.take(index, axis) == after).all():
            return axis, index
    return None
