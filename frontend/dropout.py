"""ONNX Dropout, which does nothing in inference."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation


@converter(
    "Dropout",
    inputs=(1, 3),
    attributes=(
        Attribute("ratio", "float", 0.5, until=11),
        Attribute("seed", "int", 0, since=12),
    ),
    since=7,
)
def convert(call: Call) -> Activation:
    """Its operand: ratio and seed only matter in training, which is refused, as is the mask."""
    if len(call.used) > 1 and call.used[1]:
        raise call.error(
            "unsupported-output",
            "the mask of Dropout is read",
            "in inference nothing is dropped and gatesmith computes no mask",
            "export with the model in evaluation mode: model.eval()",
        )
    if call.has(2) and call.constant(2, "training_mode").any():
        raise call.error(
            "training-mode",
            "Dropout is in training mode",
            "it drops values at random, which no hardware should",
            "export with the model in evaluation mode: model.eval()",
        )
    return call.activation(0)
