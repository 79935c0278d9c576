"""Take: remembered as an order of elements, which costs nothing until something needs it."""

from __future__ import annotations

from typing import cast

from gatesmith.ir import Node
from gatesmith.ops.take import Take
from gatesmith.quant.form import Form
from gatesmith.quant.rules import Argument, Context, one_form, rule


@rule(Take)
def lower_take(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """Elements by number along one axis."""
    op = cast(Take, node.op)
    return one_form(ctx, node, args).moved(lambda a: a.take(op.index.data, op.axis))
