"""Shared by QLinearAdd and QLinearMul."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.frames import align
from gatesmith.frontend.q_operators import real, requantized
from gatesmith.frontend.values import Activation, Constant, T
from gatesmith.ir import Op


def q_arithmetic(call: Call, op: Op) -> Activation:
    """An element-wise operator on what codes stand for; at least one operand is computed."""
    first = 3 if isinstance(call.value(0), Constant) else 0
    kind = call.activation(first).kind
    nodes, batched = align(call, (real(call, 0, 1, 2), real(call, 3, 4, 5)))
    y = Activation(call.emit(op, *nodes), batched, int(T.FLOAT))
    return requantized(call, y, 6, 7, kind)
