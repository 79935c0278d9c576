"""Mul: by a constant a scale, of two streams a Product of integers without offsets."""

from __future__ import annotations

import numpy as np

from gatesmith.ir import Node
from gatesmith.ops.mul import Mul
from gatesmith.ops.product import Product
from gatesmith.quant.elementwise import form_and_constant, of_one_base, two_forms
from gatesmith.quant.form import Form, Rationals, Scale, rational
from gatesmith.quant.join import aligned
from gatesmith.quant.layout import out_of_axes, per_channel
from gatesmith.quant.product import recentred
from gatesmith.quant.rules import Argument, Context, rule


@rule(Mul)
def lower_mul(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """V * c, a zero makes the channel constant, which is exact too; or a * b."""
    both = two_forms(ctx, node, args)
    if both is None:
        form, value, _ = form_and_constant(ctx, node, args)
        return form.then(Scale(value, rational(0)))
    together = of_one_base(*both, lambda x, y: x * y)
    return _product(ctx, node, *both) if together is None else together


def _product(ctx: Context, node: Node, a: Form, b: Form) -> Form:
    """(s_a * a) * (s_b * b), offsets moved into the integers first."""
    operands, axes = aligned(ctx, node, a, b)
    bare = [recentred(ctx, node, form) for form in operands]
    rows = [per_channel(form) for form in bare]
    assert rows[0] is not None and rows[1] is not None, "recentred checks it"
    count = max(len(rows[0]), len(rows[1]))
    first, second = (row * (count // len(row)) for row in (rows[0], rows[1]))
    scales = [x[0] * y[0] for x, y in zip(first, second, strict=True)]
    assert bare[0].base is not None and bare[1].base is not None
    base = ctx.node(node.name, Product(), (bare[0].base, bare[1].base))
    scale: Rationals = np.array(scales, object) if count > 1 else rational(scales[0])
    return out_of_axes(Form(base, base.type.shape, (Scale(scale, rational(0)),)), axes)
