"""ONNX MaxPool over rows and maps."""

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
from gatesmith.ops.max_pool import MaxPool


@converter(
    "MaxPool",
    attributes=(
        Attribute("auto_pad", "string", "NOTSET"),
        Attribute("ceil_mode", "int", 0, since=10),
        Attribute("dilations", "ints", since=10),
        Attribute("kernel_shape", "ints", required=True),
        Attribute("pads", "ints"),
        Attribute("storage_order", "int", 0, since=8),
        Attribute("strides", "ints"),
    ),
)
def convert(call: Call) -> Activation:
    """MaxPool of reals or integers. ``storage_order`` only matters to the indices."""
    if any(call.used[1:]):
        raise call.error(
            "unsupported-output",
            "the indices of MaxPool are read",
            "the hardware keeps the largest value of a window, not its place",
            "upsample by Resize or ConvTranspose instead of MaxUnpool",
        )
    x = spatial(call, call.activation(0))
    place = windows(call, x.full[2:], kernel_shape(call, len(x.full) - 2))
    op = MaxPool(place.kernel, place.strides, place.pads, place.dilations)
    return channels_first(call, call.emit(op, channels_last(call, x)), x)
