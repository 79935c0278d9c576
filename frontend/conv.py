"""ONNX Conv over rows and maps: transposed to channels last, conv, add of the bias, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.frontend.call import Call, as_float
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation
from gatesmith.frontend.windows import Windows, channels_first, channels_last, spatial, windows
from gatesmith.ir import Node
from gatesmith.ops.add import Add
from gatesmith.ops.conv import Conv

ATTRIBUTES = (
    Attribute("auto_pad", "string", "NOTSET"),
    Attribute("dilations", "ints"),
    Attribute("group", "int", 1),
    Attribute("kernel_shape", "ints"),
    Attribute("pads", "ints"),
    Attribute("strides", "ints"),
)


@converter("Conv", inputs=(2, 3), attributes=ATTRIBUTES)
def convert(call: Call) -> Activation:
    """Conv of constant weights, and Add of a constant bias."""
    x = spatial(call, call.real_activation(0))
    weights = as_float(call.constant(1, "the weights"))
    place, kernel = arrange(call, x, weights)
    w = call.const(kernel, call.node.input[1])
    y = convolve(call, channels_last(call, x), place, w)
    if call.has(2):
        y = add_bias(call, y, as_float(call.constant(2, "the bias")), call.node.input[2])
    return channels_first(call, y, x)


def arrange(call: Call, x: Activation, weights: NDArray[Any]) -> tuple[Windows, NDArray[Any]]:
    """Windows over ``x``, and the weights (O, C / group, ...) as (kh, kw, C / group, O)."""
    group, channels = call.integer("group"), x.full[1]
    check_kernel(call, x, weights)
    outputs, inputs = weights.shape[:2]
    if group < 1 or channels != group * inputs or outputs % group:
        raise call.error(
            "shape",
            f"the weights of {call.node.op_type} have the shape {list(weights.shape)}",
            f"with group {group} over {channels} channels they must be (a multiple of {group}, "
            f"{channels} / {group}, ...)",
            "check the attribute group, and export again",
        )
    place = windows(call, x.full[2:], weights.shape[2:])
    flat = weights.reshape(outputs, inputs, *place.kernel)
    return place, flat.transpose(2, 3, 1, 0)


def check_kernel(call: Call, x: Activation, weights: NDArray[Any]) -> None:
    """The weights must have the axes of ``x``, and the extents of kernel_shape."""
    stated = call.integers("kernel_shape")
    if weights.ndim != len(x.full) or 0 in weights.shape:
        why = f"the data has the shape {list(x.full)}"
    elif stated is not None and stated != weights.shape[2:]:
        why = f"kernel_shape is {list(stated)}"
    else:
        return
    what = f"the weights of {call.node.op_type} have the shape {list(weights.shape)}"
    raise call.error("shape", what, why, "check the shapes, and export again")


def convolve(call: Call, x: Node, place: Windows, w: Node) -> Node:
    """The IR node, of x (H, W, C) and w (kh, kw, C / group, O)."""
    op = Conv(place.strides, place.pads, place.dilations, call.integer("group"))
    return call.emit(op, x, w)


def add_bias(call: Call, y: Node, bias: NDArray[np.float64], name: str) -> Node:
    """One number for each output channel, the last axis of ``y``."""
    if bias.shape != (y.type.channels,):
        what = f"the bias of {call.node.op_type} has the shape {list(bias.shape)}"
        why = f"it must have one element for each of {y.type.channels} output channels"
        raise call.error("shape", what, why, "export again")
    return call.emit(Add(), y, call.const(bias, name), suffix="_bias")
