"""Transpose: remembered as an order, which the next matrix product takes into its weights."""

from __future__ import annotations

from typing import cast

from gatesmith.ir import Node
from gatesmith.ops.transpose import Transpose
from gatesmith.quant.form import Form
from gatesmith.quant.rules import Argument, Context, one_form, rule


@rule(Transpose)
def lower_transpose(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """The same elements in another order."""
    return one_form(ctx, node, args).transposed(cast(Transpose, node.op).perm)
