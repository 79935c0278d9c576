"""Reduce: sum and mean are an integer sum, maximum and minimum those of the integers."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import cast

from gatesmith.ir import Node
from gatesmith.ops.reduce import Reduce
from gatesmith.quant.form import Form, Scale, rational
from gatesmith.quant.layout import settled
from gatesmith.quant.pooling import in_order
from gatesmith.quant.product import by_channel, quantized_input
from gatesmith.quant.rules import Argument, Context, one_form, rule


@rule(Reduce)
def lower_reduce(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """Over the last axis but one."""
    kind = cast(Reduce, node.op).kind
    form = one_form(ctx, node, args)
    count = form.shape[-2]
    if kind in ("sum", "mean"):
        form = settled(ctx, quantized_input(ctx, node, form))
        step = form.affine()
        assert step is not None and form.base is not None
        mul, add = (by_channel(ctx, node, form, params) for params in (step.mul, step.add))
        base = ctx.node(node.name, Reduce("sum"), (form.base,))
        share = Fraction(1, count if kind == "mean" else 1)
        return Form(base, base.type.shape).then(Scale(mul * share, add * count * share))
    if kind == "min":
        form = form.then(Scale(rational(-1), rational(0)))
    form = in_order(ctx, node, form)
    assert form.base is not None
    base = ctx.node(node.name, Reduce("max"), (form.base,))
    first = Form(None, form.shape, form.steps).moved(lambda a: a[..., 0, :])
    result = replace(form, base=base, shape=base.type.shape, steps=first.steps)
    return result.then(Scale(rational(-1), rational(0))) if kind == "min" else result
