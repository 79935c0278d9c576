"""LayerNorm: an integer algorithm with an error bound (gatesmith/ops/int_layer_norm.py).

It takes integers on one grid: those before it, or exact multiples of a common unit, where these
are not too wide; else the input is rounded to a grid of 2**-f. With every v off by at most e, the
result is off by at most e * (2 + sqrt(C - 1)) / sqrt(epsilon): its derivative is
(q_c - mean q - y_c * mean(y * q)) / sqrt(variance + epsilon), with |q| <= e and |y| <= sqrt(C - 1).
Scale and bias behind it stay steps of the form.
"""

from __future__ import annotations

from fractions import Fraction
from math import isqrt
from typing import cast

from gatesmith.ir import Node
from gatesmith.ops.int_layer_norm import GUARD, IntLayerNorm
from gatesmith.ops.layer_norm import LayerNorm
from gatesmith.quant.form import Form, Scale, rational
from gatesmith.quant.layout import settled
from gatesmith.quant.one_grid import LEAST_FINE, Grid, exact_grid, result_bits, rounded_grid
from gatesmith.quant.product import quantized_input
from gatesmith.quant.rules import Argument, Context, one_form, rule

USUAL = 12
"""Bits of a result that something else than a quantizer reads."""

NARROW, WIDEST = 20, 32
"""Bits of integers that are taken as they are, and most of integers that are taken at all."""


@rule(LayerNorm)
def lower_layer_norm(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """An IntLayerNorm; of vectors of one element nothing is left."""
    form, channels = one_form(ctx, node, args), node.type.channels
    form = quantized_input(ctx, node, form)
    if channels == 1:
        return form.then(Scale(rational(0), rational(0)))
    epsilon = Fraction(cast(LayerNorm, node.op).epsilon)
    # An upper bound of what an error of the input is multiplied by.
    root = Fraction(max(1, isqrt(int(epsilon * 4**64))), 2**64)
    gain = (3 + isqrt(channels - 1)) / root
    grid, op = _operator(ctx, node, form, gain, result_bits(ctx.real, node, USUAL))
    base = settled(ctx, grid.put(ctx, node, form), node.type.shape).base
    assert base is not None
    result = ctx.node(node.name, op, (base,))
    bound = op.bound(grid.x) + grid.error * gain * (1 << op.bits)
    ctx.notes.append(
        f"approximated: {', '.join(node.origin) or node.name}: LayerNorm in units of "
        f"2**-{op.bits}, at most {float(bound):.3f} of them from the real function"
    )
    share = Scale(rational(Fraction(1, 1 << op.bits)), rational(0))
    return Form(result, result.type.shape, (share,))


def _operator(
    ctx: Context, node: Node, form: Form, gain: Fraction, bits: int
) -> tuple[Grid, IntLayerNorm]:
    """Grid and operator of most bits whose products are not too wide."""
    epsilon = Fraction(cast(LayerNorm, node.op).epsilon)
    exact = exact_grid(ctx, node, form)
    for n in range(bits, LEAST_FINE - 1, -1):
        fraction = n + GUARD + int(gain).bit_length()
        grids = [g for g in (exact, rounded_grid(ctx, node, form, fraction)) if g is not None]
        grids.sort(key=lambda g: max(g.x.bits, NARROW))  # stable: the exact one first
        for grid in grids:
            if grid.x.bits > WIDEST:
                continue
            try:
                op = IntLayerNorm.of(grid.scale, epsilon, grid.x, node.type.channels, n)
                op.infer(type(node.type)(node.type.shape, grid.x))
                return grid, op
            except ValueError:
                continue
    raise ctx.error(
        "quant.missing-quantizer",
        "no quantizer before a LayerNormalization",
        node,
        f"no integers of up to {WIDEST} bits stand for its input finely enough",
        "quantize its input to 16 bits or fewer",
    )
