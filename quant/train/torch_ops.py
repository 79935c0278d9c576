"""Each operator of real graphs as a torch function, for training; float32.

A tensor has the IR's shape behind the batch axis, channels last. Convolutions and pools see it
through permuted views, which is torch's channels_last memory format: nothing is copied.

Codes (Quantize, BipolarQuant) are float32 integers: up to 16 bits they are exact. Functions that
are flat or jump pass the gradient as if they were the identity (straight-through estimator,
Bengio et al., 2013, section 4), sign-like ones only near the jump.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own habit

from gatesmith.errors import UserError, raise_all
from gatesmith.ir import Array, Node, Op
from gatesmith.ops.add import Add
from gatesmith.ops.average_pool import AveragePool
from gatesmith.ops.bipolar_quant import BipolarQuant
from gatesmith.ops.clip import Clip
from gatesmith.ops.concat import Concat
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.div import Div
from gatesmith.ops.fake_quant import FakeQuant
from gatesmith.ops.function import Function
from gatesmith.ops.input import Input
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
from gatesmith.ops.sign import Sign
from gatesmith.ops.softmax import Softmax
from gatesmith.ops.sub import Sub
from gatesmith.ops.take import Take
from gatesmith.ops.transpose import Transpose
from gatesmith.quant.train.straight import clamped_sign, jump, rounded, through

TorchOp: TypeAlias = Callable[..., Tensor]

OPS: dict[type[Op], TorchOp] = {}
"""Function (op, *arguments) of each operator; constants come without the batch axis."""

BY_MODULE: tuple[type[Op], ...] = (Input, Const, FakeQuant)
"""What module.py supplies itself: values from outside, parameters, trainable quantizers."""


def check(nodes: Iterable[Node]) -> None:
    """UserError quantize.no-fake-quant for every node that has no gradient."""
    raise_all(
        [
            UserError(
                "quantize.no-fake-quant",
                f"{node.name} ({type(node.op).__name__}) cannot be trained through",
                where=", ".join(node.origin) or node.name,
                why="it works on integers and has no gradient",
                fix=(
                    "train the float model, or one with Quant / QuantizeLinear nodes",
                    "cut the model in front of this node and leave it to the host",
                ),
            )
            for node in nodes
            if type(node.op) not in OPS and not isinstance(node.op, BY_MODULE)
        ]
    )


def op(cls: type[Op]) -> Callable[[TorchOp], TorchOp]:
    """Register the function of an operator."""

    def add(function: TorchOp) -> TorchOp:
        OPS[cls] = function
        return function

    return add


@lru_cache(maxsize=256)
def constant(array: Array, device: torch.device) -> Tensor:
    """An attribute as float32, or int64, on a device; once."""
    kind = torch.int64 if array.data.dtype == np.int64 else torch.float32
    return torch.tensor(array.data, dtype=kind, device=device)


OPS[Add] = lambda _op, a, b: a + b
OPS[Sub] = lambda _op, a, b: a - b
OPS[Mul] = lambda _op, a, b: a * b
OPS[Div] = lambda _op, a, b: a / b
OPS[MatMul] = lambda _op, x, w: x @ w
OPS[Relu] = lambda _op, x: torch.relu(x)
OPS[Reshape] = lambda op, x: x.reshape(x.shape[0], *op.shape)
OPS[Transpose] = lambda op, x: x.permute(0, *(axis + 1 for axis in op.perm))
OPS[Clip] = lambda op, x: x.clamp(min=op.lo).clamp(max=op.hi)  # in this order, see clip.py
OPS[Sign] = lambda _op, x: through(torch.sign(x), x.clamp(-1, 1))
OPS[BipolarQuant] = lambda _op, x: clamped_sign(x)
OPS[Take] = lambda op, x: x.index_select(op.axis + 1, constant(op.index, x.device))
OPS[LayerNorm] = lambda op, x: F.layer_norm(x, x.shape[-1:], eps=op.epsilon)


@op(Conv)
def conv(op: Conv, x: Tensor, w: Tensor, bias: Tensor | None = None) -> Tensor:
    """(N, H, W, C) and (kh, kw, C / group, O) to (N, H', W', O)."""
    top, left, bottom, right = op.pads
    maps = x.permute(0, 3, 1, 2)
    padding = (top, left)
    if (top, left) != (bottom, right):
        maps, padding = F.pad(maps, (left, right, top, bottom)), (0, 0)
    taps = w.permute(3, 2, 0, 1)
    y = F.conv2d(maps, taps, bias, op.strides, padding, op.dilations, op.group)
    return y.permute(0, 2, 3, 1)


@op(AveragePool)
def _average_pool(op: AveragePool, x: Tensor) -> Tensor:
    maps = x.permute(0, 3, 1, 2)
    if any(op.pads):
        top, left, bottom, right = op.pads
        maps = F.pad(maps, (left, right, top, bottom))
    taps = math.prod(op.kernel)
    if op.dilations == (1, 1):
        y = F.avg_pool2d(maps, op.kernel, op.strides)
    else:
        channels = x.shape[-1]
        ones = torch.full((channels, 1, *op.kernel), 1.0 / taps, device=x.device)
        y = F.conv2d(maps, ones, None, op.strides, 0, op.dilations, channels)
    counts = op.counts(tuple(x.shape[1:]))
    if (counts != taps).any():
        y = y * torch.tensor(taps / counts, dtype=torch.float32, device=x.device)
    return y.permute(0, 2, 3, 1)


@op(MaxPool)
def _max_pool(op: MaxPool, x: Tensor) -> Tensor:
    maps = x.permute(0, 3, 1, 2)
    if any(op.pads):
        top, left, bottom, right = op.pads
        maps = F.pad(maps, (left, right, top, bottom), value=-math.inf)
    y = F.max_pool2d(maps, op.kernel, op.strides, 0, op.dilations)
    return y.permute(0, 2, 3, 1)


@op(Reduce)
def _reduce(op: Reduce, x: Tensor) -> Tensor:
    match op.kind:
        case "sum":
            return x.sum(-2)
        case "mean":
            return x.mean(-2)
        case "max":
            return x.amax(-2)
        case "min":
            return x.amin(-2)


@op(Concat)
def _concat(op: Concat, *args: Tensor) -> Tensor:
    rank = max(arg.ndim for arg in args)
    frames = next(len(arg) for arg in args if arg.ndim == rank)
    whole = [a if a.ndim == rank else a.expand(frames, *a.shape) for a in args]
    return torch.cat(whole, op.axis + 1)


@op(Pad)
def _pad(op: Pad, x: Tensor) -> Tensor:
    sides = list(zip(x.shape[1:], op.before, op.after, op.interior, strict=True))
    if not any(op.interior):
        flat = [side for _, a, b, _ in reversed(sides) for side in (a, b)]
        return F.pad(x, flat, value=op.value)
    shape = [a + n + (n - 1) * between + b for n, a, b, between in sides]
    at = tuple(slice(a, a + n + (n - 1) * between, 1 + between) for n, a, _, between in sides)
    y = x.new_full((len(x), *shape), op.value)
    y[(slice(None), *at)] = x
    return y


@op(LeakyRelu)
def _leaky_relu(op: LeakyRelu, x: Tensor) -> Tensor:
    return torch.where(x >= 0, x, constant(op.slope, x.device) * x)


@op(Select)
def _select(op: Select, a: Tensor, b: Tensor) -> Tensor:
    return torch.maximum(a, b) if op.kind == "max" else torch.minimum(a, b)


@op(Softmax)
def _softmax(op: Softmax, x: Tensor) -> Tensor:
    flat = x.flatten(x.ndim - op.axes)
    return torch.softmax(flat, -1).reshape(x.shape)


@op(Quantize)
def _quantize(op: Quantize, x: Tensor) -> Tensor:
    scale, zero = constant(op.scale, x.device), constant(op.zero_point, x.device)
    t = (x / scale + zero).clamp(op.clip.lo, op.clip.hi)
    return through(
        rounded((x / scale + zero).detach(), op.rounding).clamp(op.clip.lo, op.clip.hi), t
    )


@op(Dequantize)
def _dequantize(op: Dequantize, x: Tensor) -> Tensor:
    y = x * constant(op.scale, x.device) + constant(op.offset, x.device)
    return y if op.denominator == 1 else y / op.denominator


_SAME = (
    *("sigmoid", "tanh", "exp", "log", "sqrt", "erf", "reciprocal", "sin", "cos", "tan"),
    *("asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh"),
)
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    **{kind: getattr(torch, kind) for kind in _SAME},
    "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
    "floor": lambda x: through(torch.floor(x), x),
    "ceil": lambda x: through(torch.ceil(x), x),
    "round": lambda x: through(torch.round(x), x),
    "step": jump,
}
"""Every kind of gatesmith.ops.function."""


@op(Function)
def _function(op: Function, x: Tensor) -> Tensor:
    return FUNCTIONS[op.kind](x)


def run(op: Op, *args: Any) -> Tensor:
    """Value of an operator."""
    return OPS[type(op)](op, *args)
