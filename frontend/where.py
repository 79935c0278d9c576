"""ONNX Where with a condition that is known at import."""

from __future__ import annotations

from gatesmith.frontend.call import Call, as_float
from gatesmith.frontend.frames import align
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation, Constant, T
from gatesmith.ops.add import Add
from gatesmith.ops.mul import Mul


@converter("Where", inputs=3, since=9)
def convert(call: Call) -> Activation:
    """Sum of both values, each times a constant that is 1 where it is chosen and 0 elsewhere."""
    condition = as_float(call.constant(0, "the condition"))
    values = call.value(1), call.value(2)
    parts: list[Constant | Activation] = []
    for index, (value, mask) in enumerate(zip(values, (condition, 1.0 - condition), strict=True)):
        chosen = Constant(mask, int(T.FLOAT), f"mask{index}")
        if isinstance(value, Constant):
            data = as_float(call.constant(index + 1, f"value {index}"))
            parts.append(Constant(data * mask, value.kind, value.name))
            continue
        (x, factor), batched = align(call, (value, chosen))
        product = call.emit(Mul(), x, factor, suffix=f"_{index}")
        parts.append(Activation(product, batched, value.kind))
    first = next(i for i, value in enumerate(values, start=1) if isinstance(value, Activation))
    nodes, batched = align(call, tuple(parts))
    return Activation(call.emit(Add(), *nodes), batched, call.float_kind(first))
