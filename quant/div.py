"""Div by a constant: a scale, exactly the reciprocal; of two functions of one value a look-up."""

from __future__ import annotations

from gatesmith.errors import UserError
from gatesmith.ir import Node
from gatesmith.ops.div import Div
from gatesmith.quant.elementwise import form_and_constant, of_one_base, two_forms
from gatesmith.quant.form import ONE, Form, Scale, rational
from gatesmith.quant.rules import Argument, Context, rule


@rule(Div)
def lower_div(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """V / c, or a / b where both are functions of the same few integers (Softsign)."""
    both = two_forms(ctx, node, args)
    if both is not None:
        return _of_streams(ctx, node, *both)
    form, value, first = form_and_constant(ctx, node, args)
    if not first:
        raise _by_stream(ctx, node, "a constant divided by a stream is not built")
    if any(v == 0 for v in value.reshape(-1)):
        raise ctx.error(
            "quant.divide-by-zero",
            "division by a constant that holds zeros",
            node,
            "the divisor must not be 0 in any channel",
            "repair the constant in the model",
        )
    return form.then(Scale(ONE / value, rational(0)))


def _of_streams(ctx: Context, node: Node, a: Form, b: Form) -> Form:
    try:
        together = of_one_base(a, b, lambda x, y: x / y)
    except ZeroDivisionError as error:
        raise ctx.error(
            "quant.divide-by-zero",
            "division by a value that can be 0",
            node,
            "some integer that its input may take makes the divisor 0",
            "add a small constant to the divisor, or clip it",
        ) from error
    if together is None:
        raise _by_stream(ctx, node, "a stream divided by another is not built")
    return together


def _by_stream(ctx: Context, node: Node, what: str) -> UserError:
    return ctx.error(
        "quant.divide-by-stream",
        what,
        node,
        "the reciprocal of a computed value is not monotone around zero",
        "replace the division by a quantized table, or end the model before it",
    )
