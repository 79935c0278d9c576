"""Function: a table of a value with few integers, else a step that a quantizer inverts.

Floor, Ceil and Round are such steps always; see also quant/rounded.py.
"""

from __future__ import annotations

from typing import cast

from gatesmith.ir import Node
from gatesmith.ops.function import Function
from gatesmith.quant.form import Form, Lookup, Monotone
from gatesmith.quant.inverse import INVERTIBLE
from gatesmith.quant.rules import Argument, Context, one_form, rule
from gatesmith.quant.step_function import ROUNDED
from gatesmith.quant.whole import applied, tabled


@rule(Function)
def lower_function(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """f(v)."""
    kind = cast(Function, node.op).kind
    form = one_form(ctx, node, args)
    then = form.then(Monotone(kind))
    looked_up = any(isinstance(step, Lookup) for step in form.steps)
    if form.base is not None and kind in ROUNDED and not looked_up:
        return then
    if form.base is not None and tabled(form) is None and kind in INVERTIBLE:
        return then
    return applied(ctx, node, then)
