"""Grids of weights, and the weights on them, each with the least squared error.

    int       one scale a tensor, channel, or group of inputs; by search, or so that nothing is cut
    bipolar   XNOR-Net: the mean magnitude (Rastegari et al., 2016, section 3.1)
    ternary   TWN's problem (Li et al., 2016, section 2.2), solved exactly by sorting
    ttq       a scale for each sign, the same way (the form of TTQ, Zhu et al., 2017)
    pow2      a scale times powers of two or sums of two of them (LightNN, Ding et al., 2017)
    codebook  shared values (Han et al., 2016, section 3): of all choices of N codes of 8 bits the
              best one, by dynamic programming (levels.py)

Weights have their output channels on the last axis and their inputs on the one before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from gatesmith.ir import BIPOLAR, TERNARY, Array, IntType, Reals
from gatesmith.ops.fake_quant import Grid
from gatesmith.quant.calibrate.levels import (
    codebook_levels,
    pow2_levels,
    ternary_scales,
    two_scales,
)
from gatesmith.quant.calibrate.scales import exact_scale, pow2_below
from gatesmith.quant.prepare.scheme import MOST_BITS, Scheme

METHODS = ("mse", "max")

_STEPS = 16
"""Scales tried an octave."""

_FINER = 8
"""Scales tried between the best of those and its neighbours: the error of 8 bits is rugged."""

Nearest: TypeAlias = Callable[[Reals], Reals]
"""Values in units of the scale to their codes, as floats."""


def weight_grid(
    w: Reals, scheme: Scheme, method: str = "mse", importance: Reals | None = None
) -> tuple[Grid, Reals]:
    """A grid for weights, and the weights on it: float32 numbers, kept in float64.

    Args:
        w: (..., in, out), finite.
        scheme: What the grid shall be.
        method: Of ``int`` grids: ``mse``, the scale of least squared error, or ``max``, that of the
            largest weight.
        importance: How much a squared error counts, broadcasts to ``w``; all the same if None.

    >>> grid, snapped = weight_grid(np.array([[3.0], [-1.0]]), Scheme.parse("int2", weight=True))
    >>> grid.scale.data, snapped.ravel()
    (array([3.]), array([3., 0.]))
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method}")
    if not np.isfinite(w).all():
        raise ValueError("weights must be finite")
    weight = np.ones_like(w) if importance is None else np.broadcast_to(importance, w.shape)
    grid = _grid(w, scheme, method, weight)
    return grid, grid.fake(w)


def _grid(w: Reals, scheme: Scheme, method: str, importance: Reals) -> Grid:
    match scheme.kind:
        case "int":
            return _int(w, scheme, method, importance)
        case "bipolar":
            columns, cost = _columns(w, scheme), _columns(importance, scheme)
            mean = (np.abs(columns) * cost).sum(0) / np.maximum(cost.sum(0), 1e-300)
            scale = _rounded(_alive(mean), scheme, BIPOLAR)
            return Grid("bipolar", BIPOLAR, _scale_array(scale, scheme))
        case "ternary" if scheme.two_scales:
            scale, levels = two_scales(w.ravel(), importance.ravel(), pow2=scheme.pow2_scale)
            return Grid("ternary", _span(levels), Array(scale), levels=Array(levels))
        case "ternary":
            columns, cost = _columns(w, scheme), _columns(importance, scheme)
            if scheme.pow2_scale:
                scale = _search(columns, cost, scheme, TERNARY, _rounder(TERNARY))
            else:
                scale = exact_scale(_alive(ternary_scales(columns, cost)), TERNARY)
            return Grid("ternary", TERNARY, _scale_array(scale, scheme))
        case "pow2":
            levels = pow2_levels(scheme.bits, scheme.terms)
            clip = _span(levels)
            columns, cost = _columns(w, scheme), _columns(importance, scheme)
            scale = _search(columns, cost, scheme, clip, _chooser(levels))
            return Grid("pow2", clip, _scale_array(scale, scheme), levels=Array(levels))
        case "codebook":
            entries = scheme.entries or 1 << scheme.bits
            scale, levels = codebook_levels(
                w.ravel(), importance.ravel(), entries, pow2=scheme.pow2_scale
            )
            return Grid("codebook", IntType(-128, 127), Array(scale), levels=Array(levels))
    raise ValueError(f"weights are not {scheme.kind}: add it to quant/calibrate/weights.py")


def _span(levels: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> IntType:
    most = int(np.abs(levels).max())
    return IntType(-most, most)


def _columns(w: Reals, scheme: Scheme) -> Reals:
    """(weights of one scale, scales)."""
    return w.reshape(-1, 1 if scheme.per == "tensor" else w.shape[-1])


def _scale_array(scale: Reals, scheme: Scheme) -> Array:
    return Array(scale[0] if scheme.per == "tensor" else scale)


def _alive(scales: Reals) -> Reals:
    """What has no scale, as it is all zero, gets the largest of the others, or 1."""
    return np.where(scales > 0, scales, scales.max(initial=0.0) or 1.0)


def _rounded(scale: Reals, scheme: Scheme, clip: IntType) -> Reals:
    if not scheme.pow2_scale:
        return exact_scale(scale, clip)
    below = pow2_below(scale)
    return np.where(scale < 1.5 * below, below, 2 * below)


def _rounder(clip: IntType) -> Nearest:
    return lambda t: np.clip(np.rint(t), clip.lo, clip.hi)


def _chooser(levels: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Nearest:
    middles = (levels[1:] + levels[:-1]) / 2
    values = levels.astype(np.float64)
    return lambda t: values[np.searchsorted(middles, t)]


def _int(w: Reals, scheme: Scheme, method: str, importance: Reals) -> Grid:
    half = 1 << (scheme.bits - 1)
    clip = IntType(1 - half if scheme.narrow else -half, half - 1)
    if scheme.per == "group":
        scale = _grouped(w, scheme, clip, method, importance)
        return Grid("int", clip, Array(scale))
    columns = _columns(w, scheme)
    if method == "max":
        scale = _reaching(columns, clip)
        if scheme.pow2_scale:
            below = pow2_below(scale)
            scale = np.where(scale > below, 2 * below, below)
        return Grid("int", clip, _scale_array(exact_scale(scale, clip), scheme))
    scale = _search(columns, _columns(importance, scheme), scheme, clip, _rounder(clip))
    return Grid("int", clip, _scale_array(scale, scheme))


def _reaching(columns: Reals, clip: IntType) -> Reals:
    """Least scale of each column (axis 0) with which nothing is cut off."""
    above = columns.max(axis=0, initial=0.0) / clip.hi
    below = columns.min(axis=0, initial=0.0) / clip.lo
    return _alive(np.maximum(above, below))


def _octaves(clip: IntType) -> int:
    """How far below the largest weight to search: wide grids cut little."""
    return 2 if clip.bits >= 7 else 4


def _search(
    columns: Reals, importance: Reals, scheme: Scheme, clip: IntType, nearest: Nearest
) -> Reals:
    """Scale of least squared error of each column.

    The best of many, then in turn the best for the codes that it gave, which never makes it worse
    (Lloyd).
    """
    largest = _reaching(columns, clip)
    best, least = largest, np.full(columns.shape[1], np.inf)

    def keep(scale: Reals) -> tuple[Reals, Reals]:
        """The scale of each column that is better, and its error."""
        error = _error(columns, importance, nearest, scale)
        better = error < least
        return np.where(better, scale, best), np.where(better, error, least)

    if scheme.pow2_scale:
        below = pow2_below(largest)
        tries = [below * 2.0**-k for k in range(-1, _octaves(clip) + 3)]
    else:
        steps = range(_octaves(clip) * _STEPS + 1)
        tries = [exact_scale(largest * 2.0 ** (-k / _STEPS), clip) for k in steps]
    for scale in tries:
        best, least = keep(scale)
    coarse = best
    if scheme.pow2_scale:
        return best
    for step in range(-_FINER, _FINER + 1):
        best, least = keep(exact_scale(coarse * 2.0 ** (step / _STEPS / _FINER), clip))
    for _ in range(4):
        codes = nearest(columns / best)
        power = (importance * codes * codes).sum(0)
        fit = (importance * codes * columns).sum(0) / np.where(power > 0, power, 1)
        scale = exact_scale(np.where(fit > 0, fit, best), clip)
        best, least = keep(scale)
    return best


def _error(columns: Reals, importance: Reals, nearest: Nearest, scale: Reals) -> Reals:
    off = columns - nearest(columns / scale) * scale
    return np.asarray((importance * off * off).sum(axis=0))


def _grouped(w: Reals, scheme: Scheme, clip: IntType, method: str, importance: Reals) -> Reals:
    """Scale of every input and output, (in, out); the taps of a kernel share it.

    Scales of a channel are powers of two times its smallest, and so near it that its weights are
    integers of 16 bits of that: lowering finds one grid for the channel (quant/grid.py). For each
    channel the best base of an octave, for each group its best power of two below it.
    """
    parts, cost = _tiles(w, scheme.group), _tiles(importance, scheme.group)
    largest = np.maximum(parts.max(0) / clip.hi, parts.min(0) / clip.lo)  # (groups, out)
    top = _alive(largest.max(axis=0))
    nearest = _rounder(clip)
    bases = 1 if scheme.pow2_scale else _STEPS // 2
    best, least = np.ones_like(largest), np.full(largest.shape[1], np.inf)
    for step in range(bases):
        base = exact_scale(top * 2.0 ** (step / bases), clip)
        if scheme.pow2_scale:
            base = 2 * pow2_below(top)
        scale, error = np.zeros_like(largest), np.full(largest.shape, np.inf)
        for power in range(MOST_BITS - scheme.bits + 1):
            tried = np.broadcast_to(base * 2.0**-power, largest.shape)
            now = _error(parts, cost, nearest, tried)
            if method == "max":  # nothing cut, but for what rounding the scale does
                now = np.where(largest <= tried * (1 + 2.0**-8), now, np.inf)
            better = now < error
            scale, error = np.where(better, tried, scale), np.where(better, now, error)
        total = error.sum(axis=0)
        best, least = np.where(total < least, scale, best), np.minimum(total, least)
    return np.repeat(best, scheme.group, axis=0)[: w.shape[-2]]


def _tiles(w: Reals, group: int) -> Reals:
    """(weights of one scale, groups, out) of (..., in, out); zeros fill the last group."""
    inputs, outputs = w.shape[-2:]
    groups = -(-inputs // group)
    pad = [(0, 0)] * (w.ndim - 2) + [(0, groups * group - inputs), (0, 0)]
    split = np.pad(w, pad).reshape(-1, groups, group, outputs)
    return np.ascontiguousarray(split.transpose(0, 2, 1, 3)).reshape(-1, groups, outputs)
