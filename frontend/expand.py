"""ONNX Expand: NumPy broadcasting of a computed value to a known shape."""

from __future__ import annotations

import numpy as np

from gatesmith.frontend.call import Call
from gatesmith.frontend.frames import reshape_full
from gatesmith.frontend.movement import take
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation


@converter("Expand", inputs=2, since=8)
def convert(call: Call) -> Activation:
    """New axes in front, and a Take of element 0 along every axis that grows."""
    x = call.activation(0)
    shape = call.integers_of(1, "the shape")
    try:
        full = np.broadcast_shapes(x.full, shape)
    except ValueError as error:
        what = f"Expand cannot spread {list(x.full)} to {list(shape)}"
        why = "shapes that differ must be 1 where they differ, aligned at the right"
        raise call.error("shape", what, why, "check the shape and export again") from error
    call.must_fit(full)
    x = reshape_full(call, x, (1,) * (len(full) - len(x.full)) + x.full)
    for axis, extent in enumerate(full):
        if extent != x.full[axis]:
            x = take(call, x, axis, [0] * extent)
    return x
