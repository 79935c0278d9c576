"""Mul by a constant: a scale."""

from __future__ import annotations

from gatesmith.ir import Node
from gatesmith.ops.mul import Mul
from gatesmith.quant.elementwise import form_and_constant
from gatesmith.quant.form import Form, Scale, rational
from gatesmith.quant.rules import Argument, Context, rule


@rule(Mul)
def lower_mul(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """V * c; a zero makes the channel constant, which is exact too."""
    form, value, _ = form_and_constant(ctx, node, args)
    return form.then(Scale(value, rational(0)))
