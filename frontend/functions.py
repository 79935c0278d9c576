"""Shared by the operators that are a function of one number, element by element."""

from __future__ import annotations

from collections.abc import Callable

from gatesmith.frontend.call import Call
from gatesmith.frontend.values import Activation
from gatesmith.ir import Array, Node
from gatesmith.ops.add import Add
from gatesmith.ops.div import Div
from gatesmith.ops.function import Function
from gatesmith.ops.leaky_relu import LeakyRelu
from gatesmith.ops.mul import Mul


def function(call: Call, kind: str) -> Activation:
    """One Function node."""
    return mapped(call, lambda x: call.emit(Function(kind), x))


def mapped(call: Call, make: Callable[[Node], Node]) -> Activation:
    """What ``make`` makes of the only real operand."""
    x = call.real_activation()
    return Activation(make(x.node), x.batched, x.kind)


def times(call: Call, x: Node, factor: float, name: str) -> Node:
    """The product with a number, or x itself."""
    if factor == 1.0:
        return x
    return call.emit(Mul(), x, call.const(factor, name), suffix=f"_{name}")


def over(call: Call, x: Node, divisor: float, name: str) -> Node:
    """The quotient by a number, or x itself."""
    if divisor == 1.0:
        return x
    return call.emit(Div(), x, call.const(divisor, name), suffix=f"_{name}")


def plus(call: Call, x: Node, term: float, name: str) -> Node:
    """The sum with a number, or x itself."""
    if term == 0.0:
        return x
    return call.emit(Add(), x, call.const(term, name), suffix=f"_{name}")


def magnitude(call: Call, x: Node, suffix: str = "") -> Node:
    """|x|."""
    return call.emit(LeakyRelu(Array(-1.0)), x, suffix=suffix)
