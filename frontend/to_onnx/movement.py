"""Operators that move elements and compute nothing."""

from __future__ import annotations

from typing import cast

import numpy as np

from gatesmith.frontend.to_onnx.layout import Order, in_order, plain, reshaped, transposed
from gatesmith.frontend.to_onnx.registry import exports
from gatesmith.frontend.to_onnx.writer import Held, Writer
from gatesmith.ir import Node
from gatesmith.ops.concat import Concat
from gatesmith.ops.pad import Pad
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.take import Take
from gatesmith.ops.transpose import Transpose


@exports(Transpose)
def transpose(w: Writer, node: Node) -> None:
    """The same tensor; its axes are called otherwise."""
    (x,) = node.args
    held = w.held[x]
    order = transposed(held.order, cast(Transpose, node.op).perm)
    w.held[node] = Held(held.tensor, order, held.shape, held.kind, held.view)


@exports(Reshape)
def reshape(w: Writer, node: Node) -> None:
    """Written when it is known in which order its reader wants it."""
    (x,), shape = node.args, cast(Reshape, node.op).shape
    held = w.held[x]
    order = reshaped(x.type.shape, held.order, shape)
    if order is None:
        held = w.ready(x, plain(len(x.type.shape)))
        order = plain(len(shape))
    w.held[node] = Held(held.tensor, order, in_order(shape, order), held.kind, view=True)


@exports(Concat)
def concat(w: Writer, node: Node) -> None:
    """A constant among the operands is repeated for every frame."""
    order, axis = w.common_order(node), cast(Concat, node.op).axis
    computed = [arg for arg in node.args if arg not in w.known]
    kinds = {w.held[arg].kind for arg in computed}
    if len(kinds) > 1:
        raise ValueError(f"{node.name}: parts of different element types")
    first = w.tensor(computed[0], order)
    inputs = [
        _repeated(w, arg, order, first) if arg in w.known else w.tensor(arg, order)
        for arg in node.args
    ]
    (kind,) = kinds
    shape, place = in_order(node.type.shape, order), 1 + order.index(axis)
    w.put(node, w.emit(node.name, "Concat", inputs, shape, elem=kind, axis=place), order, kind)


def _repeated(w: Writer, arg: Node, order: Order, frames: str) -> str:
    """A constant with as many frames as the tensor ``frames`` has."""
    shape = in_order(arg.type.shape, order)
    data = w.constant(arg, ("whole", order), lambda a: a.transpose(order)[None])
    count = w.emit(f"{arg.name}_frames", "Shape", [frames], None, elem=7, start=0, end=1)
    rest = w.store(f"{arg.name}_shape", np.array(shape, np.int64))
    to = w.emit(f"{arg.name}_to", "Concat", [count, rest], None, elem=7, axis=0)
    return w.emit(f"{arg.name}_repeated", "Expand", [data, to], shape)


@exports(Take)
def take(w: Writer, node: Node) -> None:
    """Slice of elements at equal distances, else Gather."""
    op, (x,) = cast(Take, node.op), node.args
    order = w.order(x)
    held = w.ready(x, order)
    place, index = 1 + order.index(op.axis), op.index.data
    shape = in_order(node.type.shape, order)
    steps = np.unique(np.diff(index))
    step = int(steps[0]) if len(steps) else 1
    if len(steps) > 1 or step == 0:
        inputs = [held.tensor, w.store(f"{node.name}_index", index)]
        y = w.emit(node.name, "Gather", inputs, shape, elem=held.kind, axis=place)
    else:
        stop = int(index[-1]) + (1 if step > 0 else -1)
        limits = (index[0], stop if stop >= 0 else np.iinfo(np.int64).min, place, step)
        names = ("start", "end", "axis", "step")
        given = [
            w.store(f"{node.name}_{name}", np.array([value], np.int64))
            for name, value in zip(names, limits, strict=True)
        ]
        y = w.emit(node.name, "Slice", [held.tensor, *given], shape, elem=held.kind)
    w.put(node, y, order, held.kind)


@exports(Pad)
def pad(w: Writer, node: Node) -> None:
    """A constant around; between the elements, after each of them along an axis of its own."""
    op, (x,) = cast(Pad, node.op), node.args
    order = w.order(x)
    data = w.tensor(x, order)
    shape = list(in_order(x.type.shape, order))
    value = w.store(f"{node.name}_value", float(op.value))
    for at, axis in enumerate(order):
        if op.interior[axis]:
            data = _spread(w, node.name, data, shape, at=at, between=op.interior[axis], value=value)
    before = [0, *(op.before[axis] for axis in order)]
    after = [0, *(op.after[axis] for axis in order)]
    if any(before) or any(after) or not any(op.interior):
        sides = w.store(f"{node.name}_sides", [*before, *after])
        made = in_order(node.type.shape, order)
        data = w.emit(node.name, "Pad", [data, sides, value], made)
    w.put(node, data, order)


def _spread(
    w: Writer, name: str, data: str, shape: list[int], *, at: int, between: int, value: str
) -> str:
    """``between`` values behind every element of an axis but the last; ``shape`` follows."""
    extent = shape[at]
    split = (*shape[:at], extent, 1, *shape[at + 1 :])
    to = w.store(f"{name}_split_shape", [0, *split])
    data = w.emit(f"{name}_split", "Reshape", [data, to], split)
    rank = len(split) + 1
    sides = [0] * (2 * rank)
    sides[rank + at + 2] = between
    wide = (*shape[:at], extent, 1 + between, *shape[at + 1 :])
    data = w.emit(f"{name}_spread", "Pad", [data, w.store(f"{name}_between", sides), value], wide)
    shape[at] = extent * (1 + between)
    to = w.store(f"{name}_joined_shape", [0, *shape])
    data = w.emit(f"{name}_joined", "Reshape", [data, to], tuple(shape))
    limits = [
        w.store(f"{name}_{what}", np.array([n], np.int64))
        for what, n in (("start", 0), ("end", shape[at] - between), ("axis", at + 1))
    ]
    shape[at] -= between
    return w.emit(f"{name}_cut", "Slice", [data, *limits], tuple(shape))
