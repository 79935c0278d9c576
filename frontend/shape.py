"""ONNX Shape: known at import, because every shape is."""

from __future__ import annotations

import numpy as np

from gatesmith.frontend.call import Call
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Constant, T


@converter(
    "Shape",
    attributes=(Attribute("start", "int", 0, since=15), Attribute("end", "int", since=15)),
)
def convert(call: Call) -> Constant:
    """A constant, for batch 1."""
    full = call.value(0).full
    if call.opset >= 15:
        stated = any(attribute.name == "end" for attribute in call.node.attribute)
        end = call.integer("end") if stated else len(full)
        full = full[call.integer("start") : end]
    return Constant(np.array(full, np.int64), int(T.INT64), call.node.output[0])
