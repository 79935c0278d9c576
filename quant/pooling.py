"""Shared by pools and reductions: forms whose elements have one function a channel."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np

from gatesmith.ir import Array, IntType, Node
from gatesmith.ops.requantize import Requantize
from gatesmith.quant.form import Chain, Form, Lookup, Scale, rational
from gatesmith.quant.layout import settled
from gatesmith.quant.product import quantized_input
from gatesmith.quant.rules import Context
from gatesmith.quant.step_function import rises
from gatesmith.quant.whole import whole

Entries: TypeAlias = list[tuple[Chain, tuple[object, ...]]]


def in_order(ctx: Context, node: Node, form: Form) -> Form:
    """A form under which the largest integer is the largest real, channel by channel.

    Steps stay behind the operator, because the greatest of non-falling functions is the function
    of the greatest. Falling channels are negated first; what is neither is put on a grid.
    """
    if form.base is None:
        form = quantized_input(ctx, node, form)
    form = settled(ctx, form)
    form = form.moved(lambda a: a, identity=True)  # parameters as small as they are
    if any(isinstance(step, Lookup) for step in form.steps):
        form = whole(ctx, node, form)
    assert form.base is not None
    entries = form.channel_chains()
    if entries is None or len(entries) not in (1, form.base.type.channels):
        raise ctx.error(
            "quant.scale-per-position",
            "the scale of the input changes from position to position",
            node,
            "positions can be compared under one scale a channel, the same everywhere",
            "put a quantizer before it",
        )
    falling = [not rises(chain) for chain, _ in entries]
    if not any(falling):
        return form
    signs = [-1 if falls else 1 for falls in falling]
    x = form.base.type.int_elem
    reach = max(abs(x.lo), abs(x.hi))
    op = Requantize(Array(signs), Array([0]), 0, IntType(-reach, reach))
    base = ctx.node(f"{node.name}_in", op, (form.base,))
    turn = Scale(np.array([rational(s)[()] for s in signs], object), rational(0))
    if len(signs) == 1:
        turn = Scale(rational(signs[0]), rational(0))
    turned = Form(base, form.shape, origin=form.origin).then(turn)
    for step in form.steps:
        turned = turned.then(step)
    return replace(turned, host=form.host)
