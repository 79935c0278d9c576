"""ONNX GroupNormalization: groups of channels. Opset 18 to 20 are deprecated."""

from __future__ import annotations

from math import prod

from gatesmith.frontend.call import Call
from gatesmith.frontend.normalization import (
    channels_first,
    check_stash,
    normalized,
    per_channel,
    scaled,
)
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation


@converter(
    "GroupNormalization",
    inputs=3,
    attributes=(
        Attribute("epsilon", "float", 1e-5),
        Attribute("num_groups", "int", required=True),
        Attribute("stash_type", "int", 1),
    ),
    since=21,
)
def convert(call: Call) -> Activation:
    """LayerNorm over the channels and positions of a group, Mul, Add."""
    x = call.real_activation(0)
    check_stash(call)
    channels, *places = channels_first(call, x)
    groups = call.integer("num_groups")
    if groups < 1 or channels % groups:
        what = f"GroupNormalization of {channels} channels in {groups} groups"
        raise call.error("shape", what, "the groups must be equal", "mend num_groups")
    y = normalized(call, x, (groups, channels // groups * prod(places)))
    scale = per_channel(call, x, 1, "the scale")
    return scaled(call, y, scale, per_channel(call, x, 2, "the bias"))
