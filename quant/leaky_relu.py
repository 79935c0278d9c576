"""LeakyRelu: a step of two slopes; with a negative slope a table."""

from __future__ import annotations

from typing import cast

from gatesmith.ir import Node
from gatesmith.ops.leaky_relu import LeakyRelu
from gatesmith.quant.form import Form, Leak, Lookup, rationals
from gatesmith.quant.rules import Argument, Context, one_form, rule
from gatesmith.quant.whole import applied, tabled


@rule(LeakyRelu)
def lower_leaky_relu(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """v, or slope * v below zero."""
    form = one_form(ctx, node, args)
    slope = rationals(cast(LeakyRelu, node.op).slope.data)
    small = tabled(form)
    if small is not None and any(isinstance(step, Lookup) for step in form.steps):
        form = small
    leaked = form.then(Leak(slope))
    if all(v >= 0 for v in slope.reshape(-1)):
        return leaked
    return applied(ctx, node, leaked)
