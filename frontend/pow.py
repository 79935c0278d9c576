"""ONNX Pow to a known exponent: a small integer, or 1/2 of either sign."""

from __future__ import annotations

from gatesmith.frontend.call import Call, as_float
from gatesmith.frontend.functions import mapped
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation
from gatesmith.ir import Node
from gatesmith.ops.function import Function
from gatesmith.ops.mul import Mul

MOST = 8


@converter("Pow", inputs=2, since=7)
def convert(call: Call) -> Activation:
    """Products (x * x, then x again for every further one), square root, reciprocal."""
    x = call.real_activation(0)
    data = as_float(call.constant(1, "the exponent"))
    exponents = sorted(set(data.ravel().tolist()))
    size = abs(exponents[0])
    if len(exponents) != 1 or not (size == 0.5 or (1 <= size <= MOST and size % 1 == 0)):
        raise call.error(
            "exponent",
            f"Pow has the exponent {', '.join(f'{e:g}' for e in exponents[:8])}",
            f"taken is one exponent for all elements: 1 to {MOST}, 0.5, or one of these below 0",
            "write it with Mul, Exp and Log",
            "or keep that part in software",
        )
    if data.ndim > len(x.full):
        what = f"the exponent of Pow has the shape {list(data.shape)}"
        raise call.error("shape", what, f"the data is {list(x.full)}", "use a scalar")

    def make(node: Node) -> Node:
        if size == 0.5:
            y = call.emit(Function("sqrt"), node, suffix="_sqrt")
        else:
            y = power(call, node, int(size))
        return call.emit(Function("reciprocal"), y) if exponents[0] < 0 else y

    return mapped(call, make)


def power(call: Call, x: Node, exponent: int) -> Node:
    """The product of ``exponent`` times x."""
    y = x
    for count in range(2, exponent + 1):
        y = call.emit(Mul(), y, x, suffix="" if count == exponent else f"_{count}")
    return y
