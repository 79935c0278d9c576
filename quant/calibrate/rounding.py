"""Weights rounded up or down so that the layer's output changes least.

The problem is AdaRound's (Nagel et al., 2020, "Up or Down?", equation 13): of all weights q on the
grid, least ``(w - q)' H (w - q)`` with H the second moments of the layer's inputs, for each output
channel by itself. Solved without gradients:

1. to the nearest;
2. in turn, each weight's error made up for by those not yet rounded (Frantar et al., 2022, "GPTQ",
   section 3: the Cholesky factor of the inverse of H);
3. both improved by coordinate descent: each weight in turn goes to the grid point that is best
   given all others, until nothing changes; this never makes it worse;
4. of those, and of the nearest itself, the best of each channel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Array, Reals
from gatesmith.ops.fake_quant import Grid
from gatesmith.quant.calibrate.patches import columns, uncolumns
from gatesmith.quant.calibrate.scales import all_pow2, exact_scale

Put: TypeAlias = Callable[[Reals], Reals]
"""Values in units of the scale to the nearest code, as floats."""

DAMPING = 0.01
"""Part of the mean of H's diagonal that is added to it: few frames say little of rare inputs."""

_SWEEPS = 6
_BLOCK = 64
"""Inputs that are rounded before the rest is told: a matrix product in place of many outer ones."""


def round_weights(
    w: Reals,
    grid: Grid,
    moments: Reals,
    group: int = 1,
    *,
    start: Reals | None = None,
    free: NDArray[np.bool_] | None = None,
) -> Reals:
    """Weights on the grid with the least output error; never more than that of the nearest.

    Args:
        w: (..., in, out), what is to be met.
        grid: Where weights may lie; its scale may differ from weight to weight.
        moments: H, the mean of x x' over rows of inputs: (groups, inputs of a sum, the same).
        group: Groups of the convolution.
        start: Weights on the grid to improve, in place of those of steps 1 and 2.
        free: Which weights may be other than 0; None: all. The others take over what these miss.
    """
    wanted = columns(w, group)
    scale = columns(np.broadcast_to(grid.scale.data, w.shape), group)
    mask = None if free is None else columns(free.astype(np.float64), group)
    round_ = _Round(putter(grid), scale, mask)
    mean = np.einsum("gii->g", moments)[:, None] / moments.shape[-1]
    damped = moments + _diagonal(np.where(mean > 0, DAMPING * mean, 1.0), moments.shape[-1])

    if start is not None:
        begun = columns(start, group)
        tries = [begun, _descend(wanted, begun, damped, round_)]
    else:
        nearest = round_(wanted)
        turn = _in_turn(wanted, damped, round_)
        tries = [nearest, *(_descend(wanted, q, damped, round_) for q in (nearest, turn))]
    errors = np.stack([output_error(wanted - q, moments) for q in tries])
    best = np.argmin(errors, axis=0)[None, :, None, :]
    chosen = np.take_along_axis(np.stack(tries), np.broadcast_to(best, (1, *wanted.shape)), 0)[0]
    return uncolumns(chosen, w.shape)


def refit(w: Reals, q: Reals, grid: Grid, moments: Reals, group: int = 1) -> Grid | None:
    """The grid with the scales that suit the codes of ``q`` best, for the least output error.

    None for scales that are powers of two or differ within a channel: those stay.
    """
    scale = grid.scale.data
    channels = w.shape[-1]
    if scale.shape not in ((), (channels,)) or all_pow2(scale):
        return None
    off, codes = columns(w, group), columns(grid.codes(q).astype(np.float64), group)
    pulled = moments @ codes
    power = (codes * pulled).sum(axis=1).reshape(-1)
    fit = (off * pulled).sum(axis=1).reshape(-1)
    if scale.ndim == 0:
        power, fit = power.sum(), fit.sum()
    good = (power > 0) & (fit > 0)
    best = np.where(good, fit / np.where(good, power, 1.0), scale)
    return replace(grid, scale=Array(exact_scale(best, grid.clip)))


def output_error(off: Reals, moments: Reals) -> Reals:
    """Mean squared error of each output for weights that are off: (groups, outputs of a group)."""
    return np.asarray((off * (moments @ off)).sum(axis=1))


def putter(grid: Grid) -> Put:
    """The grid's rounding to the nearest, in units of its scale."""
    if grid.kind == "bipolar":
        return lambda t: np.where(t >= 0, 1.0, -1.0)
    if grid.levels is None:
        lo, hi = grid.clip.lo, grid.clip.hi
        return lambda t: np.minimum(np.maximum(np.rint(t), lo), hi)
    levels = grid.levels.data.astype(np.float64)
    middles = (levels[1:] + levels[:-1]) / 2
    return lambda t: levels[np.searchsorted(middles, t)]


@dataclass(frozen=True, slots=True, eq=False)
class _Round:
    """To the nearest value of the grid: (groups, inputs, outputs), or one input of them all.

    Attributes:
        put: In units of the scale.
        scale: Of each weight.
        free: 1 for weights that may be other than 0, else 0; None: all may.
    """

    put: Put
    scale: Reals
    free: Reals | None

    def __call__(self, w: Reals, at: int | None = None) -> Reals:
        """Of all weights, or of those of input ``at``."""
        scale = self.scale if at is None else self.scale[:, at]
        rounded = self.put(w / scale) * scale
        if self.free is None:
            return rounded
        return rounded * (self.free if at is None else self.free[:, at])


def _diagonal(values: Reals, size: int) -> Reals:
    """Diagonal matrices of one value each: (groups, 1) to (groups, size, size)."""
    return np.asarray(values[:, :, None] * np.eye(size))


def _in_turn(wanted: Reals, moments: Reals, round_: _Round) -> Reals:
    """Step 2, block by block."""
    upper = np.linalg.cholesky(np.linalg.inv(moments)).transpose(0, 2, 1)
    left, result = wanted.copy(), np.empty_like(wanted)
    size = wanted.shape[1]
    for first in range(0, size, _BLOCK):
        last = min(first + _BLOCK, size)
        errors = np.empty_like(wanted[:, first:last])
        for i in range(first, last):
            result[:, i] = round_(left[:, i], i)
            error = (left[:, i] - result[:, i]) / upper[:, i, i, None]
            left[:, i:last] -= upper[:, i, i:last, None] * error[:, None]
            errors[:, i - first] = error
        left[:, last:] -= upper[:, first:last, last:].transpose(0, 2, 1) @ errors
    return result


def _descend(wanted: Reals, start: Reals, moments: Reals, round_: _Round) -> Reals:
    """Step 3. The gradient of all weights is kept up to date, H (w - q)."""
    q = start.copy()
    slope = moments @ (wanted - q)
    power = np.einsum("gii->gi", moments)[:, :, None]
    size = wanted.shape[1]
    for _ in range(_SWEEPS):
        changed = False
        for first in range(0, size, _BLOCK):
            last = min(first + _BLOCK, size)
            steps = np.empty_like(q[:, first:last])
            for i in range(first, last):
                ideal = q[:, i] + slope[:, i] / power[:, i]
                step = round_(ideal, i) - q[:, i]
                steps[:, i - first] = step
                q[:, i] += step
                slope[:, first:last] -= moments[:, i, first:last, None] * step[:, None]
            if steps.any():
                changed = True
                within = slope[:, first:last].copy()  # has been told
                slope -= moments[:, :, first:last] @ steps
                slope[:, first:last] = within
        if not changed:
            break
    return q
