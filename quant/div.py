"""Div by a constant: a scale, exactly the reciprocal."""

from __future__ import annotations

from gatesmith.ir import Node
from gatesmith.ops.div import Div
from gatesmith.quant.elementwise import form_and_constant
from gatesmith.quant.form import ONE, Form, Scale, rational
from gatesmith.quant.rules import Argument, Context, rule


@rule(Div)
def lower_div(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """V / c."""
    form, value, first = form_and_constant(ctx, node, args)
    if not first:
        raise ctx.error(
            "quant.divide-by-stream",
            "a constant divided by a stream is not built",
            node,
            "the reciprocal of a computed value is not monotone around zero",
            "replace the division by a quantized table, or end the model before it",
        )
    if any(v == 0 for v in value.reshape(-1)):
        raise ctx.error(
            "quant.divide-by-zero",
            "division by a constant that holds zeros",
            node,
            "the divisor must not be 0 in any channel",
            "repair the constant in the model",
        )
    return form.then(Scale(ONE / value, rational(0)))
