"""ONNX Gather with indices that are known at import."""

from __future__ import annotations

import numpy as np

from gatesmith.frontend.call import Call
from gatesmith.frontend.frames import reshape_full
from gatesmith.frontend.movement import take
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation


@converter("Gather", inputs=2, attributes=(Attribute("axis", "int", 0),))
def convert(call: Call) -> Activation:
    """A Take; the axis becomes the axes of the indices, none for a scalar."""
    x = call.activation(0)
    axis = call.axis(call.integer("axis"), len(x.full))
    extent = x.full[axis]
    shape = call.constant(1, "the indices").shape
    index = np.array(call.integers_of(1, "the indices"), np.int64)
    if index.size and not -extent <= index.min() <= index.max() < extent:
        what = f"indices of Gather reach from {index.min()} to {index.max()}"
        why = f"axis {axis} of {list(x.full)} has {extent} elements"
        raise call.error("axis", what, why, "export the model again")
    y = take(call, x, axis, (index % extent).tolist())
    return reshape_full(call, y, (*y.full[:axis], *shape, *y.full[axis + 1 :]))
