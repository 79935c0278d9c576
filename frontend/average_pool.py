"""ONNX AveragePool over rows and maps."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation
from gatesmith.frontend.windows import (
    channels_first,
    channels_last,
    kernel_shape,
    spatial,
    windows,
)
from gatesmith.ir import Node
from gatesmith.ops.average_pool import AveragePool


@converter(
    "AveragePool",
    attributes=(
        Attribute("auto_pad", "string", "NOTSET"),
        Attribute("ceil_mode", "int", 0, since=10),
        Attribute("count_include_pad", "int", 0),
        Attribute("dilations", "ints", since=19),
        Attribute("kernel_shape", "ints", required=True),
        Attribute("pads", "ints"),
        Attribute("strides", "ints"),
    ),
    since=7,
)
def convert(call: Call) -> Activation:
    """AveragePool of reals; with count_include_pad the pads of the file count as elements."""
    x = spatial(call, call.real_activation(0))
    y = average(call, channels_last(call, x), x.full[2:])
    return channels_first(call, y, x)


def average(call: Call, x: Node, sizes: tuple[int, ...]) -> Node:
    """The IR node over x (H, W, C); ``sizes`` are the spatial extents of the file."""
    place = windows(call, sizes, kernel_shape(call, len(sizes)))
    counted = place.stated if call.flag("count_include_pad") else (0, 0, 0, 0)
    op = AveragePool(place.kernel, place.strides, place.pads, counted, place.dilations)
    return call.emit(op, x)
