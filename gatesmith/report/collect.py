"""Pictures of a quantized graph: its weights and activations against their grids."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Graph, Ints, Node, Reals
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.fake_quant import FakeQuant, Grid
from gatesmith.ops.mat_mul import MatMul
from gatesmith.quant.calibrate.runner import Runner
from gatesmith.report.content import ActivationPicture, LayerRow, WeightPicture

BINS = 80


def weight_pictures(before: Graph, after: Graph) -> dict[str, WeightPicture]:
    """A picture for each layer of ``after`` whose weights are on a grid, by its name.

    Args:
        before: The same layers with real weights: after equalization, where there was one.
        after: The quantized graph.
    """
    was = _weights(before)
    pictures = {}
    for name, (grid, on_grid) in _weights(after).items():
        if grid is None:
            continue
        values = was.get(name, (None, on_grid))[1]
        scale = grid.scale.data
        single = scale.size == 1
        codes = grid.codes(on_grid)
        kept = _taken(grid)
        unit = np.ones(()) if single else scale
        counts, edges = _histogram(values / unit)
        pictures[name] = WeightPicture(
            counts,
            edges,
            _levels(grid, kept),
            np.bincount(np.searchsorted(kept, codes.ravel()), minlength=len(kept)),
            "weight" if single else "weight / scale",
        )
    return pictures


def activation_pictures(
    graph: Graph, runner: Runner, frames: Reals
) -> dict[str, ActivationPicture]:
    """A picture for each activation on a grid, by the name of what makes it.

    Args:
        graph: The quantized graph.
        runner: Runs it.
        frames: Inputs, (n, *shape): a few dozen are enough.
    """
    sites = [n for n in graph if isinstance(n.op, FakeQuant) and not _constant(n.args[0])]
    values = runner(graph, [node.args[0] for node in sites], frames)
    pictures = {}
    for node in sites:
        assert isinstance(node.op, FakeQuant)
        counts, edges = _histogram(values[node.args[0].name])
        levels = _levels(node.op.grid, _taken(node.op.grid))
        pictures[node.args[0].name] = ActivationPicture(counts, edges, levels)
    return pictures


def measured(
    rows: Sequence[Mapping[str, Any]], before: Graph, after: Graph
) -> tuple[LayerRow, ...]:
    """Rows of ``gatesmith quantize --json`` with the scales, and how well the weights are kept."""
    was, now = _weights(before), _weights(after)
    result = []
    for row in rows:
        layer = LayerRow(**row)
        grid, on_grid = now.get(layer.name, (None, None))
        if grid is not None and on_grid is not None:
            scale = grid.scale.data
            scales = (float(scale.min()), float(scale.max()))
            real = was.get(layer.name, (None, None))[1]
            layer = replace(layer, scales=scales, sqnr=_sqnr(real, on_grid))
        result.append(layer)
    return tuple(result)


def _sqnr(real: Reals | None, on_grid: Reals) -> float | None:
    """In dB; None where it is infinite or not defined."""
    if real is None or real.shape != on_grid.shape:
        return None
    power, noise = float((real**2).sum()), float(((real - on_grid) ** 2).sum())
    return 10 * math.log10(power / noise) if power > 0 and noise > 0 else None


def _weights(graph: Graph) -> dict[str, tuple[Grid | None, Reals]]:
    """Grid and constant weights of each layer that has them."""
    found: dict[str, tuple[Grid | None, Reals]] = {}
    for node in graph:
        if not isinstance(node.op, Conv | MatMul):
            continue
        for arg in node.args:
            grid = arg.op.grid if isinstance(arg.op, FakeQuant) else None
            source = arg.args[0] if grid is not None else arg
            if isinstance(source.op, Const):
                found[node.name] = (grid, np.asarray(source.op.value.data, np.float64))
    return found


def _constant(node: Node) -> bool:
    return isinstance(node.op, Const)


def _taken(grid: Grid) -> Ints:
    """Codes that the grid gives, rising."""
    if grid.levels is not None:
        return grid.levels.data.astype(np.int64)
    return np.arange(grid.clip.lo, grid.clip.hi + 1, grid.clip.step, dtype=np.int64)


def _levels(grid: Grid, codes: Ints) -> NDArray[np.float64]:
    """What codes stand for; without the scale where there are several."""
    if grid.scale.data.size == 1:
        real = codes - int(grid.zero_point.data.max())
        return np.asarray(real * float(grid.scale.data.max()), np.float64)
    return codes.astype(np.float64)


def _histogram(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Counts in equal bins from the least value to the largest."""
    flat = np.asarray(values, np.float64).ravel()
    lo, hi = float(flat.min()), float(flat.max())
    if lo == hi:
        lo, hi = lo - 0.5, hi + 0.5
    return np.histogram(flat, BINS, (lo, hi))
