"""MaxPool: of the integers; the steps stay behind it."""

from __future__ import annotations

from dataclasses import replace

from gatesmith.ir import Node
from gatesmith.ops.max_pool import MaxPool
from gatesmith.quant.form import Form
from gatesmith.quant.pooling import in_order
from gatesmith.quant.rules import Argument, Context, one_form, rule


@rule(MaxPool)
def lower_max_pool(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """The greatest integer of each window."""
    form = in_order(ctx, node, one_form(ctx, node, args))
    assert form.base is not None
    base = ctx.node(node.name, node.op, (form.base,))
    return replace(form, base=base, shape=base.type.shape)
