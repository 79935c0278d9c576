"""The parts of a layer in the graph, in its place.

    x -> LAYER -> + bias     becomes     x -> LAYER_in -> LAYER_mid -> LAYER_out -> + bias

Weights are called NAME_weight. A pointwise first part also trades places with a Pad that spreads
the map before a transposed convolution: it then multiplies no zeros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gatesmith.ir import Array, Graph, Node, Real, Reals, TensorType
from gatesmith.ops.const import Const
from gatesmith.ops.pad import Pad
from gatesmith.prune.low_rank.counts import is_layer, products
from gatesmith.prune.low_rank.method import POINTWISE, Part


def work(node: Node, parts: Sequence[Part], users: Mapping[Node, int]) -> tuple[int, int]:
    """Multiplications and weights of the parts that a layer would become.

    Args:
        node: The layer.
        parts: First to last.
        users: Of its graph.
    """
    pad = _passed(node, parts, users)
    x = node.args[0].type if pad is None else pad.args[0].type
    multiplications = parameters = 0
    for part in parts:
        weights = TensorType(part.shape, Real())
        x = part.op.infer(x, weights)
        multiplications += products(x, weights)
        parameters += weights.size
        if pad is not None:
            x, pad = pad.op.infer(x), None
    return multiplications, parameters


def replaced(graph: Graph, name: str, parts: Sequence[Part], weights: Sequence[Reals]) -> Graph:
    """The graph with the parts in the place of the layer.

    Args:
        graph: Real.
        name: Of the layer; ValueError where there is none.
        parts: First to last.
        weights: Of each.
    """
    taken = {node.name.lower() for node in graph}
    done: list[Node] = []

    def rule(node: Node, users: Mapping[Node, int]) -> Node | None:
        if node.name != name or not is_layer(node):
            return None
        done.append(_chain(node, parts, weights, users, taken))
        return done[-1]

    new = graph.rewrite(rule)
    if len(done) != 1:
        raise ValueError(f"{len(done)} layers are called {name}")
    return new


def _chain(
    node: Node,
    parts: Sequence[Part],
    weights: Sequence[Reals],
    users: Mapping[Node, int],
    taken: set[str],
) -> Node:
    pad = _passed(node, parts, users)
    x = node.args[0] if pad is None else pad.args[0]
    origin = tuple(dict.fromkeys((*node.origin, *node.args[1].origin)))
    for part, data in zip(parts, weights, strict=True):
        own = _fresh(f"{node.name}_{part.suffix}", taken)
        kernel = Node(_fresh(f"{own}_weight", taken), Const(Array(data)), (), node.args[1].origin)
        if data.shape != part.shape:
            raise ValueError(f"{own} has weights {part.shape}, not {data.shape}")
        x = Node(own, part.op, (x, kernel), origin)
        if pad is not None:
            x, pad = replace(pad, args=(x,), tensor=None), None
    return replace(x, tensor=node.tensor)


def _passed(node: Node, parts: Sequence[Part], users: Mapping[Node, int]) -> Node | None:
    """The Pad before the layer that its first part may stand before."""
    pad = node.args[0]
    if not isinstance(pad.op, Pad) or parts[0].op != POINTWISE or users[pad] != 1 or pad.op.value:
        return None
    spreads = any(pad.op.before[-1:] + pad.op.after[-1:] + pad.op.interior[-1:])
    return None if spreads else pad


def _fresh(name: str, taken: set[str]) -> str:
    """A name that no node has, in any case of its letters: files are named after them."""
    own, count = name, 1
    while own.lower() in taken:
        count += 1
        own = f"{name}_{count}"
    taken.add(own.lower())
    return own
