"""Shared by Max, Min, Sum and Mean: any number of operands, element by element."""

from __future__ import annotations

from functools import reduce

import numpy as np

from gatesmith.frontend.call import Call
from gatesmith.frontend.frames import align
from gatesmith.frontend.values import Activation, Constant
from gatesmith.ir import Node
from gatesmith.ops.add import Add
from gatesmith.ops.clip import Clip
from gatesmith.ops.const import Const
from gatesmith.ops.select import Select


def total(call: Call) -> Activation:
    """Sum, from left to right."""
    nodes, batched, kind = _aligned(call)
    return Activation(reduce(lambda a, b: call.emit(Add(), a, b), nodes), batched, kind)


def extreme(call: Call, kind: str) -> Activation:
    """Select; a constant that is one number everywhere is a limit of Clip instead."""
    nodes, batched, element = _aligned(call)
    computed = [node for node in nodes if not isinstance(node.op, Const)]
    constants = [node for node in nodes if isinstance(node.op, Const)]
    y = reduce(lambda a, b: call.emit(Select(kind), a, b), computed)
    for constant in constants:
        numbers = np.unique(constant.op.run())
        shape = np.broadcast_shapes(y.type.shape, constant.type.shape)
        if numbers.size == 1 and shape == y.type.shape:
            limit, infinity = float(numbers[0]), float("inf")
            clip = Clip(limit, infinity) if kind == "max" else Clip(-infinity, limit)
            y = call.emit(clip, y)
        else:
            y = call.emit(Select(kind), y, constant)
    return Activation(y, batched, element)


def _aligned(call: Call) -> tuple[tuple[Node, ...], bool, int]:
    """Operands as nodes, whether the result has the batch axis, and its element type."""
    values: list[Constant | Activation] = []
    values += (call.value(index) for index in range(len(call.node.input)))
    nodes, batched = align(call, tuple(values))
    first = next(i for i, value in enumerate(values) if isinstance(value, Activation))
    return nodes, batched, call.float_kind(first)
