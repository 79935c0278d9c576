"""Pad with a constant: a Gather that fills in the integer that stands for it."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

import numpy as np

from gatesmith.ir import Ints, Node
from gatesmith.ops.pad import Pad
from gatesmith.quant.form import Form, Rationals, Scale, rational
from gatesmith.quant.layout import gather, nearest_axes, out_of_axes
from gatesmith.quant.product import filled, quantized_input
from gatesmith.quant.rules import Argument, Context, one_form, rule


@rule(Pad)
def lower_pad(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """Shifted by the value, padding is with zeros; then as a convolution does it."""
    op = cast(Pad, node.op)
    form = quantized_input(ctx, node, one_form(ctx, node, args))
    value = Fraction(op.value)
    form = form.then(Scale(rational(1), rational(-value)))
    step = form.affine()
    assert step is not None
    fill: Ints = np.zeros(1, np.int64)
    if any(step.add.reshape(-1)):  # else 0 stands for zero whatever the scales
        form, fill = filled(ctx, node, form)
    if fill.size > 1:
        raise ctx.error(
            "quant.scale-per-position",
            "the input of Pad has another zero in each channel",
            node,
            "one integer is filled in for all channels",
            "give the quantizer before it one scale and one zero point",
        )
    axes = nearest_axes(form)
    order = np.arange(form.size) if form.order is None else form.order
    index = _padded(order.reshape(form.shape), op).transpose(axes)
    assert form.base is not None
    base = gather(ctx, form.base, index.reshape(-1), index.shape, int(fill[0]))
    step = form.affine()
    assert step is not None
    if any(_varies(params, op) for params in (step.mul, step.add)):
        raise ctx.error(
            "quant.scale-per-position",
            "the input of Pad has a scale for each position along an axis that is padded",
            node,
            "what is filled in would have none of these scales",
            "give the quantizer before it one scale, or one scale a channel",
        )
    result = out_of_axes(Form(base, base.type.shape, origin=form.origin), axes)
    return result.then(Scale(step.mul, step.add + rational(value)))


def _varies(params: Rationals, op: Pad) -> bool:
    """Whether parameters have an extent along an axis that gets longer."""
    longer = [any(n) for n in zip(op.before, op.after, op.interior, strict=True)]
    extents = (*(1,) * (len(longer) - params.ndim), *params.shape)
    return any(extent > 1 for extent, grows in zip(extents, longer, strict=True) if grows)


def _padded(index: Ints, op: Pad) -> Ints:
    """The index map with -1 where the constant goes."""
    sides = list(zip(index.shape, op.before, op.after, op.interior, strict=True))
    shape = [a + n + (n - 1) * between + b for n, a, b, between in sides]
    out = np.full(shape, -1, np.int64)
    at = tuple(slice(a, a + n + (n - 1) * between, 1 + between) for n, a, _, between in sides)
    out[at] = index
    return out
