"""Shapes of the file against shapes of the IR: the batch axis, broadcasting, reshaping.

The IR leaves the batch axis out. A tensor of the file whose leading axis is the batch is
``batched``; its full shape is (1, *frame).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.frontend.call import Call
from gatesmith.frontend.values import Activation, Constant
from gatesmith.ir import Node


def reshape_full(call: Call, x: Activation, full: tuple[int, ...]) -> Activation:
    """The tensor in another full shape, with as many elements.

    1. a leading 1 is the batch; 2. without one, the batch axis (of extent 1) may be dropped, or
    there was none; 3. anything else would mix the batch with the frame.
    """
    if np.prod(full, dtype=int) != np.prod(x.full, dtype=int):
        raise call.error(
            "shape",
            f"{call.node.op_type} cannot make the shape {list(full)} of {list(x.full)}",
            "the sizes differ; gatesmith builds for batch 1",
            "export with batch 1, or with -1 for the batch in the shape",
        )
    batched = len(full) > 0 and full[0] == 1 and (x.batched or len(full) > 1)
    frame = full[1:] if batched else full
    if x.batched and not batched:
        kept = [d for d in full if d != 1] == [d for d in x.frame if d != 1]
        if not kept:
            raise call.batch_error(f"makes {list(full)} of {list(x.full)}")
    return Activation(call.reshape(x.node, frame, suffix=""), batched, x.kind)


def align(call: Call, values: tuple[Constant | Activation, ...]) -> tuple[tuple[Node, ...], bool]:
    """Operands of an element-wise operator as nodes that broadcast in the IR, and ``batched``.

    NumPy aligns shapes from the right. 1. the full shapes must broadcast; 2. an operand's batch
    axis must meet only axes of extent 1; 3. activations get the rank of the result's frame, and
    constants at most that rank, so that the axis of frames stays in front.
    """
    try:
        full = np.broadcast_shapes(*(value.full for value in values))
    except ValueError as error:
        shapes = " and ".join(str(list(value.full)) for value in values)
        raise call.error(
            "shape",
            f"the operands of {call.node.op_type} do not fit: {shapes}",
            "shapes that differ must be 1 where they differ, aligned at the right",
            "check the shapes with onnx.shape_inference.infer_shapes(model, strict_mode=True)",
        ) from error
    batched = any(isinstance(v, Activation) and v.batched for v in values)
    for value in values:
        at = len(full) - len(value.full)
        if isinstance(value, Activation) and value.batched and full[at] != 1:
            raise call.batch_error(f"spreads the batch over an axis of {full[at]}")
    if batched and full[0] != 1:
        raise call.batch_error(f"makes {list(full)}, with {full[0]} in front of the batch")
    rank = len(full) - batched
    nodes = []
    for index, value in enumerate(values):
        if isinstance(value, Constant):
            data = call.numbers(value, f"operand {index}")
            nodes.append(call.const(drop_leading(data, rank), value.name))
        else:
            call.must_be_real(value)
            padded = (1,) * (len(full) - len(value.full)) + value.full
            nodes.append(call.reshape(value.node, padded[len(full) - rank :]))
    return tuple(nodes), batched


def drop_leading(data: NDArray[Any], rank: int) -> NDArray[Any]:
    """The array without leading axes beyond ``rank``; they have the extent 1."""
    return data.reshape(data.shape[max(data.ndim - rank, 0) :])


def frame_parameter(call: Call, data: NDArray[Any], x: Activation, role: str) -> NDArray[Any]:
    """A parameter that broadcasts to ``x`` in the file, as one that broadcasts to its frame."""
    try:
        fits = np.broadcast_shapes(x.full, data.shape) == x.full
    except ValueError:
        fits = False
    if not fits:
        raise call.error(
            "shape",
            f"{role} of {call.node.op_type} has the shape {list(data.shape)}",
            f"it must broadcast to the shape of the data, {list(x.full)}",
            "export one value, or one value a channel",
        )
    return drop_leading(data, len(x.frame))


def along_last(call: Call, x: Activation, axis: int) -> tuple[Node, tuple[int, ...]]:
    """``x`` with the frame axis ``axis`` last, and the order of axes that undoes it."""
    rank = len(x.frame)
    perm = (*(a for a in range(rank) if a != axis), axis)
    back = tuple(perm.index(a) for a in range(rank))
    return call.transpose(x.node, perm, suffix="_to_last"), back
