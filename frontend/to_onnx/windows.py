"""Convolutions and pools: channels first in the file."""

from __future__ import annotations

from typing import Any, cast

from numpy.typing import NDArray

from gatesmith.frontend.to_onnx.fusions import Spread, spread, term
from gatesmith.frontend.to_onnx.layout import CHANNELS_FIRST, in_order
from gatesmith.frontend.to_onnx.registry import exports
from gatesmith.frontend.to_onnx.writer import Writer
from gatesmith.ir import Node
from gatesmith.ops.average_pool import AveragePool
from gatesmith.ops.conv import Conv
from gatesmith.ops.max_pool import MaxPool


@exports(Conv)
def conv(w: Writer, node: Node) -> None:
    """Conv without a bias."""
    write_conv(w, node, node)


def write_conv(w: Writer, node: Node, layer: Node) -> None:
    """Conv or ConvTranspose; ``node`` is the layer, or the Add of its bias."""
    op, (x, weights) = cast(Conv, layer.op), layer.args
    turned = spread(x, layer) if w.absorbed.get(x) is layer else None
    shape = in_order(node.type.shape, CHANNELS_FIRST)
    if turned is None:
        kernel = w.constant(weights, "conv", lambda a: a.transpose(3, 2, 0, 1))
    else:
        x = x.args[0]
        group = op.group
        kernel = w.constant(weights, ("turned", group), lambda a: _turned(a, group))
    inputs = [w.tensor(x, CHANNELS_FIRST), kernel]
    if node is not layer:
        bias = term(node, layer)
        assert bias is not None
        inputs.append(w.constant(bias, "bias", lambda a: a.reshape(-1)))
    attributes: dict[str, Any] = {
        "kernel_shape": weights.type.shape[:2],
        "dilations": op.dilations,
        "group": op.group,
        **_places(op, turned),
    }
    kind = "Conv" if turned is None else "ConvTranspose"
    w.put(node, w.emit(node.name, kind, inputs, shape, **attributes), CHANNELS_FIRST)


def _places(op: Conv, turned: Spread | None) -> dict[str, Any]:
    if turned is None:
        return {"pads": op.pads, "strides": op.strides}
    found: dict[str, Any] = {"pads": turned.pads, "strides": turned.strides}
    return {**found, "output_padding": turned.added} if any(turned.added) else found


def _turned(kernel: NDArray[Any], group: int) -> NDArray[Any]:
    """(kh, kw, C / group, O) as (C, O / group, kh, kw), the taps turned round."""
    kh, kw, inputs, outputs = kernel.shape
    split = kernel.reshape(kh, kw, inputs, group, outputs // group).transpose(3, 2, 4, 0, 1)
    return split[..., ::-1, ::-1].reshape(group * inputs, outputs // group, kh, kw)


@exports(MaxPool)
def max_pool(w: Writer, node: Node) -> None:
    """Of reals or of integer codes."""
    op, (x,) = cast(MaxPool, node.op), node.args
    held = w.ready(x, CHANNELS_FIRST)
    y = w.emit(
        node.name,
        "MaxPool",
        [held.tensor],
        in_order(node.type.shape, CHANNELS_FIRST),
        elem=held.kind,
        kernel_shape=op.kernel,
        strides=op.strides,
        pads=op.pads,
        **_dilations(op.dilations),
    )
    w.put(node, y, CHANNELS_FIRST, held.kind)


@exports(AveragePool)
def average_pool(w: Writer, node: Node) -> None:
    """Padding counts wholly or not at all in ONNX.

    Where some does, count_include_pad and, for what does not, ceil_mode say it; where these cannot,
    the zeros that count are a Pad of their own.
    """
    op, (x,) = cast(AveragePool, node.op), node.args
    data = w.tensor(x, CHANNELS_FIRST)
    places: dict[str, Any] = {"pads": op.pads}
    if any(op.counted):
        if op.counted == op.pads:
            places["count_include_pad"] = 1
        elif _added_by_ceil(op, x.type.shape) == op.pads:
            places = {"pads": op.counted, "count_include_pad": 1, "ceil_mode": 1}
        else:
            data = _zeros_around(w, node.name, data, x.type.shape, op.counted)
            places["pads"] = tuple(p - c for p, c in zip(op.pads, op.counted, strict=True))
    if op.dilations != (1, 1):
        w.require(19)
    y = w.emit(
        node.name,
        "AveragePool",
        [data],
        in_order(node.type.shape, CHANNELS_FIRST),
        kernel_shape=op.kernel,
        strides=op.strides,
        **places,
        **_dilations(op.dilations),
    )
    w.put(node, y, CHANNELS_FIRST)


def _added_by_ceil(op: AveragePool, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Pads when ceil_mode is added to those that count (frontend/windows.py has the rule)."""
    ends = list(op.counted)
    for axis in range(2):
        start = op.counted[axis] + shape[axis]
        room = start + op.counted[axis + 2] - (op.kernel[axis] - 1) * op.dilations[axis] - 1
        steps = -(-room // op.strides[axis])
        steps -= steps * op.strides[axis] >= start
        ends[axis + 2] += max(0, steps * op.strides[axis] - room)
    return tuple(ends)


def _zeros_around(
    w: Writer, name: str, data: str, shape: tuple[int, ...], sides: tuple[int, ...]
) -> str:
    """A map with zeros at its edges, channels first."""
    top, left, bottom, right = sides
    height, width, channels = shape
    wide = (channels, top + height + bottom, left + width + right)
    pads = w.store(f"{name}_sides", [0, 0, top, left, 0, 0, bottom, right])
    return w.emit(f"{name}_wide", "Pad", [data, pads], wide)


def _dilations(dilations: tuple[int, int]) -> dict[str, Any]:
    return {} if dilations == (1, 1) else {"dilations": dilations}
