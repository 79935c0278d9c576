"""Relu: a clamp at zero, folded into the quantizer behind it."""

from __future__ import annotations

from gatesmith.ir import Node
from gatesmith.ops.relu import Relu
from gatesmith.quant.form import ZERO, Clamp, Form
from gatesmith.quant.rules import Argument, Context, one_form, rule


@rule(Relu)
def lower_relu(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """max(v, 0)."""
    return one_form(ctx, node, args).then(Clamp(ZERO, None))
