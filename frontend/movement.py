"""Shared by the operators that only move elements: Slice, Split, Gather, Pad, Resize, Tile, ...

Each of them is, along every axis, a list of the elements to take. The batch axis of a frame holds
one element, so the only list it allows is [0].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gatesmith.frontend.call import Call
from gatesmith.frontend.frames import reshape_full
from gatesmith.frontend.values import Activation
from gatesmith.ir import Array
from gatesmith.ops.take import Take


def take(call: Call, x: Activation, axis: int, index: Sequence[int]) -> Activation:
    """Elements ``index`` along ``axis`` of the full shape; nothing where that is every element.

    Errors: ``frontend.batch-axis``, ``frontend.shape`` when no element is left.
    """
    if list(index) == list(range(x.full[axis])):
        return x
    if len(index) == 0:
        raise call.error(
            "shape",
            f"{call.node.op_type} leaves nothing of {list(x.full)} along axis {axis}",
            "a stream of no elements cannot be built",
            "remove the node and what reads its result",
        )
    if x.batched and axis == 0:
        raise call.batch_error(f"makes {len(index)} frames of one, along axis 0")
    op = Take(axis - x.batched, Array(np.array(index, np.int64)))
    return Activation(call.emit(op, x.node), x.batched, x.kind)


def same_batch(call: Call, values: Sequence[Activation]) -> tuple[list[Activation], bool]:
    """Values of one rank, all with the batch axis in front or all without, and ``batched``."""
    batched = any(value.batched for value in values)
    if not batched:
        return list(values), False
    return [
        v if v.batched else reshape_full(call, v, (1, *v.full)[-len(v.full) :]) for v in values
    ], True


def known_axes(call: Call, axes: Sequence[int] | None, rank: int, count: int) -> list[int]:
    """Axes of the full shape, each at most once and ``count`` of them; None is the first ones.

    Errors: ``frontend.axis``, ``frontend.shape``.
    """
    found = [call.axis(axis, rank, "axes") for axis in (range(count) if axes is None else axes)]
    if len(set(found)) != len(found):
        what = f"{call.node.op_type} names an axis twice: {list(axes or ())}"
        raise call.error("axis", what, "each axis is handled once", "remove the double")
    if len(found) != count:
        what = f"{call.node.op_type} has {len(found)} axes and {count} values for them"
        raise call.error("shape", what, "there must be one value for each axis", "export again")
    return found
