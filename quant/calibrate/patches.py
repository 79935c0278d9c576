"""What a layer multiplies with its weights: rows of inputs, one for each position of the output."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Reals
from gatesmith.ops.conv import Conv
from gatesmith.quant.calibrate.layers import Layer

Rows = NDArray[np.floating[Any]]


def columns(w: Reals, group: int) -> Reals:
    """Weights (..., in, out) as (groups, inputs of a sum, outputs of a group)."""
    flat = w.reshape(-1, group, w.shape[-1] // group)
    return np.ascontiguousarray(flat.transpose(1, 0, 2))


def uncolumns(flat: Reals, shape: tuple[int, ...]) -> Reals:
    """Inverse of :func:`columns`."""
    return np.ascontiguousarray(flat.transpose(1, 0, 2)).reshape(shape)


def sample_rows(layer: Layer, x: Rows, most: int, rng: np.random.Generator) -> Rows:
    """About ``most`` rows of inputs (groups, rows, inputs of a sum) from frames (n, *shape).

    Positions are drawn for the whole batch; all of them when that is few enough.
    """
    op = layer.node.op
    if not isinstance(op, Conv):
        rows = x.reshape(-1, x.shape[-1])
        chosen = _some(len(rows), most, rng)
        return rows[chosen][None]
    down, along = op.axes(x.shape[1:], layer.weight.type.shape)
    spots = _some(down.count * along.count, max(1, -(-most // len(x))), rng)
    top, left = spots // along.count * down.stride, spots % along.count * along.stride
    padded = _padded(layer, x)
    parts = [
        padded[:, top + i * down.dilation, left + j * along.dilation]
        for i, j in np.ndindex(down.taps, along.taps)
    ]
    taps = np.stack(parts, axis=2)  # (n, spots, taps, C)
    split = taps.reshape(-1, len(parts), op.group, x.shape[-1] // op.group)
    return split.transpose(2, 0, 1, 3).reshape(op.group, len(split), -1)


def mean_row(layer: Layer, x: Rows) -> Reals:
    """The mean of all rows, float64 (groups, inputs of a sum)."""
    op = layer.node.op
    if not isinstance(op, Conv):
        return np.asarray(x.reshape(-1, x.shape[-1]).mean(axis=0, dtype=np.float64))[None]
    down, along = op.axes(x.shape[1:], layer.weight.type.shape)
    total = _padded(layer, x).sum(axis=0, dtype=np.float64)
    parts = []
    for i, j in np.ndindex(down.taps, along.taps):
        part = total[i * down.dilation :, j * along.dilation :]
        part = part[: down.span : down.stride, : along.span : along.stride]
        parts.append(part.mean(axis=(0, 1)) / len(x))
    taps = np.stack(parts).reshape(len(parts), op.group, -1)
    return np.asarray(taps.transpose(1, 0, 2).reshape(op.group, -1))


def _padded(layer: Layer, x: Rows) -> Rows:
    op = layer.node.op
    assert isinstance(op, Conv)
    top, left, bottom, right = op.pads
    return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))


def _some(count: int, most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    if count <= most:
        return np.arange(count)
    return np.sort(rng.choice(count, most, replace=False))
