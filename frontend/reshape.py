"""ONNX Reshape: 0 keeps an extent, one -1 is what is left; with allowzero 0 is zero."""

from __future__ import annotations

from math import prod

from gatesmith.frontend.call import Call
from gatesmith.frontend.frames import reshape_full
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation


@converter("Reshape", inputs=2, attributes=(Attribute("allowzero", "int", 0, since=14),), since=5)
def convert(call: Call) -> Activation:
    """A reshape to a shape that is known at import."""
    x = call.activation(0)
    wanted = list(call.integers_of(1, "the shape"))
    keeps = call.opset < 14 or not call.flag("allowzero")
    for axis, extent in enumerate(wanted):
        if extent == 0 and keeps and axis < len(x.full):
            wanted[axis] = x.full[axis]
    open_axes = [axis for axis, extent in enumerate(wanted) if extent == -1]
    if len(open_axes) > 1 or any(extent < -1 or extent == 0 for extent in wanted):
        why = "one extent may be -1, the others must be above 0"
        what = f"Reshape cannot make the shape {wanted} of {list(x.full)}"
        raise call.error("shape", what, why, "export with fixed extents")
    for axis in open_axes:
        others = prod(extent for extent in wanted if extent != -1)
        wanted[axis] = prod(x.full) // others  # the size is checked with the result
    return reshape_full(call, x, tuple(wanted))
