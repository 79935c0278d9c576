"""ONNX Cast of a value that the network computes."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.inputs import int_type
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import FLOATS, INT_BITS, Activation, T, kind_name
from gatesmith.ir import Array, IntType
from gatesmith.ops.dequantize import Dequantize

_MANTISSA: dict[int, int] = {T.DOUBLE: 53, T.FLOAT: 24, T.FLOAT16: 11, T.BFLOAT16: 8}


@converter(
    "Cast",
    attributes=(
        Attribute("to", "int", required=True),
        Attribute("saturate", "int", 1, since=19),
        Attribute("round_mode", "string", "up", since=24),
    ),
    since=6,
)
def convert(call: Call) -> Activation:
    """Only what changes no value.

    1. real to real: nothing, because reals are exact here; 2. integer to real: the integer as
    a real, when the mantissa holds it; 3. integer to an integer type that holds the range:
    nothing; 4. anything else is refused. ``saturate`` and ``round_mode`` speak of 8-bit floats,
    which are refused, so they change nothing.
    """
    x, to = call.activation(0), call.integer("to")
    elem = x.node.type.elem
    if not isinstance(elem, IntType):
        if to not in FLOATS:
            raise _refuse(call, to, "it rounds a real, by a rule that is no quantizer's")
        if _MANTISSA[to] < _MANTISSA.get(x.kind, 0):
            call.note(f"Cast to {kind_name(to)} is taken as exact; a float runtime rounds here")
        return Activation(x.node, x.batched, to)
    if to in FLOATS:
        if max(abs(elem.lo), abs(elem.hi)) > 2 ** _MANTISSA[to]:
            raise _refuse(call, to, f"{elem} does not fit its {_MANTISSA[to]} bits of mantissa")
        op = Dequantize(Array(1.0), Array(0.0))
        return Activation(call.emit(op, x.node), x.batched, to)
    held = int_type(to) if to in INT_BITS else None
    if held is None or elem.lo < held.lo or elem.hi > held.hi:
        raise _refuse(call, to, f"{elem} does not fit it")
    return Activation(x.node, x.batched, to)


def _refuse(call: Call, to: int, why: str) -> Exception:
    return call.error(
        "inexact-cast",
        f"Cast to {kind_name(to)} changes values",
        why,
        "use QuantizeLinear or Quant to round to integers",
        "or remove the Cast",
    )
