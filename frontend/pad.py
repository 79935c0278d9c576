"""ONNX Pad: pads as an attribute (opset 2 to 10) or as an input (11), for some axes (18)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gatesmith.frontend.call import Call
from gatesmith.frontend.movement import known_axes, take
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation
from gatesmith.ir import Array, IntType
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.pad import Pad
from gatesmith.ops.quantize import Quantize

MODES = {"constant": 2, "reflect": 2, "edge": 2, "wrap": 19}
"""By the opset they came with."""


@converter(
    "Pad",
    inputs=(1, 4),
    attributes=(
        Attribute("mode", "string", "constant"),
        Attribute("pads", "ints", required=True, until=10),
        Attribute("value", "float", 0.0, until=10),
    ),
    since=2,
)
def convert(call: Call) -> Activation:
    """Take for what is copied or, where a pad is negative, cropped; Pad for a constant."""
    x = call.activation(0)
    mode = call.text("mode")
    if mode not in MODES or call.opset < MODES[mode]:
        taken = ", ".join(name for name, since in MODES.items() if since <= call.opset)
        what = f"mode of Pad is {mode!r}"
        raise call.error("attribute", what, f"opset {call.opset} has {taken}", "export again")
    before, after = _sides(call, len(x.full))
    sides = list(zip(before, after, strict=True))
    call.must_fit([max(0, extent + sum(pads)) for extent, pads in zip(x.full, sides, strict=True)])
    for axis, (front, back) in enumerate(sides):
        if mode == "constant":
            extent = x.full[axis]
            x = take(call, x, axis, range(max(-front, 0), extent - max(-back, 0)))
        elif front or back:
            x = take(call, x, axis, _copies(call, x.full[axis], (front, back), mode))
    if mode != "constant" or max(*before, *after) <= 0:
        return x
    return _with_constant(call, x, before, after)


def _sides(call: Call, rank: int) -> tuple[list[int], list[int]]:
    """Pads in front of and behind every axis of the full shape."""
    pads = call.integers_of(1, "the pads") if call.opset >= 11 else call.integers("pads") or ()
    axes = call.integers_of(3, "axes") if call.opset >= 18 and call.has(3) else None
    count = rank if axes is None else len(axes)
    if len(pads) != 2 * count:
        what = f"Pad of {count} axes has {len(pads)} pads"
        raise call.error("shape", what, "there must be two for each axis", "export again")
    before, after = [0] * rank, [0] * rank
    for at, axis in enumerate(known_axes(call, axes, rank, count)):
        before[axis], after[axis] = pads[at], pads[count + at]
    return before, after


def _copies(call: Call, extent: int, sides: tuple[int, int], mode: str) -> Sequence[int]:
    """Which elements an axis consists of when it is padded with copies, or cropped."""
    front, back = sides
    if min(sides) < 0 < max(sides):
        what = f"Pad crops one end of an axis and pads the other: {front} and {back}"
        why = f"ONNX does not say whether mode {mode!r} copies what is cropped"
        raise call.error("attribute", what, why, "use Slice and Pad one behind the other")
    if mode == "reflect" and max(sides) >= extent:
        what = f"Pad reflects {max(sides)} of {extent} elements"
        why = "the first and the last element are not repeated, so there are too few"
        raise call.error("shape", what, why, "pad in two steps, or in mode edge or wrap")
    at = np.arange(-front, extent + back)
    if mode == "edge":
        at = at.clip(0, extent - 1)
    elif mode == "wrap":
        at %= extent
    else:
        at = extent - 1 - np.abs(extent - 1 - np.abs(at))
    return [int(index) for index in at]


def _with_constant(
    call: Call, x: Activation, before: Sequence[int], after: Sequence[int]
) -> Activation:
    value = call.real("value") if call.opset < 11 else 0.0
    if call.opset >= 11 and call.has(2):
        data = call.constant(2, "the value")
        if data.size != 1:
            what = f"the value of Pad has {data.size} elements"
            raise call.error("shape", what, "it must be a scalar", "export again")
        value = float(data.reshape(-1)[0])
    if not np.isfinite(value):
        what, why = f"the value of Pad is {value}", "padding must be a number"
        raise call.error("non-finite", what, why, "use the pads of MaxPool, which never win")
    if x.batched and (before[0] > 0 or after[0] > 0):
        raise call.batch_error("puts frames around the batch")
    sides = ([max(pad, 0) for pad in side[x.batched :]] for side in (before, after))
    front, back = (tuple(side) for side in sides)
    op = Pad(front, back, (0,) * len(front), value)
    elem = x.node.type.elem
    if not isinstance(elem, IntType):
        return Activation(call.emit(op, x.node), x.batched, x.kind)
    one, none = Array(1.0), Array(0.0)  # codes among codes, as QOperator models have it
    real = call.emit(Dequantize(one, none), x.node, suffix="_codes")
    padded = call.emit(op, real, suffix="_padded")
    clip = IntType(min(elem.lo, int(value)), max(elem.hi, int(value)))
    return Activation(call.emit(Quantize(one, none, clip), padded), x.batched, x.kind)
