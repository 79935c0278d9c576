"""ONNX LayerNormalization over the axes from ``axis`` on."""

from __future__ import annotations

from math import prod

from gatesmith.frontend.call import Call
from gatesmith.frontend.normalization import check_stash, normalized, scaled
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation


@converter(
    "LayerNormalization",
    inputs=(2, 3),
    attributes=(
        Attribute("axis", "int", -1),
        Attribute("epsilon", "float", 1e-5),
        Attribute("stash_type", "int", 1),
    ),
    since=17,
)
def convert(call: Call) -> Activation:
    """LayerNorm, Mul, Add; several axes are one while the mean is taken."""
    x = call.real_activation(0)
    check_stash(call)
    if any(call.used[1:]):
        what = "mean or deviation of LayerNormalization are read"
        raise call.error("unsupported-output", what, "only training needs them", "leave them out")
    axis = call.frame_axis(call.integer("axis"), x)
    y = normalized(call, x, (*x.frame[:axis], prod(x.frame[axis:])))
    scale = call.constant(1, "the scale")
    return scaled(call, y, scale, call.constant(2, "the bias") if call.has(2) else None)
