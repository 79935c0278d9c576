"""Turn falling channels round by negating their weights.

    Threshold(Dense(x, W), T, falling[c] = 1)  ->  Threshold(Dense(x, W'), T', falling[c] = 0)

with W'[c] = -W[c] and, since -n < T is n >= step - T, the thresholds of c mirrored:
T'[k] = -T[K - 1 - k] + step. Exact. Saves the subtraction behind the comparators. Done where the
negated weights still fit the weight type, and the Dense feeds nothing else. Not where the weights
can be reloaded: other ones may fall elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gatesmith.ir import Array, Graph, Node
from gatesmith.ops.dense import Dense
from gatesmith.ops.threshold import Threshold


def flip_falling(graph: Graph) -> Graph:
    """Return ``graph`` with no falling channel that could be turned round."""
    return graph.rewrite(_rule)


def _rule(node: Node, users: Mapping[Node, int]) -> Node | None:
    match node:
        case Node(
            op=Threshold(thresholds=table, falling=falling) as op,
            args=(Node(op=Dense(weights=weights, weight_type=kind) as dense) as before,),
        ) if falling.data.any() and users[before] == 1 and not dense.reloadable:
            channels = weights.shape[0]
            fall = np.broadcast_to(falling.data.astype(bool), (channels,))
            negated = np.where(fall[:, None], -weights.data, weights.data)
            if not kind.contains(negated):
                return None
            turned = replace(before, op=replace(dense, weights=Array(negated)))
            old, new = before.type.int_elem, turned.type.int_elem
            rows = np.broadcast_to(table.data, (channels, table.shape[1]))
            mirrored = old.step - rows[:, ::-1]
            rows = np.where(fall[:, None], mirrored, rows).clip(new.lo, new.hi + new.step)
            flipped = replace(op, thresholds=Array(rows), falling=Array([0]))
            return replace(node, op=flipped, args=(turned,))
    return None
