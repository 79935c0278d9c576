"""AveragePool: an integer sum of each window, and the divisor in the scale behind it.

    (sum over valid taps of (s * n + o)) / d  =  (s / d) * sum(n) + o * valid / d

Padded taps are filled with 0. ``valid`` and the divisor ``d`` change near the border where padding
is not counted: then scale and offset are those of the position.
"""

from __future__ import annotations

from fractions import Fraction
from typing import cast

import numpy as np

from gatesmith.ir import Array, Ints, IntType, Node
from gatesmith.ops.average_pool import AveragePool
from gatesmith.ops.depthwise import Depthwise
from gatesmith.ops.reduce import Reduce
from gatesmith.quant.form import Form, Rationals, Scale
from gatesmith.quant.layout import reshape, settled
from gatesmith.quant.product import by_channel, quantized_input
from gatesmith.quant.rules import Argument, Context, one_form, rule


@rule(AveragePool)
def lower_average_pool(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """A Depthwise of ones."""
    op = cast(AveragePool, node.op)
    form = settled(ctx, quantized_input(ctx, node, one_form(ctx, node, args)))
    step = form.affine()
    assert step is not None and form.base is not None
    mul, add = (by_channel(ctx, node, form, params) for params in (step.mul, step.add))
    taps = op.kernel[0] * op.kernel[1]
    if op.kernel == form.shape[:2] and not any(op.pads):
        pixels = reshape(ctx, form.base, (taps, form.shape[-1]))
        whole_map = reshape(ctx, ctx.node(node.name, Reduce("sum"), (pixels,)), node.type.shape)
        step = Scale(mul * Fraction(1, taps), add)
        return Form(whole_map, whole_map.type.shape).then(step)
    ones = Array(np.ones((taps, form.shape[-1]), np.int64))
    total = Depthwise(op.kernel, op.strides, op.pads, op.dilations, Array([0]), ones, IntType(1, 1))
    base = ctx.node(node.name, total, (form.base,))
    divisor = op.counts(form.shape)
    within = AveragePool(op.kernel, op.strides, op.pads, (0, 0, 0, 0), op.dilations)
    valid = within.counts(form.shape)
    share = Scale(mul * _inverse(divisor), add * _ratio(valid, divisor))
    result = Form(base, base.type.shape).then(share)
    return result.moved(lambda a: a, identity=True)


def _inverse(divisor: Ints) -> Rationals:
    return _ratio(np.ones_like(divisor), divisor)


def _ratio(a: Ints, b: Ints) -> Rationals:
    """Ratio a / b by position, as (H', W', 1)."""
    out: Rationals = np.empty((*a.shape, 1), object)
    known: dict[tuple[int, int], Fraction] = {}
    for at in np.ndindex(*a.shape):
        pair = (int(a[at]), int(b[at]))
        out[(*at, 0)] = known.setdefault(pair, Fraction(*pair))
    return out
