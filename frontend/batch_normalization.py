"""ONNX BatchNormalization in inference: (x - mean) * (gamma / sqrt(var + epsilon)) + beta.

gamma / sqrt(var + epsilon) is irrational in general: it is evaluated here in float64, once, and is
an exact number from then on. The channel is axis 1 of the full shape.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.frontend.call import Call, as_float
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation
from gatesmith.ops.add import Add
from gatesmith.ops.mul import Mul
from gatesmith.ops.sub import Sub

EVALUATE = "export with the model in evaluation mode: model.eval()"


@converter(
    "BatchNormalization",
    inputs=5,
    attributes=(
        Attribute("epsilon", "float", 1e-5),
        Attribute("momentum", "float", 0.9),
        Attribute("spatial", "int", 1, until=8),
        Attribute("training_mode", "int", 0, since=14),
    ),
    since=7,
)
def convert(call: Call) -> Activation:
    """Sub, Mul, Add with one constant a channel. ``momentum`` only matters in training."""
    x = call.real_activation(0)
    _refuse_training(call)
    rank = len(x.full)
    if rank < 2:
        what = f"BatchNormalization of the shape {list(x.full)}"
        raise call.error("shape", what, "axis 1 is the channel, and there is none", "add a batch")
    if call.opset < 9 and not call.flag("spatial") and rank > 2:
        raise call.error(
            "attribute",
            "BatchNormalization has spatial 0",
            "statistics of every single element were only in opset 7 and 8",
            "export for opset 9 or later",
        )
    roles = ("scale", "bias", "mean", "variance")
    gamma, beta, mean, variance = (
        _parameter(call, index, role, x) for index, role in enumerate(roles, start=1)
    )
    spread = variance + call.real("epsilon")
    if (spread <= 0).any():
        what = f"the variance of BatchNormalization reaches {variance.min()}"
        why = f"variance + epsilon ({call.real('epsilon'):.3g}) must be above 0"
        raise call.error(
            "variance", what, why, "check the training run; a variance is never below 0"
        )
    base = call.node.input
    y = call.emit(Sub(), x.node, call.const(mean, base[3]), suffix="_mean")
    y = call.emit(Mul(), y, call.const(gamma / np.sqrt(spread), base[1]), suffix="_scale")
    y = call.emit(Add(), y, call.const(beta, base[2]), suffix="_bias")
    return Activation(y, x.batched, x.kind)


def _refuse_training(call: Call) -> None:
    if any(call.used[1:]):
        what = "statistics that BatchNormalization would update are read"
        raise call.error("unsupported-output", what, "they only change in training", EVALUATE)
    if call.opset >= 14 and call.flag("training_mode"):
        what = "BatchNormalization is in training mode"
        why = "it would normalise by the statistics of the batch"
        raise call.error("training-mode", what, why, EVALUATE)


def _parameter(call: Call, index: int, role: str, x: Activation) -> NDArray[Any]:
    """One number a channel, shaped to broadcast over the frame with the channel on axis 1."""
    data = as_float(call.constant(index, f"the {role}"))
    if data.shape != (x.full[1],):
        what = f"the {role} of BatchNormalization has the shape {list(data.shape)}"
        why = f"it must have one element for each of the {x.full[1]} channels, axis 1"
        raise call.error("shape", what, why, "export again")
    return data.reshape(data.shape + (1,) * (len(x.full) - 2))
