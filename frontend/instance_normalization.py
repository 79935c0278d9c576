"""ONNX InstanceNormalization: every channel of every frame by itself."""

from __future__ import annotations

from math import prod

from gatesmith.frontend.call import Call
from gatesmith.frontend.normalization import channels_first, normalized, per_channel, scaled
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation


@converter(
    "InstanceNormalization", inputs=3, attributes=(Attribute("epsilon", "float", 1e-5),), since=6
)
def convert(call: Call) -> Activation:
    """LayerNorm over the positions, Mul, Add."""
    x = call.real_activation(0)
    channels, *places = channels_first(call, x)
    y = normalized(call, x, (channels, prod(places)))
    scale = per_channel(call, x, 1, "the scale")
    return scaled(call, y, scale, per_channel(call, x, 2, "the bias"))
