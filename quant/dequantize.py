"""Dequantize: an exact affine map."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import cast

from gatesmith.ir import Node
from gatesmith.ops.dequantize import Dequantize
from gatesmith.quant.form import Form, Scale, rationals
from gatesmith.quant.rules import Argument, Context, one_form, rule


@rule(Dequantize)
def lower_dequantize(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """(scale * n + offset) / denominator."""
    op = cast(Dequantize, node.op)
    (form,) = args
    if isinstance(form, Form) and form.host:
        return replace(form, host=(*form.host, "dequantization"))
    share = Fraction(1, op.denominator)
    step = Scale(rationals(op.scale.data) * share, rationals(op.offset.data) * share)
    return one_form(ctx, node, args).then(step)
