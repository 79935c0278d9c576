"""ONNX Cast of a value that the network computes."""

from __future__ import annotations

from math import inf, isinf

from gatesmith.frontend.call import Call
from gatesmith.frontend.inputs import int_type
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import FLOATS, INT_BITS, Activation, T, kind_name
from gatesmith.ir import Array, IntType, Node
from gatesmith.ops.clip import Clip
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.function import Function
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.quantize import Quantize
from gatesmith.ops.relu import Relu
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.take import Take
from gatesmith.ops.transpose import Transpose

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
    nothing; 4. a real that has been rounded and clipped to what an integer type holds: a Quantize
    that changes no value; 5. anything else is refused. ``saturate`` and ``round_mode`` speak of
    8-bit floats, which are refused, so they change nothing.
    """
    x, to = call.activation(0), call.integer("to")
    elem = x.node.type.elem
    if not isinstance(elem, IntType):
        if to in INT_BITS and (held := int_type(to)) and _fits(x.node, held):
            codes = call.emit(Quantize(Array(1.0), Array(0.0), held), x.node)
            return Activation(codes, x.batched, to)
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
    if to not in INT_BITS or elem.lo < int_type(to).lo or elem.hi > int_type(to).hi:
        raise _refuse(call, to, f"{elem} does not fit it")
    return Activation(x.node, x.batched, to)


def _fits(node: Node, held: IntType) -> bool:
    """Whether a real value is surely an integer of a type: rounded, then clipped."""
    lo, hi = -inf, inf
    while True:
        match node.op:
            case Clip(lo=least, hi=most):
                if not all(isinf(end) or end.is_integer() for end in (least, most)):
                    return False
                lo, hi = max(lo, least), min(hi, most)
            case Relu():
                lo = max(lo, 0)
            case Reshape() | Transpose() | Take() | MaxPool():
                pass
            case Function(kind="floor" | "ceil" | "round"):
                return held.lo <= lo <= hi <= held.hi
            case _:
                return False
        node = node.args[0]


def _refuse(call: Call, to: int, why: str) -> Exception:
    return call.error(
        "inexact-cast",
        f"Cast to {kind_name(to)} changes values",
        why,
        "use QuantizeLinear or Quant to round to integers",
        "or remove the Cast",
    )
