"""Error bounds of functions of one number, and of LayerNorm (error_bound.py).

The computed argument lies within ``carried`` of the exact one. A function that only rises, or only
falls, there takes its results between those of the two ends; sin and cos change no faster than
their argument. To that comes what the runtime's own evaluation may be wrong by.
"""

from __future__ import annotations

import numpy as np

from gatesmith.cpu_gpu_baselines.bounded import Bounded, gamma, grid_of
from gatesmith.ir import Reals
from gatesmith.ops.function import MONOTONE, Function
from gatesmith.ops.layer_norm import LayerNorm
from gatesmith.ops.leaky_relu import LeakyRelu

EVALUATION = 64
"""Roundings that a runtime's own evaluation may be worth, of the result or (RELATIVE aside) of 1:
rational approximations of sigmoid, tanh and erf, which runtimes use, stop at an absolute error."""

RELATIVE = ("exp", "log", "sqrt", "reciprocal")
INTEGERS = ("floor", "ceil", "round", "step")


def function(op: Function, x: Bounded) -> Bounded:
    """See above; infinite where the argument may leave the domain, or the result overflow."""
    x = x.settled()
    value = np.asarray(op.run(x.value), np.float64)
    carried = _moved(op, x, value)
    if op.kind in INTEGERS:
        grid = 1.0 if not carried.any() else None
        return Bounded(value, carried, np.abs(value) + carried, 0, grid)
    scale = np.abs(value) + carried + (0.0 if op.kind in RELATIVE else 1.0)
    scale = np.where(scale < np.finfo(np.float32).max, scale, np.inf)  # exp overflows early
    carried = carried + gamma(EVALUATION) * scale + np.finfo(np.float32).tiny
    return Bounded(value, carried, np.abs(value) + carried)


def _moved(op: Function, x: Bounded, value: Reals) -> Reals:
    """How far the result moves when the argument does."""
    lower, upper = x.value - x.carried, x.value + x.carried
    if op.kind in ("sin", "cos"):
        return x.carried
    with np.errstate(invalid="ignore", over="ignore"):
        ends = [np.abs(np.asarray(op.run(end), np.float64) - value) for end in (lower, upper)]
        moved = np.maximum(*ends)
    broken = np.isnan(moved)
    if op.kind == "reciprocal":
        broken |= (lower <= 0) & (upper >= 0)
    elif op.kind == "tan":
        broken |= np.floor(lower / np.pi + 0.5) != np.floor(upper / np.pi + 0.5)
    elif op.kind == "cosh":
        lowest = (lower <= 0) & (upper >= 0)
        moved = np.where(lowest, np.maximum(moved, value - 1.0), moved)
    elif op.kind not in MONOTONE:
        raise TypeError(f"no error bound for {op.kind}: add one in function_bounds.py")
    return np.where(broken, np.inf, moved)


def leaky_relu(op: LeakyRelu, x: Bounded) -> Bounded:
    """Two lines: the furthest result is at an end of the interval, or at the corner, 0."""
    x = x.settled()
    value = np.asarray(op.run(x.value), np.float64)
    lower, upper = x.value - x.carried, x.value + x.carried
    moved = np.maximum(*(np.abs(np.asarray(op.run(end)) - value) for end in (lower, upper)))
    corner = (lower <= 0) & (upper >= 0)
    carried = np.maximum(moved, np.where(corner, np.abs(value), 0.0))
    slope = op.slope.data
    if np.isin(slope, (-1.0, 0.0, 1.0)).all():
        return Bounded(value, carried, np.abs(value) + carried, 0, x.grid)
    stored = (slope.astype(np.float32) == slope).all()  # one that the file computes is rounded
    grid = None
    if x.grid is not None and stored:
        grid = x.grid * min(1.0, grid_of(slope))
    return Bounded(value, carried, np.abs(value) + carried, 1 if stored else 9, grid)


def layer_norm(op: LayerNorm, x: Bounded) -> Bounded:
    """With d = x - mean and v = mean(d * d): y = d / sqrt(v + epsilon).

    d is wrong by the error of x, of the mean, and of n + 2 roundings. v is wrong by what that
    makes of it and by n + 8 roundings of mean(x * x): a runtime may compute mean(x * x) - mean
    squared. The result is then d / sqrt of a number between two ends.
    """
    x = x.settled()

    def mean(array: Reals) -> Reals:
        return np.asarray(array.mean(axis=-1, keepdims=True), np.float64)

    count = x.value.shape[-1]
    d = x.value - mean(x.value)
    v = mean(d * d)
    root = np.sqrt(v + op.epsilon)
    shift = x.carried + mean(x.carried)
    wrong = shift + gamma(count + 2) * (np.abs(d) + mean(x.size)) + gamma(1) * x.size
    spread = mean(2 * np.abs(d) * shift + shift * shift)
    spread = spread + gamma(count + 8) * 8 * mean(x.size * x.size)
    with np.errstate(divide="ignore", invalid="ignore"):
        least = np.sqrt(np.maximum(v + op.epsilon - spread, 0.0))
        carried = wrong / least + np.abs(d) * (1 / least - 1 / root)
        carried = carried + gamma(8) * (np.abs(d) + wrong) / least
    carried = np.where(np.isfinite(carried), carried, np.inf)
    value = d / root
    return Bounded(value, carried, np.abs(value) + carried)
