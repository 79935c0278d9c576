"""Error bounds of sums and maxima over windows, and of what only moves elements (error_bound.py).

A convolution is a matrix product of windows: each of its sums has kh * kw * C / group products. A
mean is a sum and a division. A maximum is none of these: it lies between those of the lower and
the upper ends, whatever the runtime does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gatesmith.cpu_gpu_baselines.bounded import Bounded, common_grid, grid_of
from gatesmith.ir import Op, Reals
from gatesmith.ops.average_pool import AveragePool
from gatesmith.ops.concat import Concat
from gatesmith.ops.conv import Conv
from gatesmith.ops.pad import Pad
from gatesmith.ops.reduce import Reduce


def ran(op: Op, *args: Reals, constant: bool = False) -> Reals:
    """Result of an operator as float64; constants have no batch axis."""
    if constant:
        return np.asarray(op.run(*(arg[np.newaxis] for arg in args))[0], np.float64)
    return np.asarray(op.run(*args), np.float64)


def conv(op: Conv, x: Bounded, w: Bounded) -> Bounded:
    """Padding is exact: it adds nothing to any sum."""
    size = ran(op, x.size, w.size)
    carried = np.zeros_like(size)
    if x.carried.any():
        carried = carried + ran(op, x.carried, w.size)
    if w.carried.any():
        carried = carried + ran(op, x.size, w.carried)
    terms = int(np.prod(w.value.shape[:3]))
    grid = None if x.grid is None or w.grid is None else x.grid * w.grid
    roundings = x.roundings + w.roundings + terms
    return Bounded(ran(op, x.value, w.value), carried, size, roundings, grid)


def average(op: AveragePool | Reduce, x: Bounded) -> Bounded:
    """Sum or mean; the division is a rounding, or two where it is a product with 1 / n."""
    if isinstance(op, AveragePool):
        terms = op.kernel[0] * op.kernel[1]
        divisors = op.counts(x.value.shape[1:])
    else:
        terms = x.value.shape[-2]
        divisors = np.array(terms if op.kind == "mean" else 1)
    largest = int(divisors.max())
    dyadic = not (divisors & (divisors - 1)).any()
    grid = x.grid / largest if x.grid is not None and dyadic else None
    return Bounded(
        ran(op, x.value),
        ran(op, x.carried),
        ran(op, x.size),
        x.roundings + terms + (0 if largest == 1 else 2),
        grid,
    )


def between(op: Op, *args: Bounded, constant: bool = False) -> Bounded:
    """An operator that rises with every operand and gives one of their elements."""
    settled = [arg.settled() for arg in args]
    value = ran(op, *(arg.value for arg in settled), constant=constant)
    lower = ran(op, *(arg.value - arg.carried for arg in settled), constant=constant)
    upper = ran(op, *(arg.value + arg.carried for arg in settled), constant=constant)
    carried = np.maximum(upper - value, value - lower)
    grid = common_grid(settled) if all(arg.exact for arg in settled) else None
    return Bounded(value, carried, np.abs(value) + carried, 0, grid)


def concat(op: Concat, args: Sequence[Bounded], constant: bool) -> Bounded:
    """All parts together, with the roundings of the worst."""
    fields = ((a.value for a in args), (a.carried for a in args), (a.size for a in args))
    value, carried, size = (ran(op, *field, constant=constant) for field in fields)
    return Bounded(value, carried, size, max(a.roundings for a in args), common_grid(args))


def pad(op: Pad, x: Bounded, constant: bool) -> Bounded:
    """What is put there is exact."""
    grid = x.grid
    if grid is not None and op.value:
        grid = min(grid, grid_of(np.array([op.value])))
    return Bounded(
        ran(op, x.value, constant=constant),
        ran(replace(op, value=0.0), x.carried, constant=constant),
        ran(replace(op, value=abs(op.value)), x.size, constant=constant),
        x.roundings,
        grid,
    )


def move(op: Op, x: Bounded, constant: bool) -> Bounded:
    """The same elements elsewhere."""
    value, carried, size = (
        ran(op, array, constant=constant) for array in (x.value, x.carried, x.size)
    )
    return replace(x, value=value, carried=carried, size=size)
