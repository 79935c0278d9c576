"""Quantize: ends a chain; see quant/quantizer.py."""

from __future__ import annotations

from typing import cast

from gatesmith.ir import Node
from gatesmith.ops.quantize import Quantize
from gatesmith.quant.form import Form, rationals
from gatesmith.quant.quantizer import Quantizer, apply
from gatesmith.quant.rules import Argument, Context, one_form, rule
from gatesmith.quant.step_function import quantize_bound


@rule(Quantize)
def lower_quantize(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """clamp(round(v / scale + zero_point))."""
    op = cast(Quantize, node.op)
    quantizer = Quantizer(
        op.clip,
        lambda _k, scale, zero: quantize_bound(op.rounding, scale, zero)(_k),
        (rationals(op.scale.data), rationals(op.zero_point.data)),
    )
    return apply(ctx, node, one_form(ctx, node, args), quantizer)
