"""Shared by Add, Sub, Mul and Div."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.frames import align
from gatesmith.frontend.values import Activation
from gatesmith.ir import Op


def arithmetic(call: Call, op: Op) -> Activation:
    """An element-wise operator of two operands, at least one of them computed."""
    operands = call.value(0), call.value(1)
    nodes, batched = align(call, operands)
    first = 0 if isinstance(operands[0], Activation) else 1
    return Activation(call.emit(op, *nodes), batched, call.float_kind(first))
