"""ONNX Constant: a tensor, or (opset 12 and later) a number or a list of numbers."""

from __future__ import annotations

import numpy as np
from onnx import helper

from gatesmith.frontend.call import Call
from gatesmith.frontend.constants import from_tensor
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Constant, T


@converter(
    "Constant",
    inputs=0,
    attributes=(
        Attribute("value", "tensor"),
        Attribute("sparse_value", "sparse", since=11),
        Attribute("value_float", "float", since=12),
        Attribute("value_floats", "floats", since=12),
        Attribute("value_int", "int", since=12),
        Attribute("value_ints", "ints", since=12),
        Attribute("value_string", "string", since=12),
        Attribute("value_strings", "strings", since=12),
    ),
)
def convert(call: Call) -> Constant:
    """The value; sparse tensors and strings are refused."""
    given, name = list(call.node.attribute), call.node.output[0]
    if len(given) != 1:
        why = f"it has {len(given)} attributes, of which one must hold the value"
        raise call.error("attribute", "Constant has no single value", why, "export again")
    value = helper.get_attribute_value(given[0])
    match given[0].name:
        case "value":
            try:
                return from_tensor(value, name)
            except (ValueError, TypeError, KeyError) as error:
                fix = "export again: the data does not fill the stated shape"
                what = "the tensor of Constant cannot be read"
                raise call.error("corrupt-tensor", what, str(error), fix) from error
        case "value_float" | "value_floats":
            return Constant(np.array(value, np.float64), int(T.FLOAT), name)
        case "value_int" | "value_ints":
            return Constant(np.array(value, np.int64), int(T.INT64), name)
        case other:
            what = f"Constant holds its value as {other}"
            why = "gatesmith reads dense tensors of numbers"
            raise call.error("sparse-tensor", what, why, "store it as a dense initializer")
