"""Which class an output says, and whether a frame left early."""

from __future__ import annotations

from fractions import Fraction
from math import lcm

import numpy as np

from gatesmith.ir import Affine, Ints, Node
from gatesmith.ops.early_exit import EarlyExit
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.top_k import TopK


def has_classes(output: Node) -> bool:
    """Whether an output says one class: an index, or a vector of values to choose from."""
    output = _behind(output)
    if isinstance(output.op, TopK):
        return output.type.vectors == 1
    if has_exit(output):
        return True
    return 1 < output.type.size == max(output.type.shape, default=1)


def has_exit(output: Node) -> bool:
    """Whether an output says a class and whether the frame left early."""
    return isinstance(output.op, EarlyExit)


def _behind(output: Node) -> Node:
    """What gives the values: nothing but their shape changes from there on."""
    while isinstance(output.op, Reshape):
        (output,) = output.args
    return output


def best_class(output: Node, y: Ints) -> Ints:
    """Class of each frame: the index that the design gives, or that of the largest real value.

    Real values are compared exactly: brought to one denominator they are integers. Of equal ones
    the lowest index wins.
    """
    if isinstance(_behind(output).op, TopK | EarlyExit):
        return y.reshape(len(y), -1)[:, 0]
    meaning = output.meaning or Affine((Fraction(1),))
    rows = meaning.per_channel(output.type.channels)
    one = lcm(*(number.denominator for row in rows for number in row))
    scale = [int(s * one) for s, _ in rows]
    offset = [int(o * one) for _, o in rows]
    reach = max(abs(output.type.int_elem.lo), abs(output.type.int_elem.hi))
    small = max(abs(s) * reach + abs(o) for s, o in zip(scale, offset, strict=True)) < 2**63
    kind = np.int64 if small else object
    exact = y.astype(kind) * np.array(scale, kind) + np.array(offset, kind)
    best: Ints = np.argmax(exact.reshape(len(y), -1), axis=1).astype(np.int64)
    return best
