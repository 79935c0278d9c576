"""ONNX Squeeze: axes as an attribute (opset 1 to 12) or as an optional input (13 and later)."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.frames import reshape_full
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation


@converter("Squeeze", inputs=(1, 2), attributes=(Attribute("axes", "ints", until=12),))
def convert(call: Call) -> Activation:
    """A reshape; without axes every axis of extent 1 goes."""
    x = call.activation(0)
    if call.opset < 13:
        axes = call.integers("axes")
    else:
        axes = call.integers_of(1, "axes") if call.has(1) else None
    rank = len(x.full)
    if axes is None:
        gone = {axis for axis in range(rank) if x.full[axis] == 1}
    else:
        gone = {call.axis(axis, rank, "axes") for axis in axes}
    for axis in sorted(gone):
        if x.full[axis] != 1:
            what = f"Squeeze cannot remove axis {axis} of {list(x.full)}"
            raise call.error("shape", what, "its extent is not 1", "squeeze other axes")
    return reshape_full(call, x, tuple(d for a, d in enumerate(x.full) if a not in gone))
