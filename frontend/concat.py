"""ONNX Concat: of values that the network computes, and of constants beside them."""

from __future__ import annotations

import numpy as np

from gatesmith.frontend.call import Call, as_float
from gatesmith.frontend.movement import same_batch
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation, Constant
from gatesmith.ir import Node, Reals
from gatesmith.ops.add import Add
from gatesmith.ops.concat import Concat
from gatesmith.ops.pad import Pad


@converter(
    "Concat", inputs=(1, 2**31), attributes=(Attribute("axis", "int", required=True),), since=4
)
def convert(call: Call) -> Activation:
    """Concat of what is computed; Pad, and Add where it is not zeros, for what is constant.

    Integers (the codes of quantizers) are taken too, without constants.
    """
    values = [call.value(index) for index in range(len(call.node.input))]
    parts = [value for value in values if isinstance(value, Activation)]
    rank = len(parts[0].full)
    axis = call.axis(call.integer("axis"), rank)
    _same_shapes(call, values, axis)
    if len(values) == 1:
        return parts[0]
    parts, batched = same_batch(call, parts)
    if batched and axis == 0:
        raise call.batch_error("works along axis 0, the batch axis")
    if len(parts) == len(values):
        y = call.emit(Concat(axis - batched), *(part.node for part in parts))
        return Activation(y, batched, parts[0].kind)
    for part in parts:
        call.must_be_real(part)
    ready = iter(parts)
    ordered = [next(ready) if isinstance(value, Activation) else value for value in values]
    return Activation(_with_constants(call, ordered, axis, batched), batched, parts[0].kind)


def _with_constants(
    call: Call, values: list[Activation | Constant], axis: int, batched: bool
) -> Node:
    """Every computed part is padded by the constants before it, the last by those behind it.

    They are padded with the value of the constants if there is just one, else with 0, and the
    constants are added.
    """
    full = list(values[0].full)
    full[axis] = sum(value.full[axis] for value in values)
    bias: Reals = np.zeros(full)
    found = set()
    sides: list[tuple[Activation, list[int]]] = []
    at = before = 0
    for value in values:
        extent = value.full[axis]
        if isinstance(value, Activation):
            sides.append((value, [before, 0]))
            before = 0
        else:
            data = as_float(call.numbers(value, "a part"))
            bias[(slice(None),) * axis + (slice(at, at + extent),)] = data
            found |= set(data.ravel().tolist())
            before += extent
        at += extent
    sides[-1][1][1] = before
    fill = found.pop() if len(found) == 1 else 0.0
    nodes = [_padded(call, x, axis, around, fill) for x, around in sides]
    y = nodes[0] if len(nodes) == 1 else call.emit(Concat(axis - batched), *nodes)
    if len(found) == 0:
        return y
    return call.emit(Add(), y, call.const(bias[0] if batched else bias, "constants"))


def _padded(call: Call, x: Activation, axis: int, around: list[int], fill: float) -> Node:
    if not any(around):
        return x.node
    rank = len(x.frame)
    before, after = ([0] * rank for _ in range(2))
    before[axis - x.batched], after[axis - x.batched] = around
    op = Pad(tuple(before), tuple(after), (0,) * rank, fill)
    return call.emit(op, x.node, suffix="_pad")


def _same_shapes(call: Call, values: list[Constant | Activation], axis: int) -> None:
    def others(full: tuple[int, ...]) -> tuple[int, ...]:
        return (*full[:axis], *full[axis + 1 :])

    shapes = [value.full for value in values]
    if any(len(s) != len(shapes[0]) or others(s) != others(shapes[0]) for s in shapes):
        raise call.error(
            "shape",
            f"Concat of {', '.join(str(list(shape)) for shape in shapes)} along axis {axis}",
            "the shapes must agree on every other axis",
            "check the shapes with onnx.shape_inference.infer_shapes(model, strict_mode=True)",
        )
