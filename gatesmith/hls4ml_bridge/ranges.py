"""What the nodes of an integer graph can meet, channel by channel, from the actual weights."""

from __future__ import annotations

import numpy as np

from gatesmith.ir import Ints, IntType, Node
from gatesmith.ops.dense import Dense
from gatesmith.ops.join import Join
from gatesmith.ops.requantize import Requantize


def met(node: Node) -> tuple[Ints, Ints]:
    """Least and largest value that each channel of a node takes."""
    x, channels = node.type.int_elem, node.type.channels
    lo, hi = np.full(channels, x.lo, np.int64), np.full(channels, x.hi, np.int64)
    if isinstance(node.op, Dense) and x.step == 1:
        given = node.args[0].type.int_elem
        plus = np.maximum(node.op.weights.data, 0).sum(axis=1)
        minus = np.minimum(node.op.weights.data, 0).sum(axis=1)
        lo = np.maximum(lo, plus * given.lo + minus * given.hi)
        hi = np.minimum(hi, plus * given.hi + minus * given.lo)
    return lo, hi


def ends(node: Node, op: Requantize) -> tuple[int, int]:
    """Least and largest code before the clamp."""
    if isinstance(node.op, Join):
        types = [arg.type.int_elem for arg in node.args]
        total = node.op.total(types[0], types[1])
        return total.lo >> op.shift, (total.hi >> op.shift) + op.even
    lo, hi = met(node.args[0])
    wide = IntType(-(1 << 62), 1 << 62)
    free = Requantize(op.mul, op.add, op.shift, wide, op.even)
    found = free.run(np.stack([lo, hi]))
    return int(found.min()), int(found.max())
