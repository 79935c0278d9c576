"""Reshape: no hardware; the stream's order stays."""

from __future__ import annotations

from typing import cast

from gatesmith.ir import Node
from gatesmith.ops.reshape import Reshape
from gatesmith.quant.form import Form
from gatesmith.quant.rules import Argument, Context, one_form, rule


@rule(Reshape)
def lower_reshape(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """The same elements under another shape."""
    return one_form(ctx, node, args).reshaped(cast(Reshape, node.op).shape)
