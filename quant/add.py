"""Add of a constant: an offset."""

from __future__ import annotations

from gatesmith.ir import Node
from gatesmith.ops.add import Add
from gatesmith.quant.elementwise import form_and_constant
from gatesmith.quant.form import Form, Scale, rational
from gatesmith.quant.rules import Argument, Context, rule


@rule(Add)
def lower_add(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """V + c."""
    form, value, _ = form_and_constant(ctx, node, args)
    return form.then(Scale(rational(1), value))
