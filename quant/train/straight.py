"""Straight-through estimators: a step going forward, something with a slope going back.

Bengio, Leonard, Courville, "Estimating or Propagating Gradients Through Stochastic Neurons", 2013.
Brevitas has these too (brevitas.function.ops_ste). They are written out here because ours must keep
the IR's rounding modes, save memory (the uniform quantizer makes one new tensor and goes over it in
place), and give the gradient of the step in closed form; torch is then all that training needs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def through(value: Tensor, slope: Tensor) -> Tensor:
    """``value`` exactly, with the gradient of ``slope``; small tensors."""
    return _Through.apply(value, slope)  # type: ignore[no-untyped-call, no-any-return]


class _Through(torch.autograd.Function):
    """Not ``slope + (value - slope).detach()``, which float32 rounds."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, slope: Tensor) -> Tensor:
        return value.detach().clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor]:
        return None, grads[0]


def clamped_sign(x: Tensor) -> Tensor:
    """-1 or +1 (at 0 too), with the slope of a clamp to -1 .. 1."""
    return through(torch.where(x >= 0, 1.0, -1.0), x.clamp(-1, 1))


def jump(x: Tensor) -> Tensor:
    """1 where x > 0, else 0, with slope 1 where abs(x) < 1/2."""
    return through((x > 0).float(), x.clamp(-0.5, 0.5))


def rounded(t: Tensor, rounding: str) -> Tensor:
    """Integers, by a rounding mode of gatesmith.ops.quantize; of ``t`` itself, in place."""
    match rounding:
        case "ROUND":
            return t.round_()
        case "CEIL":
            return t.ceil_()
        case "FLOOR":
            return t.floor_()
        case "ROUND_TO_ZERO":
            return t.trunc_()
        case "UP":
            return torch.copysign(t.abs().ceil_(), t)
        case "HALF_UP":
            return torch.copysign(t.abs().add_(0.5).floor_(), t)
        case "HALF_DOWN":
            return torch.copysign(t.abs().sub_(0.5).ceil_(), t)
        case "HALF_ODD":
            return t.sub_(1).round_().add_(1)
        case _:
            raise ValueError(f"no rounding mode {rounding!r}: add it in quant/train/straight.py")
