"""ONNX Slice: limits as attributes (opset 1 to 9) or as inputs, with steps (10 and later)."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.movement import known_axes, take
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation


@converter(
    "Slice",
    inputs=(1, 5),
    attributes=(
        Attribute("axes", "ints", until=9),
        Attribute("ends", "ints", required=True, until=9),
        Attribute("starts", "ints", required=True, until=9),
    ),
)
def convert(call: Call) -> Activation:
    """A Take along each axis. Limits are clamped and counted from the end as in Python."""
    x = call.activation(0)
    axes: tuple[int, ...] | None
    if call.opset < 10:
        starts, ends = call.integers("starts") or (), call.integers("ends") or ()
        axes, steps = call.integers("axes"), (1,) * len(starts)
    else:
        starts, ends = call.integers_of(1, "starts"), call.integers_of(2, "ends")
        axes = call.integers_of(3, "axes") if call.has(3) else None
        steps = call.integers_of(4, "steps") if call.has(4) else (1,) * len(starts)
    if not len(starts) == len(ends) == len(steps) or 0 in steps:
        what = f"Slice from {list(starts)} to {list(ends)} in steps of {list(steps)}"
        raise call.error("shape", what, "there must be one of each an axis, no step 0", "mend it")
    known = known_axes(call, axes, len(x.full), len(starts))
    for axis, start, end, step in zip(known, starts, ends, steps, strict=True):
        x = take(call, x, axis, range(*slice(start, end, step).indices(x.full[axis])))
    return x
