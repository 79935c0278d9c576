"""Concat: of the integers, each stream keeping its scale where channels are put side by side."""

from __future__ import annotations

from typing import cast

import numpy as np

from gatesmith.ir import Array, IntType, Node
from gatesmith.ops.concat import Concat
from gatesmith.ops.requantize import Requantize
from gatesmith.quant.form import Form, Rationals, Scale, rational
from gatesmith.quant.layout import (
    in_axes,
    nearest_axes,
    out_of_axes,
    per_channel,
    settled,
    stream_axes,
)
from gatesmith.quant.rules import Argument, Context, no_host, rule
from gatesmith.quant.whole import MOST_BITS, no_real_input, unit, whole


@rule(Concat)
def lower_concat(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """Bases of one order of axes, one behind the other."""
    forms = []
    for arg in args:
        if not isinstance(arg, Form):
            raise ctx.error(
                "quant.constant-stream",
                "Concat with a constant",
                node,
                "only values that the network computes can be put side by side",
                "fold the constant into the layer behind it",
            )
        no_host(ctx, node, arg)
        no_real_input(ctx, node, arg)
        forms.append(whole(ctx, node, arg))
    axis = cast(Concat, node.op).axis
    found = [stream_axes(form) for form in forms]
    axes = next((a for a in found if a is not None), None) or nearest_axes(forms[0])
    turned = []
    for form, own in zip(forms, found, strict=True):
        moved = form.transposed(axes)
        base = in_axes(ctx, form, axes) if own == axes else settled(ctx, moved).base
        assert base is not None
        (step,) = Form(None, form.shape, (form.then(_same()).steps[0],)).transposed(axes).steps
        turned.append(Form(base, base.type.shape, (step,), origin=form.origin))
    place = axes.index(axis)
    together = _side_by_side if place == len(axes) - 1 else _one_after_another
    bases, step = together(ctx, node, turned)
    base = ctx.node(node.name, Concat(place), bases)
    return out_of_axes(Form(base, base.type.shape, (step,)), axes)


def _same() -> Scale:
    return Scale(rational(1), rational(0))


def _pairs(ctx: Context, node: Node, form: Form) -> list[tuple]:  # type: ignore[type-arg]
    pairs = per_channel(form)
    if pairs is None:
        raise ctx.error(
            "quant.scale-per-position",
            "the scale of an operand changes from position to position",
            node,
            "streams can be put together under one scale a channel, the same at every position",
            "put a quantizer before this node",
        )
    return pairs


def _side_by_side(ctx: Context, node: Node, forms: list[Form]) -> tuple[tuple[Node, ...], Scale]:
    """Channels keep their scales."""
    rows = []
    for form in forms:
        pairs = _pairs(ctx, node, form)
        rows += pairs * (form.shape[-1] // len(pairs))
    mul: Rationals = np.array([m for m, _ in rows], object)
    add: Rationals = np.array([a for _, a in rows], object)
    if len(set(rows)) == 1:
        mul, add = rational(rows[0][0]), rational(rows[0][1])
    return tuple(form.base for form in forms if form.base is not None), Scale(mul, add)


def _one_after_another(
    ctx: Context, node: Node, forms: list[Form]
) -> tuple[tuple[Node, ...], Scale]:
    """One scale for all: the streams' own, or a grid that holds them."""
    rows = [_pairs(ctx, node, form) for form in forms]
    bases = tuple(form.base for form in forms if form.base is not None)
    if all(set(row) == set(rows[0]) and row == rows[0] for row in rows):
        mul: Rationals = np.array([m for m, _ in rows[0]], object)
        add: Rationals = np.array([a for _, a in rows[0]], object)
        if len(rows[0]) == 1:
            mul, add = mul.reshape(()), add.reshape(())
        return bases, Scale(mul, add)
    step = unit([v for row in rows for pair in row for v in pair])
    made = []
    for base, row in zip(bases, rows, strict=True):
        muls, adds = [int(m / step) for m, _ in row], [int(a / step) for _, a in row]
        x = base.type.int_elem
        ends = [m * n + a for m, a in zip(muls, adds, strict=True) for n in (x.lo, x.hi)]
        out = IntType(min(ends), max(ends))
        if out.bits > MOST_BITS:
            raise ctx.error(
                "quant.join-width",
                f"a common grid needs {out.bits} bits",
                node,
                "the scales of its operands have no small common measure",
                "quantize the operands with one scale",
            )
        made.append(
            ctx.node(f"{node.name}_in", Requantize(Array(muls), Array(adds), 0, out), (base,))
        )
    return tuple(made), Scale(rational(step), rational(0))
