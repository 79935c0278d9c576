"""Weights and biases, layer by layer, each for what the quantized layers before it give.

For each layer, in the order of the graph, the network that is quantized so far runs up to the
layer's input. With x the inputs of the float layer and z those of the quantized one, over a sample
of positions of the output (patches.py):

1. the weights to be met are those that make the most of z: least ``|x w - z t|``, t near w;
2. a grid for them, an input counting as much as its mean square (weights.py);
3. rounded for the least output error (rounding.py), scales and rounding in turn;
4. the mean that is then missing goes into the bias (bias.py). With bias correction all moments
   are about the mean, which the bias sees to.

Steps 1 to 3 only for weights that are to be learned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Graph, Reals
from gatesmith.ops.fake_quant import FakeQuant, Grid
from gatesmith.quant.calibrate.bias import add_to_bias, mean_shift
from gatesmith.quant.calibrate.layers import Layer, const, layers, with_consts
from gatesmith.quant.calibrate.patches import Rows, columns, mean_row, sample_rows, uncolumns
from gatesmith.quant.calibrate.rounding import DAMPING, output_error, refit, round_weights
from gatesmith.quant.calibrate.runner import Frames, Runner, batches, count
from gatesmith.quant.calibrate.search import with_grids
from gatesmith.quant.calibrate.weights import weight_grid
from gatesmith.quant.prepare.scheme import Scheme

_ROWS_EACH = 16
"""Rows of inputs for each input of a sum, where the data has them."""

_LEAST, _MOST = 4096, 16384
_REFITS = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """Inputs of a layer: x of the float network, z of the quantized one; by group of channels.

    Attributes:
        x_mean: Mean row of x, (groups, inputs of a sum).
        z_mean: The same of z.
        moments: Mean of z z' over a sample of rows, or None; with bias correction about the mean.
        cross: Mean of z x' over the same, likewise.
    """

    x_mean: Reals
    z_mean: Reals
    moments: Reals | None
    cross: Reals | None


def tune(
    graph: Graph,
    quantized: Graph,
    learned: Mapping[str, Scheme],
    *,
    frames: Frames,
    runner: Runner,
    bias_correction: bool,
    keep_zeros: bool,
    batch: int,
    progress: Callable[[str, int, int], None],
) -> Graph:
    """The quantized graph with better weights and biases.

    Args:
        graph: The float network, with layers of the same names.
        quantized: The network on grids.
        learned: Scheme of each weight to be learned, by its name.
        frames: Calibration data.
        runner: Runs graphs.
        bias_correction: Whether to correct biases.
        keep_zeros: Whether weights that are 0 stay so.
        batch: Frames at a time.
        progress: Told which layer is at hand.
    """
    originals = {layer.name: layer for layer in layers(graph)}
    for done, (name, original) in enumerate(originals.items()):
        progress("tune", done, len(originals))
        layer = _layer(quantized, name)
        scheme = learned.get(layer.weight.name)
        if scheme is None and not bias_correction:
            continue
        rows = 0 if scheme is None else _rows(layer)
        seen = _see(
            (graph, original),
            (quantized, layer),
            rows,
            about_mean=bias_correction,
            frames=frames,
            runner=runner,
            batch=batch,
        )
        weights = const(layer.weight)
        if scheme is not None:
            old = layer.node.args[1].op
            assert isinstance(old, FakeQuant)
            w = const(original.weight)
            free = w != 0 if keep_zeros else np.ones(w.shape, np.bool_)
            grid, weights = _learn(w, free, old.grid, scheme, seen, layer.group)
            quantized = with_consts(quantized, {layer.weight.name: weights})
            quantized = with_grids(quantized, {layer.weight.name: grid})
        if bias_correction:
            shift = mean_shift(
                const(original.weight), seen.x_mean, weights, seen.z_mean, layer.group
            )
            quantized = add_to_bias(quantized, _layer(quantized, name), shift)
    return quantized


def _layer(graph: Graph, name: str) -> Layer:
    """The layer of this name, or the one that gave its name to its bias (bias.py)."""
    return next(found for found in layers(graph) if found.name in (name, f"{name}_sums"))


def _rows(layer: Layer) -> int:
    shape = layer.weight.type.shape
    return int(np.clip(_ROWS_EACH * np.prod(shape[:-1]), _LEAST, _MOST))


def _learn(  # noqa: PLR0917 - a layer, and how
    w: Reals, free: NDArray[np.bool_], old: Grid, scheme: Scheme, seen: Seen, group: int
) -> tuple[Grid, Reals]:
    """Steps 1 to 3: a grid and weights on it; those that are not free are 0."""
    moments, cross = seen.moments, seen.cross
    assert moments is not None and cross is not None
    wanted = _target(w, moments, cross, group)
    power = np.einsum("gii->gi", moments)[:, :, None]
    power = power + power.mean(axis=1, keepdims=True) * DAMPING + 1e-30
    cost = uncolumns(power + np.zeros_like(columns(w, group)), w.shape)

    best: tuple[Grid, Reals] | None = None
    for start in (old, weight_grid(wanted * free, scheme, importance=cost)[0]):
        grid, q = start, round_weights(wanted, start, moments, group, free=free)
        best = _better(best, (grid, q), wanted, moments, group)
        for _ in range(_REFITS):
            fitted = None if scheme.pow2_scale else refit(wanted, q, grid, moments, group)
            if fitted is None:
                break
            begun = fitted.values(grid.codes(q)) * free
            q = round_weights(wanted, fitted, moments, group, start=begun, free=free)
            grid = fitted
            best = _better(best, (grid, q), wanted, moments, group)
    assert best is not None
    return best


def _target(w: Reals, moments: Reals, cross: Reals, group: int) -> Reals:
    """Step 1: ridge regression, with the pull towards w that damping is."""
    flat = columns(w, group)
    size = moments.shape[-1]
    mean = np.einsum("gii->g", moments)[:, None, None] / size
    ridge = np.where(mean > 0, DAMPING * mean, 1.0) * np.eye(size)
    solved = np.asarray(np.linalg.solve(moments + ridge, cross @ flat + ridge @ flat), np.float64)
    return uncolumns(solved, w.shape)


def _better(
    one: tuple[Grid, Reals] | None,
    other: tuple[Grid, Reals],
    wanted: Reals,
    moments: Reals,
    group: int,
) -> tuple[Grid, Reals]:
    """The pair with the least output error."""

    def error(pair: tuple[Grid, Reals]) -> float:
        return float(output_error(columns(wanted - pair[1], group), moments).sum())

    return other if one is None or error(other) < error(one) else one


def _see(
    plain: tuple[Graph, Layer],
    quantized: tuple[Graph, Layer],
    rows: int,
    *,
    about_mean: bool,
    frames: Frames,
    runner: Runner,
    batch: int,
) -> Seen:
    """Run both networks up to a layer; ``rows`` of the inputs go into the moments."""
    parts = [(Graph((layer.source,), graph.name), layer) for graph, layer in (plain, quantized)]
    total = count(frames)
    draws = [np.random.default_rng(0) for _ in parts]  # the same positions of both
    means: list[Reals] = []
    sums: list[tuple[Reals, ...]] = []
    drawn = 0
    for some in batches(frames, batch):
        x, z = (runner(part, part.outputs, some)[layer.source.name] for part, layer in parts)
        n = count(some)
        means.append(n * np.stack([mean_row(plain[1], x), mean_row(quantized[1], z)]))
        if rows:
            most = int(np.ceil(rows * n / total))
            a, b = (
                sample_rows(layer, values, most, rng)
                for (_, layer), values, rng in zip(parts, (x, z), draws, strict=True)
            )
            drawn += a.shape[1]
            first = (v.sum(axis=1, dtype=np.float64) for v in (a, b))
            sums.append((_product(b, b), _product(b, a), *first))
    x_mean, z_mean = np.sum(means, axis=0) / total
    if not sums:
        return Seen(x_mean, z_mean, None, None)
    second, cross, a_mean, b_mean = (
        sum(part[1:], part[0]) / drawn for part in zip(*sums, strict=True)
    )
    if about_mean:
        second = second - b_mean[:, :, None] * b_mean[:, None, :]
        cross = cross - b_mean[:, :, None] * a_mean[:, None, :]
    return Seen(x_mean, z_mean, second, cross)


def _product(a: Rows, b: Rows) -> Reals:
    """Sum over rows of a b', float64: what is left of it without the means may be far smaller."""
    one, other = a.astype(np.float64), b.astype(np.float64)
    return np.asarray(np.matmul(one.transpose(0, 2, 1), other))
