"""Fake quantizers with a learned scale, LSQ (Esser et al., 2020), as autograd functions.

    v = x / s,  y = s * clamp(round(v), lo, hi)
    dy/dx = 1 where lo < v < hi, else 0
    dy/ds = round(v) - v where lo < v < hi, else lo or hi

With m = dy/dx and the gradient g of the loss by y, the gradient by s is sum(g * (y - m * x)) / s;
for one scale these are two dot products. On a CPU large tensors are done in blocks that stay in the
cache; the straightforward form takes seven passes over memory and is several times slower.

The zero point z is even, so round(v + z) = round(v) + z, and it only moves the limits.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gatesmith.quant.train.straight import rounded

BLOCK = 1 << 17
"""Elements of a block: half a megabyte of float32."""


def uniform(
    x: Tensor,
    scale: Tensor,
    ends: tuple[float, float],
    rounding: str = "ROUND",
    slope: float = 1.0,
) -> Tensor:
    """``scale * clamp(round(x / scale), lo, hi)`` with one scale.

    Args:
        x: float32.
        scale: float32, one element.
        ends: Least and largest code, less the zero point.
        rounding: A mode of gatesmith.ops.quantize.
        slope: Factor of the gradient by the scale (LSQ, section 2.2).
    """
    return _Uniform.apply(x, scale, ends, rounding, slope)  # type: ignore[no-untyped-call, no-any-return]


def bipolar(x: Tensor, scale: Tensor, reach: float, slope: float = 1.0) -> Tensor:
    """``+-scale``, + at 0, with gradient 1 where abs(x) < reach * scale; one scale."""
    return _Bipolar.apply(x, scale, reach, slope)  # type: ignore[no-untyped-call, no-any-return]


def coded(x: Tensor, scale: Tensor, codes: Tensor, inside: Tensor, slope: float = 1.0) -> Tensor:
    """``scale * codes`` with dy/dx = ``inside``, and dy/ds as above.

    Args:
        x: float32.
        scale: float32, broadcasts to x.
        codes: float32 integers that were found for x.
        inside: Where x is between the outermost codes.
        slope: Factor of the gradient by the scale.
    """
    return _Coded.apply(x, scale, codes, inside, slope)  # type: ignore[no-untyped-call, no-any-return]


class _Uniform(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917 - torch passes no names
        ctx: Any,
        x: Tensor,
        scale: Tensor,
        ends: tuple[float, float],
        rounding: str,
        slope: float,
    ) -> Tensor:
        x, one = x.contiguous(), scale.reshape(())
        y = torch.empty_like(x)
        for part, out in zip(_blocks(x), _blocks(y), strict=True):
            torch.div(part, one, out=out)
            if rounding == "ROUND":
                out.round_()
            else:
                out.copy_(rounded(out, rounding))
            out.clamp_(*ends).mul_(one)
        ctx.save_for_backward(x, y, scale)
        ctx.ends, ctx.slope = ends, slope
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, y, scale = ctx.saved_tensors
        limits = (scale * ctx.ends[0], scale * ctx.ends[1])
        gx, gs = _gradients(grads[0], x, y, limits, wanted=ctx.needs_input_grad[1])
        gs = None if gs is None else (gs * ctx.slope / scale).reshape(scale.shape)
        return gx, gs, None, None, None


class _Bipolar(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, reach: float, slope: float) -> Tensor:
        x, one = x.contiguous(), scale.reshape(())
        y = torch.where(x >= 0, one, -one)
        ctx.save_for_backward(x, y, scale)
        ctx.reach, ctx.slope = reach, slope
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, y, scale = ctx.saved_tensors
        limit = scale * ctx.reach
        gx, _ = _gradients(grads[0], x, y, (-limit, limit), wanted=False)
        gs = None
        if ctx.needs_input_grad[1]:
            gs = (torch.dot(grads[0].reshape(-1), y.view(-1)) * ctx.slope / scale).reshape(
                scale.shape
            )
        return gx, gs, None, None


def _gradients(
    g: Tensor, x: Tensor, y: Tensor, limits: tuple[Tensor, Tensor], *, wanted: bool
) -> tuple[Tensor, Tensor | None]:
    """Gradient by x, 0 outside the limits and on them; sum(g * y - gx * x) where wanted."""
    g = g.contiguous()
    if g.device.type != "cpu":  # no number leaves the device
        gx = g * ((x > limits[0]) & (x < limits[1]))
        return gx, (g * y).sum() - (gx * x).sum() if wanted else None
    least, most = (float(limit) for limit in limits)
    gx = torch.empty_like(g)
    total = 0.0
    for g_part, x_part, y_part, out in zip(*map(_blocks, (g, x, y, gx)), strict=True):
        torch.ops.aten.hardtanh_backward.grad_input(g_part, x_part, least, most, grad_input=out)
        if wanted:
            total += float(torch.dot(g_part, y_part)) - float(torch.dot(out, x_part))
    return gx, torch.tensor(total) if wanted else None


def _blocks(x: Tensor) -> tuple[Tensor, ...]:
    flat = x.view(-1)
    whole = x.numel() <= BLOCK or x.device.type != "cpu"
    return (flat,) if whole else torch.split(flat, BLOCK)


class _Coded(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917 - torch passes no names
        ctx: Any, x: Tensor, scale: Tensor, codes: Tensor, inside: Tensor, slope: float
    ) -> Tensor:
        y = codes * scale
        ctx.save_for_backward(x, y, scale, inside)
        ctx.slope = slope
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, y, scale, inside = ctx.saved_tensors
        (g,) = grads
        gx = g * inside
        gs = None
        if ctx.needs_input_grad[1]:
            by_scale = (g * y).addcmul_(gx, x, value=-1)
            gs = by_scale.sum_to_size(scale.shape) * ctx.slope / scale
        return gx, gs, None, None, None
