"""ONNX Unsqueeze: axes as an attribute (opset 1 to 12) or as an input (13 and later)."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.frames import reshape_full
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation


@converter(
    "Unsqueeze",
    inputs=(1, 2),
    attributes=(Attribute("axes", "ints", required=True, until=12),),
)
def convert(call: Call) -> Activation:
    """A reshape; axes count in the result."""
    x = call.activation(0)
    given = call.integers("axes") if call.opset < 13 else call.integers_of(1, "axes")
    assert given is not None, "required"
    rank = len(x.full) + len(given)
    axes = {call.axis(axis, rank, "axes") for axis in given}
    if len(axes) != len(given):
        what = f"Unsqueeze names an axis twice: {list(given)}"
        raise call.error("axis", what, "each axis can be made once", "remove the double")
    extents = iter(x.full)
    return reshape_full(call, x, tuple(1 if a in axes else next(extents) for a in range(rank)))
