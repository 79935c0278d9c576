"""ONNX ConvTranspose: a convolution over the map spread by its strides, the taps turned round.

    full[o] = sum over i, k with o = i * stride + k * dilation of x[i] * w[k]

has ``(n - 1) * stride + (k - 1) * dilation + 1`` values; pads take values away from its ends and
output_padding adds some behind. With stride - 1 zeros between neighbours of x it is the convolution
of stride 1 whose pads are ``(k - 1) * dilation`` less those; where that is below 0, values of x are
left out.
"""

from __future__ import annotations

import numpy as np

from gatesmith.frontend.call import Call, as_float
from gatesmith.frontend.conv import ATTRIBUTES, add_bias, check_kernel
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation
from gatesmith.frontend.windows import (
    Pair,
    channels_first,
    channels_last,
    halves,
    integers,
    pair,
    positive,
    sides,
    spatial,
    wrong_auto_pad,
)
from gatesmith.ir import Array, Node
from gatesmith.ops.conv import Conv
from gatesmith.ops.pad import Pad
from gatesmith.ops.take import Take


@converter(
    "ConvTranspose",
    inputs=(2, 3),
    attributes=(
        *ATTRIBUTES,
        Attribute("output_padding", "ints"),
        Attribute("output_shape", "ints"),
    ),
)
def convert(call: Call) -> Activation:
    """Pad between the values, Conv of constant weights, and Add of a constant bias."""
    x = spatial(call, call.real_activation(0))
    weights = as_float(call.constant(1, "the weights"))
    kernel, rank = _kernel(call, x, weights), len(x.full) - 2
    strides = pair(positive(call, "strides", rank))
    dilations = pair(positive(call, "dilations", rank))
    top, left, bottom, right = sides(_pads(call, x.full[2:], weights.shape[2:]))
    node = channels_last(call, x)
    if strides != (1, 1):
        interior = (strides[0] - 1, strides[1] - 1, 0)
        node = call.emit(Pad((0, 0, 0), (0, 0, 0), interior, 0.0), node, suffix="_spread")
    node = _crop(call, node, 0, -top, -bottom)
    node = _crop(call, node, 1, -left, -right)
    outer = (max(top, 0), max(left, 0), max(bottom, 0), max(right, 0))
    op = Conv((1, 1), outer, dilations, call.integer("group"))
    y = call.emit(op, node, call.const(kernel, call.node.input[1]))
    if call.has(2):
        y = add_bias(call, y, as_float(call.constant(2, "the bias")), call.node.input[2])
    return channels_first(call, y, x)


def _kernel(
    call: Call, x: Activation, weights: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Weights (C, O / group, ...) as (kh, kw, C / group, O), the taps turned round."""
    group, channels = call.integer("group"), x.full[1]
    check_kernel(call, x, weights)
    if group < 1 or len(weights) != channels or channels % group:
        what = f"the weights of ConvTranspose have the shape {list(weights.shape)}"
        why = f"there are {channels} channels, which stand first in it, in {group} groups"
        raise call.error("shape", what, why, "check the attribute group, and export again")
    each = weights.shape[1]
    taps = weights.reshape(group, channels // group, each, *pair(weights.shape[2:]))
    turned = taps[..., ::-1, ::-1].transpose(3, 4, 1, 0, 2)
    return turned.reshape(*turned.shape[:3], group * each)


def _pads(call: Call, sizes: tuple[int, ...], kernel: tuple[int, ...]) -> list[Pair]:
    """Pads (before, after) of the convolution along each axis; below 0 they crop."""
    rank = len(sizes)
    zeros = (0,) * rank
    strides, dilations = positive(call, "strides", rank), positive(call, "dilations", rank)
    added = integers(call, "output_padding", rank, 0, zeros)
    stated = integers(call, "output_shape", rank, 1, ())
    wanted = stated or _same(call, sizes, strides)
    flat = integers(call, "pads", 2 * rank, 0, zeros * 2)
    auto = call.text("auto_pad")
    if any(flat) and (wanted or auto != "NOTSET"):
        what = f"ConvTranspose has pads {list(flat)}"
        why = "output_shape and auto_pad choose the pads too"
        raise call.error("attribute", what, why, "remove one of the two")
    found = []
    for axis, (n, k) in enumerate(zip(sizes, kernel, strict=True)):
        reach = (k - 1) * dilations[axis]
        before, after = flat[axis], flat[rank + axis]
        size = (n - 1) * strides[axis] + reach + 1 + added[axis]
        if wanted:
            if size < wanted[axis] and not stated:
                raise _too_small(call, axis, size, wanted[axis])
            before, after = halves(max(0, size - wanted[axis]), auto)
            after += min(0, size - wanted[axis])  # larger than the whole: zeros behind
        if size - before - after < 1:
            what = f"ConvTranspose leaves nothing along spatial axis {axis}"
            why = f"{size} values less the pads ({before}, {after})"
            raise call.error("shape", what, why, "check pads, and export again")
        found.append((reach - before, reach - after + added[axis]))
    return found


def _same(call: Call, sizes: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...]:
    """The output shape that auto_pad asks for; empty where it asks for none."""
    match auto := call.text("auto_pad"):
        case "NOTSET" | "VALID":
            return ()
        case "SAME_UPPER" | "SAME_LOWER":
            return tuple(n * stride for n, stride in zip(sizes, strides, strict=True))
        case _:
            raise wrong_auto_pad(call, auto)


def _too_small(call: Call, axis: int, size: int, wanted: int) -> Exception:
    return call.error(
        "attribute",
        f"ConvTranspose makes {size} values along spatial axis {axis}, and {wanted} are asked for",
        "auto_pad takes values away; runtimes disagree on whether it adds some",
        "state pads and output_padding, or output_shape, instead of auto_pad",
    )


def _crop(call: Call, x: Node, axis: int, before: int, after: int) -> Node:
    """``x`` without that many values at the ends; nothing where they are 0 or less."""
    extent = x.type.shape[axis]
    kept = np.arange(max(before, 0), extent - max(after, 0))
    if len(kept) == extent:
        return x
    if not len(kept):
        what = f"the pads of ConvTranspose take away all of {extent} values along an axis"
        raise call.error("shape", what, "only the bias is left", "check pads, and export again")
    return call.emit(Take(axis, Array(kept)), x, suffix="_crop")
