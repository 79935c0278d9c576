"""How far a float32 runtime can be from the exact value of a tensor.

Running error analysis over the real IR, element by element, from settled tensors on. u is 2**-24,
the unit roundoff of float32, and gamma(k) = k u / (1 - k u).

1. A tensor that the runtime holds (the node has an ONNX tensor) is *settled*: |runtime - value| <=
   carried.
2. Between settled tensors lie sums and products of settled tensors, of which the runtime may do any
   in another order: batch norm as x * a + (b - mean * a) or a * (x - mean) + b, a bias before or
   after the products it is added to. Multiplied out, the result is a sum of products, and each of
   them goes through at most ``roundings`` roundings, the number of operations. So the computed
   result is the sum of the products times (1 + theta), |theta| <= gamma(roundings) each (Higham,
   Accuracy and Stability of Numerical Algorithms, 2nd ed., lemma 3.1 and section 3.1 for the inner
   product in any order), and

       |runtime - value| <= carried + gamma(roundings) * size

   where ``size`` is the same expression with every operand replaced by its largest magnitude, and
   ``carried`` is what the operands' own errors become. Fused multiply-add rounds less often.
3. Where all operands are known to be exact multiples of a power of two and ``size`` is at most
   2**24 times the product of these, every partial sum is a float32 in any order: no error at all.
   That is the case for matrix products of bipolar and few-bit integers.
4. Relu and Clip do not enlarge an error; a division is a product with a reciprocal. Maxima and
   functions: see window_bounds.py and function_bounds.py.
5. A constant of the file is known exactly. One that the runtime computes from others is known
   from the runtime, where it can be read; in any case it must be near the IR's (gamma(DERIVED)).

Overflow and underflow of float32 are not modelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.cpu_gpu_baselines import function_bounds, window_bounds
from gatesmith.cpu_gpu_baselines.bounded import UNIT, Bounded, gamma, grid_of
from gatesmith.ir import Node, Op, Reals
from gatesmith.ops.add import Add
from gatesmith.ops.average_pool import AveragePool
from gatesmith.ops.clip import Clip
from gatesmith.ops.concat import Concat
from gatesmith.ops.conv import Conv
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.div import Div
from gatesmith.ops.function import Function
from gatesmith.ops.layer_norm import LayerNorm
from gatesmith.ops.leaky_relu import LeakyRelu
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.mul import Mul
from gatesmith.ops.pad import Pad
from gatesmith.ops.quantize import Quantize
from gatesmith.ops.reduce import Reduce
from gatesmith.ops.relu import Relu
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.select import Select
from gatesmith.ops.softmax import Softmax
from gatesmith.ops.sub import Sub
from gatesmith.ops.take import Take
from gatesmith.ops.transpose import Transpose

__all__ = [
    "DERIVED",
    "Bounded",
    "constant",
    "constant_limit",
    "dequantized",
    "gamma",
    "grid_of",
    "known",
    "quantizer_error",
    "step",
]

DERIVED = 8
"""Roundings in a constant that the runtime computes: var + eps, root, reciprocal, product, ..."""

EXP = 64
"""Roundings that a runtime's exp may take; onnxruntime's and NumPy's stay below 8 ulp."""


def known(value: Reals, runtime: NDArray[Any] | None, limit: Reals, grid: float | None) -> Bounded:
    """A settled tensor whose exact value is ``value``.

    Args:
        value: The exact value, to float64.
        runtime: The runtime's float32 value, if it can be read; its error is then measured.
        limit: Most error to believe in: a larger one is the IR's fault and not float32's.
        grid: Power of two of which ``value`` is exactly a multiple, if known.
    """
    if runtime is None:
        return Bounded(value, limit, np.abs(value) + limit)
    measured = np.abs(runtime.astype(np.float64).reshape(value.shape) - value)
    if grid is not None and not measured.any():
        return Bounded(value, measured, np.abs(value), 0, grid)
    carried = np.minimum(measured + 2.0**-50 * np.abs(value), limit)
    return Bounded(value, carried, np.abs(value) + carried)


def constant(value: Reals, runtime: NDArray[Any] | None) -> Bounded:
    """A real constant (point 5).

    One that cannot be read is batch norm's gamma / sqrt(var + eps), whose error is relative.
    """
    if runtime is None:
        return known(value, None, gamma(DERIVED) * np.abs(value), None)
    return known(value, runtime, constant_limit(value), grid_of(value))


def constant_limit(value: Reals) -> Reals:
    """Most that float32 rounding can make of a constant that the file's own nodes compute.

    It may be the small difference of large ones, so the limit is that of the largest element.
    """
    return np.full(value.shape, gamma(DERIVED) * np.abs(value).max(initial=0.0))


def dequantized(op: Dequantize, codes: NDArray[Any], runtime: NDArray[Any] | None) -> Bounded:
    """What codes stand for; the runtime rounds the scale, the product and the sum."""
    value = np.asarray(op.run(codes), np.float64)
    terms = np.abs(codes * op.scale.data) + np.abs(op.offset.data)
    grid = None
    if op.denominator & (op.denominator - 1) == 0:
        ends = np.concatenate([op.scale.data.ravel(), op.offset.data.ravel()])
        grid = grid_of(ends.astype(np.float64)) / op.denominator
    return known(value, runtime, gamma(DERIVED) * terms / op.denominator, grid)


def quantizer_error(op: Op, x: Bounded) -> Reals:
    """Error at a quantizer's step function, its own arithmetic included, in units of its input.

    Quantize divides by the scale (which may be a derived constant) and adds the zero point; a
    rounding mode may add a half. The other quantizers compare at once.
    """
    if not isinstance(op, Quantize):
        return x.error
    offset = op.scale.data * (np.abs(op.zero_point.data) + 1)
    own: Reals = gamma(DERIVED + 4) * (np.abs(x.value) + x.error + offset)
    return x.error + own


def step(node: Node, args: Sequence[Bounded], constant: bool = False) -> Bounded:
    """Bound at a node from bounds at its arguments; ``constant``: without a batch axis."""
    with np.errstate(divide="ignore", invalid="ignore"):  # infinite bounds: see Bounded
        bound = _unsettled(node, args, constant)
    return bound if node.tensor is None else bound.settled()


def _unsettled(node: Node, args: Sequence[Bounded], constant: bool) -> Bounded:
    bound: Bounded
    match node.op:
        case Add() | Sub():
            bound = _add(node.op, *args)
        case Mul():
            bound = _mul(*args)
        case Div():
            bound = _div(*args)
        case MatMul():
            bound = _mat_mul(*args)
        case Relu() | Clip():
            bound = _clip(node.op, *args)
        case Softmax():
            bound = _softmax(node.op, *args)
        case Conv():
            bound = window_bounds.conv(node.op, *args)
        case AveragePool() | Reduce(kind="sum" | "mean"):
            bound = window_bounds.average(node.op, *args)
        case MaxPool() | Reduce() | Select():
            bound = window_bounds.between(node.op, *args, constant=constant)
        case Concat():
            bound = window_bounds.concat(node.op, args, constant)
        case Pad():
            bound = window_bounds.pad(node.op, args[0], constant)
        case LeakyRelu():
            bound = function_bounds.leaky_relu(node.op, *args)
        case Function():
            bound = function_bounds.function(node.op, *args)
        case LayerNorm():
            bound = function_bounds.layer_norm(node.op, *args)
        case Reshape() | Transpose() | Take():
            bound = window_bounds.move(node.op, args[0], constant)
        case _:
            kind = type(node.op).__name__
            raise TypeError(f"no error bound for {kind}: add one in error_bound.py")
    return bound


def _grids(a: Bounded, b: Bounded) -> tuple[float, float] | None:
    return None if a.grid is None or b.grid is None else (a.grid, b.grid)


def _add(op: Add | Sub, a: Bounded, b: Bounded) -> Bounded:
    grids = _grids(a, b)
    return Bounded(
        np.asarray(op.run(a.value, b.value), np.float64),
        a.carried + b.carried,
        a.size + b.size,
        a.roundings + b.roundings + 1,
        grids and min(grids),
    )


def _mul(a: Bounded, b: Bounded) -> Bounded:
    grids = _grids(a, b)
    return Bounded(
        a.value * b.value,
        a.carried * b.size + a.size * b.carried,
        a.size * b.size,
        a.roundings + b.roundings + 1,
        grids and grids[0] * grids[1],
    )


def _div(a: Bounded, b: Bounded) -> Bounded:
    b = b.settled()
    value = a.value / b.value
    least = np.maximum(np.abs(b.value) - b.carried, 0.0)
    carried = (a.carried + np.abs(value) * b.carried) / least
    size = a.size / least
    return Bounded(value, carried, size, a.roundings + 2)


def _mat_mul(x: Bounded, w: Bounded) -> Bounded:
    grids = _grids(x, w)
    size = x.size @ w.size
    carried = np.zeros_like(size)
    if x.carried.any():
        carried = carried + x.carried @ w.size
    if w.carried.any():
        carried = carried + x.size @ w.carried
    return Bounded(
        x.value @ w.value,
        carried,
        size,
        x.roundings + w.roundings + w.value.shape[0],
        grids and grids[0] * grids[1],
    )


def _clip(op: Relu | Clip, x: Bounded) -> Bounded:
    x = x.settled()
    value = np.asarray(op.run(x.value), np.float64)
    # Where the whole interval is clipped to one point, no error is left.
    ends = op.run(x.value - x.carried), op.run(x.value + x.carried)
    carried = np.where(ends[0] == ends[1], 0.0, x.carried)
    grid = x.grid if isinstance(op, Relu) else None
    return Bounded(value, carried, np.abs(value) + carried, 0, grid)


def _softmax(op: Softmax, x: Bounded) -> Bounded:
    x = x.settled()
    value = np.asarray(op.run(x.value), np.float64)
    over = tuple(range(-op.axes, 0))
    # exp(x - max) moves by the errors of both and by the rounding of the difference.
    spread = x.size.max(axis=over, keepdims=True)
    moved = 2 * x.carried.max(axis=over, keepdims=True) + 4 * UNIT * spread
    terms = int(np.prod(x.value.shape[-op.axes :]))
    carried = value * np.expm1(moved + gamma(terms + EXP)) + np.finfo(np.float32).tiny
    return Bounded(value, carried, value + carried)
