"""What is left of a layer makes up for what was cut: least squares, before any training.

Layer by layer, in order, the weights of the smaller network are those with which the layer's sums
come nearest to those of the whole network, on a few hundred frames, whatever the layers before it
have become (He et al., 2017, "Channel pruning", section 3.1; ThiNet, Luo et al., 2017):

    least  E |z' w' - x' w|^2 + ridge |w' - w_cut|^2

where x are the inputs of the whole network's layer and z those of the smaller one, at the same
positions of the same frames, both about their means; the bias makes up for the means. With masks,
weights that are zero stay so, and those left of each output make up for them (Frantar and Alistarh,
SparseGPT, 2023, section 3.1: each output is such a problem of its own).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Graph, Reals
from gatesmith.prune.patterns import Masks
from gatesmith.prune.structure import Structure
from gatesmith.quant.calibrate.bias import add_to_bias
from gatesmith.quant.calibrate.layers import Layer, const, layers, with_consts
from gatesmith.quant.calibrate.patches import columns, mean_row, sample_rows, uncolumns
from gatesmith.quant.calibrate.runner import Frames, Runner, batches, count

Progress = Callable[[str, int, int], None]

ROWS_EACH = 12
"""Rows of inputs for each number that is fitted to them."""

LEAST, MOST = 2_000, 40_000
"""Fewest and most rows of a layer."""

RIDGE = 0.01
"""Part of the mean of the moments' diagonal that pulls towards the weights as they were cut."""

BATCH = 64
"""Frames run at a time."""

STEPS, PRECISION = 200, 1e-5
"""Of conjugate gradients: most steps, and the residual, relative to the first, to stop at."""


def kept_channels(
    graph: Graph, structure: Structure, removed: Mapping[str, tuple[int, ...]]
) -> dict[str, list[int]]:
    """Output channels of each layer that stay.

    Args:
        graph: Before anything is cut.
        structure: Of it.
        removed: Units of groups, as for :func:`gatesmith.prune.cut.cut`.
    """
    gone: dict[str, set[int]] = {}
    for name, units in removed.items():
        group = structure.group(name)
        for unit in units:
            for layer, channel in group.channels[unit]:
                gone.setdefault(layer, set()).add(channel)
    found = {}
    for one in layers(graph):
        cut = gone.get(one.name, set())
        found[one.name] = [c for c in range(one.node.type.channels) if c not in cut]
    return found


def refit(
    whole: Graph,
    smaller: Graph,
    kept: Mapping[str, list[int]],
    frames: Frames,
    runner: Runner,
    *,
    masks: Masks | None = None,
    progress: Progress | None = None,
) -> Graph:
    """The smaller network with weights and biases that suit what is left.

    Args:
        whole: Before it was cut.
        smaller: After; layers of the same names.
        kept: Output channels of each layer that are left, in their order.
        frames: Some data, no labels.
        runner: Runs graphs.
        masks: By name of the weights of the smaller network, which of them may be other than 0.
        progress: Told which layer is at hand.
    """
    originals = {layer.name: layer for layer in layers(whole)}
    names = [layer.name for layer in layers(smaller) if layer.name in originals]
    for done, name in enumerate(names):
        if progress is not None:
            progress("refit", done, len(names))
        before, after = originals[name], _layer(smaller, name)
        wanted = const(before.weight)[..., kept[name]]
        if after.weight.type.shape[-1] != len(kept[name]):
            raise ValueError(f"{len(kept[name])} channels of {name} for {after.weight.type}")
        seen = _Seen(whole, before, smaller, after)
        for some in batches(frames, BATCH):
            seen.add(some, runner, count(frames))
        smaller = seen.solved(smaller, wanted, (masks or {}).get(after.weight.name))
    return smaller


def _layer(graph: Graph, name: str) -> Layer:
    """The layer of this name, or the one that gave its name to its bias (bias.py)."""
    return next(found for found in layers(graph) if found.name in (name, f"{name}_sums"))


class _Seen:
    """Moments of what a layer reads in the whole network (x) and in the smaller one (z)."""

    def __init__(self, whole: Graph, before: Layer, smaller: Graph, after: Layer) -> None:
        self.sides = (
            (Graph((before.source,), whole.name), before),
            (Graph((after.source,), smaller.name), after),
        )
        self.after = after
        size = int(np.prod(after.weight.type.shape[:-1]))
        self.rows = int(np.clip(ROWS_EACH * size, LEAST, MOST))
        self.draws = [np.random.default_rng(0) for _ in self.sides]  # the same positions of both
        self.means: list[Reals] = []
        self.sums: list[tuple[Reals, ...]] = []
        self.frames = self.drawn = 0

    def add(self, frames: Frames, runner: Runner, total: int) -> None:
        """Some more frames of ``total``."""
        n = count(frames)
        values = [runner(p, p.outputs, frames)[layer.source.name] for p, layer in self.sides]
        most = -(-self.rows * n // total)
        pairs = zip(self.sides, values, self.draws, strict=True)
        x, z = (sample_rows(layer, v, most, rng).astype(np.float64) for (_, layer), v, rng in pairs)
        rows = [mean_row(layer, v) for (_, layer), v in zip(self.sides, values, strict=True)]
        self.means.append(n * np.concatenate(rows, axis=1))
        turned = z.transpose(0, 2, 1)
        self.sums.append((turned @ z, turned @ x, z.sum(1), x.sum(1)))
        self.frames += n
        self.drawn += x.shape[1]

    def solved(self, smaller: Graph, wanted: Reals, mask: NDArray[np.bool_] | None) -> Graph:
        """With the weights that fit, and the bias that keeps the mean of every channel."""
        layer, group = self.after, self.after.group
        second, cross, z_mean, x_mean = (
            sum(part[1:], part[0]) / self.drawn for part in zip(*self.sums, strict=True)
        )
        second = second - z_mean[:, :, None] * z_mean[:, None, :]
        cross = cross - z_mean[:, :, None] * x_mean[:, None, :]
        old = columns(const(layer.weight), group)
        size = second.shape[-1]
        mean = np.einsum("gii->g", second)[:, None, None] / size
        ridge = np.where(mean > 0, RIDGE * mean, 1.0) * np.eye(size)
        pulled = cross @ columns(wanted, group) + ridge @ old
        if mask is None:
            new = np.asarray(np.linalg.solve(second + ridge, pulled), np.float64)
        else:
            there = columns(mask.astype(np.float64), group)
            new = with_zeros(second + ridge, pulled, there, old)
        found = with_consts(smaller, {layer.weight.name: uncolumns(new, layer.weight.type.shape)})
        x_size = columns(wanted, group).shape[1]
        means = np.sum(self.means, axis=0) / self.frames
        sums = np.einsum("gko,gk->go", columns(wanted, group), means[:, :x_size])
        shift = sums - np.einsum("gko,gk->go", new, means[:, x_size:])
        return add_to_bias(found, _layer(found, layer.name), shift.reshape(-1))


def with_zeros(a: Reals, b: Reals, there: Reals, start: Reals) -> Reals:
    """Least of x' a x - 2 b' x, column by column, where x is 0 outside of its mask.

    Conjugate gradients on all columns at once (Hestenes and Stiefel, 1952), scaled by the diagonal:
    only products with ``a``, while elimination would take one for each column.

    Args:
        a: (groups, k, k), symmetric, positive definite.
        b: (groups, k, outputs).
        there: Of the shape of b, 1 where x may be other than 0, else 0.
        start: Of the same shape.
    """
    x = start * there
    scale = there / np.einsum("gii->gi", a)[:, :, None]
    rest = there * (b - a @ x)
    way = scaled = scale * rest
    size = first = (rest * scaled).sum(1, keepdims=True)
    for _ in range(STEPS):
        moved = there * (a @ way)
        bend = (way * moved).sum(1, keepdims=True)
        step = np.divide(size, bend, out=np.zeros_like(size), where=bend > 0)
        x = x + step * way
        rest = rest - step * moved
        scaled = scale * rest
        now = (rest * scaled).sum(1, keepdims=True)
        if (now <= PRECISION**2 * first).all():
            break
        way = scaled + np.divide(now, size, out=np.zeros_like(now), where=size > 0) * way
        size = now
    return x
