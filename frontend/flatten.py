"""ONNX Flatten: to two axes, cut before ``axis``."""

from __future__ import annotations

from math import prod

from gatesmith.frontend.call import Call
from gatesmith.frontend.frames import reshape_full
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation


@converter("Flatten", attributes=(Attribute("axis", "int", 1),))
def convert(call: Call) -> Activation:
    """A reshape."""
    x = call.activation(0)
    axis, rank = call.integer("axis"), len(x.full)
    if axis != rank:  # the one value that may lie behind the last axis
        axis = call.axis(axis, rank)
    return reshape_full(call, x, (prod(x.full[:axis]), prod(x.full[axis:])))
