"""Select: with a constant a clamp, of two streams that of integers on one grid."""

from __future__ import annotations

from typing import cast

import numpy as np

from gatesmith.ir import Array, IntType, Node
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.select import Select
from gatesmith.quant.elementwise import form_and_constant, of_one_base, two_forms
from gatesmith.quant.form import ZERO, Clamp, Form, Rationals, Scale, rational
from gatesmith.quant.join import aligned
from gatesmith.quant.layout import out_of_axes, per_channel
from gatesmith.quant.rules import Argument, Context, rule
from gatesmith.quant.whole import MOST_BITS, unit


@rule(Select)
def lower_select(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """The larger or smaller of two."""
    kind = cast(Select, node.op).kind
    both = two_forms(ctx, node, args)
    if both is None:
        return _with_constant(ctx, node, args, kind)
    together = of_one_base(*both, max if kind == "max" else min)
    return _streams(ctx, node, *both, kind) if together is None else together


def _with_constant(ctx: Context, node: Node, args: tuple[Argument, ...], kind: str) -> Form:
    """A clamp at zero of the difference, where the limit changes from channel to channel."""
    form, value, _ = form_and_constant(ctx, node, args)
    limit = Clamp(ZERO, None) if kind == "max" else Clamp(None, ZERO)
    values = set(value.reshape(-1).tolist())
    if len(values) == 1:
        only = values.pop()
        return form.then(Clamp(only, None) if kind == "max" else Clamp(None, only))
    shifted = form.then(Scale(rational(1), -value)).then(limit)
    return shifted.then(Scale(rational(1), value))


def _streams(ctx: Context, node: Node, a: Form, b: Form, kind: str) -> Form:
    """Both as integers of one unit a channel."""
    operands, axes = aligned(ctx, node, a, b)
    rows = [per_channel(form) for form in operands]
    if rows[0] is None or rows[1] is None:
        raise ctx.error(
            "quant.scale-per-position",
            "the scale of an operand changes from position to position",
            node,
            "streams can be compared under one scale a channel, the same at every position",
            "put a quantizer before this node",
        )
    count = max(len(rows[0]), len(rows[1]))
    full = [row * (count // len(row)) for row in (rows[0], rows[1])]
    units = [unit([*x, *y]) for x, y in zip(*full, strict=True)]
    bases = []
    for form, row in zip(operands, full, strict=True):
        assert form.base is not None
        mul = [int(m / u) for (m, _), u in zip(row, units, strict=True)]
        add = [int(o / u) for (_, o), u in zip(row, units, strict=True)]
        x = form.base.type.int_elem
        ends = [m * n + o for m, o in zip(mul, add, strict=True) for n in (x.lo, x.hi)]
        out = IntType(min(ends), max(ends))
        if out.bits > MOST_BITS:
            raise ctx.error(
                "quant.join-width",
                f"a common grid needs {out.bits} bits",
                node,
                "the scales of its operands have no small common measure",
                "quantize the operands with one scale",
            )
        same = set(mul) == {1} and set(add) == {0}
        op = Requantize(Array(mul), Array(add), 0, out)
        bases.append(form.base if same else ctx.node(f"{node.name}_in", op, (form.base,)))
    base = ctx.node(node.name, Select(kind), (bases[0], bases[1]))
    scale: Rationals = np.array(units, object) if count > 1 else rational(units[0])
    return out_of_axes(Form(base, base.type.shape, (Scale(scale, rational(0)),)), axes)
