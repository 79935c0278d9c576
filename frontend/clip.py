"""ONNX Clip: limits as attributes (opset 6 to 10) or as optional inputs (11 and later)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gatesmith.frontend.call import Call
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation
from gatesmith.ir import IntType, Node
from gatesmith.ops.clip import Clip
from gatesmith.ops.quantize import Quantize

FLOAT32_MAX = float(np.finfo(np.float32).max)


@converter(
    "Clip",
    inputs=(1, 3),
    attributes=(
        Attribute("min", "float", -FLOAT32_MAX, until=10),
        Attribute("max", "float", FLOAT32_MAX, until=10),
    ),
    since=6,
)
def convert(call: Call) -> Activation:
    """Limits must be known; an absent one, or the largest float32, does not clamp.

    On the integers of a quantizer (QuantizeLinear, Clip, DequantizeLinear is how fewer bits than
    8 are written) the limits become the quantizer's.
    """
    x = call.activation(0)
    quantizer = x.node.op if isinstance(x.node.op, Quantize) else None
    if quantizer is None:
        call.must_be_real(x)
    if call.opset < 11:
        lo, hi = call.real("min"), call.real("max")
    else:
        lo, hi = _limit(call, 1, "min", -np.inf), _limit(call, 2, "max", np.inf)
    if quantizer is not None:
        return Activation(_narrowed(call, x.node, quantizer, lo, hi), x.batched, x.kind)
    lo = -np.inf if lo <= -FLOAT32_MAX else lo
    hi = np.inf if hi >= FLOAT32_MAX else hi
    if np.isnan(lo) or np.isnan(hi):
        what, why = "a limit of Clip is not a number", f"min is {lo}, max is {hi}"
        raise call.error("non-finite", what, why, "export with numbers for limits")
    if (lo, hi) == (-np.inf, np.inf):
        return x
    return Activation(call.emit(Clip(float(lo), float(hi)), x.node), x.batched, x.kind)


def _narrowed(call: Call, codes: Node, op: Quantize, lo: float, hi: float) -> Node:
    """The quantizer again, with the codes that Clip leaves."""
    first, last = max(lo, op.clip.lo), min(hi, op.clip.hi)
    if not first <= last:
        what = f"Clip leaves no code between {lo:g} and {hi:g}"
        raise call.error("shape", what, f"the codes are {op.clip}", "export with other limits")
    narrow = replace(op, clip=IntType(int(first), int(last)))
    return call.emit(narrow, *codes.args, before=codes.origin)


def _limit(call: Call, index: int, role: str, absent: float) -> float:
    if not call.has(index):
        return absent
    data = call.constant(index, role, finite=False)
    if data.size != 1:
        what = f"{role} of Clip has {data.size} elements"
        raise call.error("shape", what, "it must be a scalar", "use Min and Max per channel")
    return float(data.reshape(-1)[0])
