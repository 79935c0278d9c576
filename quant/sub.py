"""Sub of or from a constant: an offset, and a sign where the constant comes first."""

from __future__ import annotations

from gatesmith.ir import Node
from gatesmith.ops.sub import Sub
from gatesmith.quant.elementwise import form_and_constant
from gatesmith.quant.form import Form, Scale, rational
from gatesmith.quant.rules import Argument, Context, rule


@rule(Sub)
def lower_sub(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """V - c or c - v."""
    form, value, first = form_and_constant(ctx, node, args)
    return form.then(Scale(rational(1), -value) if first else Scale(rational(-1), value))
