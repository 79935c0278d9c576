"""Sub: of or from a constant an offset, of two streams a Join."""

from __future__ import annotations

from gatesmith.ir import Node
from gatesmith.ops.sub import Sub
from gatesmith.quant.elementwise import form_and_constant, two_forms
from gatesmith.quant.form import Form, Scale, rational
from gatesmith.quant.join import add_forms
from gatesmith.quant.rules import Argument, Context, rule


@rule(Sub)
def lower_sub(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """V - c, c - v, or a - b."""
    both = two_forms(ctx, node, args)
    if both is not None:
        a, b = both
        return add_forms(ctx, node, a, b.then(Scale(rational(-1), rational(0))))
    form, value, first = form_and_constant(ctx, node, args)
    return form.then(Scale(rational(1), -value) if first else Scale(rational(-1), value))
