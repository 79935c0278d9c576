"""ONNX Upsample: scales as an attribute (opset 7, 8) or as an input (9); Resize follows it."""

from __future__ import annotations

from gatesmith.frontend.call import Call, as_float
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.resize import require_nearest, upsampled
from gatesmith.frontend.values import Activation


@converter(
    "Upsample",
    inputs=(1, 2),
    attributes=(
        Attribute("mode", "string", "nearest"),
        Attribute("scales", "floats", required=True, until=8),
    ),
    since=7,
)
def convert(call: Call) -> Activation:
    """A Take along every axis; element i is element floor(i / scale)."""
    x = call.activation(0)
    require_nearest(call)
    if call.opset < 9:
        scales = [float(v) for a in call.node.attribute if a.name == "scales" for v in a.floats]
    else:
        scales = as_float(call.constant(1, "the scales")).reshape(-1).tolist()
    return upsampled(call, x, scales)
