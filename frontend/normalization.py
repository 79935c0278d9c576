"""Shared by LayerNormalization, InstanceNormalization and GroupNormalization.

All three are (x - mean) / sqrt(variance + epsilon) * scale + bias, and differ in what the mean and
the variance are taken over, and in the shape of scale and bias.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from gatesmith.frontend.call import Call
from gatesmith.frontend.frames import frame_parameter
from gatesmith.frontend.values import FLOATS, Activation, kind_name
from gatesmith.ops.add import Add
from gatesmith.ops.layer_norm import LayerNorm
from gatesmith.ops.mul import Mul


def normalized(call: Call, x: Activation, groups: tuple[int, ...]) -> Activation:
    """Mean 0 and variance 1 over the last axis once x has the frame shape ``groups``."""
    epsilon = call.real("epsilon")
    if not epsilon > 0:
        what = f"epsilon of {call.node.op_type} is {epsilon:g}"
        why = "equal elements would be divided by 0"
        raise call.error("variance", what, why, "export with an epsilon above 0")
    wide = call.reshape(x.node, groups)
    y = call.emit(LayerNorm(epsilon), wide, suffix="_norm")
    return Activation(call.reshape(y, x.frame, "_back"), x.batched, x.kind)


def scaled(call: Call, x: Activation, scale: NDArray[Any], bias: NDArray[Any] | None) -> Activation:
    """Times ``scale``, plus ``bias``; both must broadcast to x."""
    names = call.node.input
    factor = frame_parameter(call, scale, x, "the scale")
    y = call.emit(Mul(), x.node, call.const(factor, names[1]), suffix="_scale")
    if bias is not None:
        term = frame_parameter(call, bias, x, "the bias")
        y = call.emit(Add(), y, call.const(term, names[2]), suffix="_bias")
    return Activation(y, x.batched, x.kind)


def per_channel(call: Call, x: Activation, index: int, role: str) -> NDArray[Any]:
    """One number a channel, shaped to broadcast; the channel is axis 1 of the file."""
    data = call.constant(index, role)
    if data.shape != x.full[1:2]:
        what = f"{role} of {call.node.op_type} has the shape {list(data.shape)}"
        raise call.error("shape", what, f"it must have {x.full[1]} elements", "export again")
    return data.reshape(-1, *(1,) * (len(x.full) - 2))


def channels_first(call: Call, x: Activation) -> tuple[int, ...]:
    """Frame shape (channels, ...) of batched data with at least one axis behind the channels."""
    if not x.batched or len(x.frame) < 2:
        what = f"{call.node.op_type} of the shape {list(x.full)}"
        raise call.error("shape", what, "it takes batch, channels, and what is averaged", "mend it")
    return x.frame


def check_stash(call: Call) -> None:
    """``stash_type`` is the type in which a float runtime computes; reals are exact here."""
    stash = call.integer("stash_type")
    if stash not in FLOATS:
        what = f"stash_type of {call.node.op_type} is {kind_name(stash)}"
        raise call.error("attribute", what, "it must be a type of reals", "export again")
