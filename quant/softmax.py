"""Softmax: left to the host at the end of a model, skipped before ArgMax and TopK.

It is strictly increasing in each element for fixed others, and equal elements stay equal, so it
changes no order.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from gatesmith.ir import Node
from gatesmith.ops.softmax import Softmax
from gatesmith.quant.form import Form
from gatesmith.quant.rules import Argument, Context, one_form, rule


@rule(Softmax)
def lower_softmax(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """Mark the form; quant/lower.py tells the user when it reaches an output."""
    form = one_form(ctx, node, args)
    axes = cast(Softmax, node.op).axes
    return replace(form, host=(f"Softmax over the last {axes} axes",))
