"""Add: of a constant an offset, of two streams a Join."""

from __future__ import annotations

from gatesmith.ir import Node
from gatesmith.ops.add import Add
from gatesmith.quant.elementwise import form_and_constant, two_forms
from gatesmith.quant.form import Form, Scale, rational
from gatesmith.quant.join import add_forms
from gatesmith.quant.rules import Argument, Context, rule


@rule(Add)
def lower_add(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """V + c, or a + b."""
    both = two_forms(ctx, node, args)
    if both is not None:
        return add_forms(ctx, node, *both)
    form, value, _ = form_and_constant(ctx, node, args)
    return form.then(Scale(rational(1), value))
